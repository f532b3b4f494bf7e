"""The ways to carry a call: every test of this folder runs over each of them."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from contextvars import ContextVar
from typing import Final

from fincard_async._runtime.ports import Transport
from fincard_async._transports.session import SessionTransport

Opener = Callable[[str, ssl.SSLContext | None], Transport]


def _session(origin: str, context: ssl.SSLContext | None) -> Transport:
    return SessionTransport(origin, ssl_context=context)


def _by_aiohttp(origin: str, context: ssl.SSLContext | None) -> Transport:
    return SessionTransport(origin, ssl_context=context, direct=False)


def _lean(origin: str, context: ssl.SSLContext | None) -> Transport:
    from fincard_async._transports.lean import LeanTransport

    return LeanTransport(origin, ssl_context=context)


WAYS: Final[dict[str, Opener]] = {
    "session": _session,
    "by aiohttp": _by_aiohttp,
    "lean": _lean,
}
current: ContextVar[str] = ContextVar("current", default="session")


def open_transport(origin: str, context: ssl.SSLContext | None = None) -> Transport:
    """A transport of the kind that the test runs over."""
    return WAYS[current.get()](origin, context)
