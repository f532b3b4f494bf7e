"""What an exception of aiohttp says about an exchange, and the certificate check: for both ways."""

from __future__ import annotations

import ssl
from typing import Final

import aiohttp

from fincard_async._sansio.messages import Reason, TransportFailure
from fincard_async.errors import ConfigError

CONNECT_SECONDS: Final = 10.0
KEEPALIVE_SECONDS: Final = 15.0
"""Shorter than servers usually keep an idle connection, so that a stale one is rarely met."""

_FAULTS: Final[tuple[tuple[type[Exception], Reason, str], ...]] = (
    (aiohttp.ClientConnectorCertificateError, "certificate", "the certificate is not accepted"),
    (aiohttp.ConnectionTimeoutError, "connect", "no connection in time"),
    (TimeoutError, "timeout", "no complete reply in time"),
    (aiohttp.ClientPayloadError, "lost", "the reply was cut short"),
    (aiohttp.ClientResponseError, "malformed", "the reply is not HTTP"),
    (aiohttp.ClientConnectorDNSError, "connect", "the host's name does not resolve"),
    (aiohttp.ClientConnectorError, "connect", "the connection was refused"),
    (aiohttp.ClientError, "lost", "the connection broke"),
    (OSError, "lost", "the connection broke"),
)


def failure_of(error: Exception, *, sent: bool) -> TransportFailure:
    """Sort an exception of aiohttp by its class alone, since its text may hold secrets."""
    for kind, reason, detail in _FAULTS:
        if isinstance(error, kind):
            return TransportFailure(reason, sent=sent, detail=detail)
    return TransportFailure("lost", sent=sent, detail=f"{type(error).__name__} in the transport")


def checked(context: ssl.SSLContext | None) -> ssl.SSLContext | None:
    """Refuse a context that would take any certificate.

    Raises:
        ConfigError: Before anything is sent.
    """
    if context is not None and not context.check_hostname:
        # The ssl module ties this to verify_mode: no certificate check, no host name check.
        raise ConfigError("ssl_context must verify certificates and host names")
    return context


def verified() -> ssl.SSLContext:
    """The context where the caller gave none."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
