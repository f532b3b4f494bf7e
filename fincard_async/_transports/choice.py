"""Which of the two ways carries a client's calls, and why.

The lean way is taken where everything that it relies on was seen to hold; all else goes over
aiohttp's ``ClientSession``. Both end every exchange in the same classes of outcome, so this is a
matter of speed alone. ``FINCARD_TRANSPORT=session`` takes the slow way, to find out in a case of
doubt whether the fast one is to blame.
"""

from __future__ import annotations

import inspect
import ssl
import sys
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection

if TYPE_CHECKING:
    from .lean import LeanTransport
    from .session import SessionTransport

VARIABLE: Final = "FINCARD_TRANSPORT"

_PARAMETERS: Final = (
    # aiohttp documents these functions, but not all of their parameters.
    (aiohttp.TCPConnector, "connect", ("self", "req", "traces", "timeout")),
    (ResponseHandler, "connection_lost", ("self", "exc")),
    (Connection, "close", ("self",)),
)
_PROPERTIES: Final = (
    (Connection, ("protocol", "transport")),
    (ResponseHandler, ("should_close",)),
)
_HEAD: Final = b"HTTP/1.1 200 OK\r\n"
_GOOD: Final = _HEAD + b"Content-Length: 2\r\n\r\n{}"
_BAD: Final = (
    _HEAD + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
    _HEAD + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    _HEAD + b"A: b\nContent-Length: 2\r\n\r\n{}",
    _HEAD + b"A: b\r\n c\r\nContent-Length: 2\r\n\r\n{}",
    _HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\n{}\n0\n\n",
)


def choose(
    origin: str,
    *,
    session: aiohttp.ClientSession | None,
    ssl_context: ssl.SSLContext | None,
    proxy: str | None,
    environ: Mapping[str, str],
) -> SessionTransport | LeanTransport:
    """The transport for a client; a ``SessionTransport`` says why it is one.

    Raises:
        ConfigError: ``ssl_context`` does not verify.
    """
    reason = _reason(session, proxy, environ)
    if reason is None:
        from .lean import LeanTransport

        return LeanTransport(origin, ssl_context=ssl_context)
    from .session import SessionTransport

    return SessionTransport(
        origin, session=session, ssl_context=ssl_context, proxy=proxy, reason=reason
    )


def _reason(
    session: aiohttp.ClientSession | None, proxy: str | None, environ: Mapping[str, str]
) -> str | None:
    if session is not None:
        return "a session was given"
    if proxy is not None:
        return "a proxy was given"
    if environ.get(VARIABLE) == "session":
        return f"{VARIABLE}=session"
    return missing()


@lru_cache(maxsize=1)
def missing() -> str | None:
    """What the lean way relies on and does not find here, or None. No network; once per process."""
    if sys.platform == "win32":
        return "not proven on this platform"
    try:
        from .reply import KnownHeads, ReplyReader
    except ImportError:
        return "httptools is not installed (extra speedups)"
    for owner, name, parameters in _PARAMETERS:
        if tuple(inspect.signature(getattr(owner, name)).parameters) != parameters:
            return f"aiohttp {aiohttp.__version__} has another {owner.__name__}.{name}"
    for kind, names in _PROPERTIES:
        for name in names:
            if not isinstance(inspect.getattr_static(kind, name, None), property):
                return f"aiohttp {aiohttp.__version__} has another {kind.__name__}.{name}"
    reader = ReplyReader(KnownHeads())
    reader.feed(_GOOD)
    if reader.reply is None or reader.reply.body != b"{}":
        return "the parser does not read what it should"
    for bad in _BAD:
        reader = ReplyReader(KnownHeads())
        reader.feed(bad)
        if reader.fault is None:
            return "the parser reads what it should refuse"
    return None
