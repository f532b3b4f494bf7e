"""Carries calls over an aiohttp ``ClientSession``.

"Sent" is decided at the moment before the first byte, never by the class of an exception: the same
exception is raised for a connection that was stale before the request and for a server that carried
the request out and then died; and aiohttp reports status 400 for an answer that it cannot parse.
That moment is ``ClientRequest.send``, which gets the open connection; in a session of the caller's
own, whose requests are of another class, it is aiohttp's trace hook, which costs a fifth more.
"""

from __future__ import annotations

import inspect
import ssl
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from functools import lru_cache
from types import SimpleNamespace
from typing import TYPE_CHECKING, Final

import aiohttp
from aiohttp.connector import Connection
from yarl import URL

from fincard_async._sansio.messages import HttpRequest, HttpResponse, TransportFailure

from .faults import CONNECT_SECONDS, KEEPALIVE_SECONDS, checked, failure_of, verified
from .home import Home

if TYPE_CHECKING:
    from multidict import CIMultiDictProxy

_MOST_UNASKED: Final = 500
"""Connections in a row that are passed over; a proxy may have spoken on every idle one."""


class _Body(bytes):
    """A body on its way through aiohttp, whose frames a cancelled call's traceback shows."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<{len(self)} bytes>"


class _Chunks:
    """What has arrived of a reply, where no traceback shows it."""

    __slots__ = ("_parts", "size")

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self.size = 0

    def add(self, part: bytes) -> None:
        self._parts.append(part)
        self.size += len(part)

    def whole(self) -> bytes:
        return self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)


class _Headers(Mapping[str, str]):
    """By lower-case name; a header that came twice is one list, as HTTP has it."""

    __slots__ = ("_found",)

    def __init__(self, found: CIMultiDictProxy[str]) -> None:
        self._found = found

    def __getitem__(self, name: str) -> str:
        return ", ".join(self._found.getall(name))

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(map(str.lower, self._found)))

    def __len__(self) -> int:
        return len(set(map(str.lower, self._found)))

    def __repr__(self) -> str:
        return f"_Headers({', '.join(self)})"


class _Sent:
    """Whether the request's first bytes were handed over."""

    __slots__ = ("yes",)

    def __init__(self) -> None:
        self.yes = False


async def _on_headers_sent(
    session: aiohttp.ClientSession,
    context: SimpleNamespace,
    params: aiohttp.TraceRequestHeadersSentParams,
) -> None:
    sent = context.trace_request_ctx
    if isinstance(sent, _Sent):
        sent.yes = True


class _Unasked(Exception):
    """Something came over an idle connection: it must not be taken for an answer."""


_current: ContextVar[_Sent] = ContextVar("_current")
"""The exchange that this task carries out: aiohttp makes and sends its request in the same task."""

HOOKED: Final = tuple(inspect.signature(aiohttp.ClientRequest.send).parameters) == ("self", "conn")
"""False if this aiohttp sends its requests in another way; then the trace hook tells."""


class _Request(aiohttp.ClientRequest):
    """Notes that it is about to be sent, and uses no connection with something unasked on it.

    A proxy that gives up on an idle connection, or that mixes answers up, may say so in the form of
    an answer; aiohttp would give it to the next request, and a refusal names no order.
    """

    async def send(self, conn: Connection) -> aiohttp.ClientResponse:
        if conn.protocol is not None and conn.protocol.should_close:
            raise _Unasked
        _current.get().yes = True
        return await super().send(conn)


@lru_cache(maxsize=8)
def _limit(timeout: float) -> aiohttp.ClientTimeout:
    """Nearly all attempts have the same time."""
    return aiohttp.ClientTimeout(total=timeout, connect=min(timeout, CONNECT_SECONDS))


class SessionTransport:
    """A pool of connections to one origin; opened on first use, in the loop of that use.

    Attributes:
        reason: Why it was chosen.
    """

    def __init__(
        self,
        origin: str,
        *,
        session: aiohttp.ClientSession | None = None,
        ssl_context: ssl.SSLContext | None = None,
        proxy: str | None = None,
        reason: str = "",
    ) -> None:
        self.reason = reason
        self._origin = origin
        self._ssl = checked(ssl_context)
        self._proxy = proxy
        self._given = session
        self._session: aiohttp.ClientSession | None = None
        self._home = Home()
        self._urls: dict[str, URL] = {}

    async def send(self, request: HttpRequest, timeout: float) -> HttpResponse:
        """Send once; never follow a redirect, never repeat.

        Raises:
            TransportFailure: No complete answer in time.
            ClientClosed, WrongLoop, ForkedClient: The client cannot be used here; nothing was sent.
        """
        session = self._open()
        sent = _Sent()
        _current.set(sent)
        failure = TransportFailure("connect", sent=False, detail="the server speaks unasked")
        for _ in range(_MOST_UNASKED):
            try:
                return await self._exchange(session, request, timeout, sent)
            except _Unasked:
                continue  # nothing was sent, and that connection is closed
            except TransportFailure:
                raise
            except Exception as error:  # noqa: BLE001 - all of aiohttp's are sorted by one table
                failure = failure_of(error, sent=sent.yes)
                break
        try:
            raise failure
        finally:
            del failure  # a frame that holds what it raises is a cycle

    async def _exchange(
        self, session: aiohttp.ClientSession, request: HttpRequest, timeout: float, sent: _Sent
    ) -> HttpResponse:
        async with session.post(
            self._url(request.path),
            data=aiohttp.BytesPayload(_Body(request.body)),
            headers=request.headers,
            allow_redirects=False,
            proxy=self._proxy,
            timeout=_limit(timeout),
            trace_request_ctx=sent,
        ) as response:
            body = await _read(response, request.most_bytes)
            return HttpResponse(response.status, _Headers(response.headers), body)

    async def aclose(self) -> None:
        """Close every connection; a session that the caller gave stays open."""
        mine = self._home.leave()
        if mine and self._session is not None and self._session is not self._given:
            await self._session.close()

    def _open(self) -> aiohttp.ClientSession:
        self._home.enter()
        if self._session is None:
            self._session = self._make_session()
        return self._session

    def _make_session(self) -> aiohttp.ClientSession:
        trace = aiohttp.TraceConfig()
        trace.on_request_headers_sent.append(_on_headers_sent)
        if self._given is not None:
            trace.freeze()
            self._given.trace_configs.append(trace)
            return self._given
        return aiohttp.ClientSession(
            # The limiter bounds what is in flight; a second bound here would hide waiting calls.
            connector=aiohttp.TCPConnector(
                limit=0, ssl=self._ssl or verified(), keepalive_timeout=KEEPALIVE_SECONDS
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding"),
            auto_decompress=False,
            trust_env=False,
            request_class=_Request,
            trace_configs=[] if HOOKED else [trace],
        )

    def _url(self, path: str) -> URL:
        url = self._urls.get(path)
        if url is None:
            url = self._urls[path] = URL(self._origin + path, encoded=True)
        return url


async def _read(response: aiohttp.ClientResponse, most: int) -> bytes:
    """The whole body, bounded; an encoding that was not asked for is not unpacked."""
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise TransportFailure("malformed", sent=True, detail="the reply has a content encoding")
    if (response.content_length or 0) > most:
        raise _too_large(response, most)
    chunks = _Chunks()
    async for chunk in response.content.iter_any():
        chunks.add(chunk)
        del chunk
        if chunks.size > most:
            raise _too_large(response, most)
    return chunks.whole()


def _too_large(response: aiohttp.ClientResponse, most: int) -> TransportFailure:
    response.close()
    return TransportFailure("too-large", sent=True, detail=f"the reply is longer than {most} bytes")
