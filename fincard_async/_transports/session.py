"""Carries calls over an aiohttp ``ClientSession``.

Whether a request was sent is noted by its class, see ``asked``; in a session of the caller's own,
whose requests are of another class, by aiohttp's trace hook, which costs a fifth more.

Without a proxy, one coarse wheel keeps the time of all requests: aiohttp's own timer costs each of
them two heap operations, and a step into and out of its context at every wait.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Iterator, Mapping
from functools import lru_cache
from types import SimpleNamespace
from typing import TYPE_CHECKING, Final

import aiohttp
from yarl import URL

from fincard_async._sansio.messages import HttpRequest, HttpResponse, TransportFailure

from .asked import DIRECT, HOOKED, DirectRequest, Exchange, Request, Unasked, current
from .faults import CONNECT_SECONDS, KEEPALIVE_SECONDS, checked, failure_of, verified
from .home import Home
from .request import Heads
from .wheel import Wheel

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


async def _on_headers_sent(
    session: aiohttp.ClientSession,
    context: SimpleNamespace,
    params: aiohttp.TraceRequestHeadersSentParams,
) -> None:
    exchange = context.trace_request_ctx
    if isinstance(exchange, Exchange):
        exchange.sent = True


@lru_cache(maxsize=16)
def _limit(total: float | None, connect: float) -> aiohttp.ClientTimeout:
    """Nearly all attempts have the same time."""
    return aiohttp.ClientTimeout(total=total, connect=connect)


class SessionTransport:
    """A pool of connections to one origin; opened on first use, in the loop of that use.

    Attributes:
        reason: Why it was chosen.

    ``direct=False`` leaves the writing and the timing of requests to aiohttp, which is also done
    where a session or a proxy is given.
    """

    def __init__(
        self,
        origin: str,
        *,
        session: aiohttp.ClientSession | None = None,
        ssl_context: ssl.SSLContext | None = None,
        proxy: str | None = None,
        reason: str = "",
        direct: bool = DIRECT,
    ) -> None:
        self.reason = reason
        self._origin = origin
        self._ssl = checked(ssl_context)
        self._proxy = proxy
        self._given = session
        self._session: aiohttp.ClientSession | None = None
        self._home = Home()
        self._heads = Heads(origin.partition("://")[2])
        self._urls: dict[str, URL] = {}
        self._direct = direct and session is None and proxy is None
        self._wheel: Wheel | None = None

    async def send(self, request: HttpRequest, timeout: float) -> HttpResponse:
        """Send once; never follow a redirect, never repeat.

        Raises:
            TransportFailure: No complete answer in time.
            ClientClosed, WrongLoop, ForkedClient: The client cannot be used here; nothing was sent.
        """
        session = self._open()
        deadline = time.monotonic() + timeout
        exchange = Exchange(request, self._heads, deadline)
        slot = None if self._wheel is None else self._wheel.add(exchange, deadline)
        mark = current.set(exchange)
        failure = TransportFailure("connect", sent=False, detail="the server speaks unasked")
        try:
            for _ in range(_MOST_UNASKED):
                try:
                    return await self._exchange(session, request, timeout, exchange)
                except Unasked:  # nothing was sent, and that connection is closed
                    timeout = deadline - time.monotonic()
                    if timeout <= 0:
                        failure = TransportFailure(
                            "connect", sent=False, detail="no connection in time"
                        )
                        break
                except TransportFailure:
                    raise
                except Exception as error:  # noqa: BLE001 - all of aiohttp's are sorted by one table
                    failure = failure_of(exchange.cause(error), sent=exchange.sent)
                    break
        finally:
            if slot is not None:
                slot.discard(exchange)
            current.reset(mark)
        try:
            raise failure
        finally:
            del failure  # a frame that holds what it raises is a cycle

    async def _exchange(
        self,
        session: aiohttp.ClientSession,
        request: HttpRequest,
        timeout: float,
        exchange: Exchange,
    ) -> HttpResponse:
        direct = self._direct  # then head and body are the exchange's, and the time is the wheel's
        response = await session.post(
            self._url(request.path),
            data=None if direct else aiohttp.BytesPayload(_Body(request.body)),
            headers=None if direct else request.headers,
            allow_redirects=False,
            proxy=self._proxy,
            timeout=_limit(None if direct else timeout, min(timeout, CONNECT_SECONDS)),
            trace_request_ctx=exchange,
        )
        try:
            body = await _read(response, request.most_bytes)
            if exchange.late:  # what was cut short may look complete
                raise TimeoutError
        except BaseException:
            response.close()
            raise
        exchange.end()
        return HttpResponse(response.status, _Headers(response.headers), body)

    async def aclose(self) -> None:
        """Close every connection; a session that the caller gave stays open."""
        mine = self._home.leave()
        if mine and self._session is not None and self._session is not self._given:
            await self._session.close()
            if self._wheel is not None and self._wheel.is_empty:
                self._wheel.close()  # else it ends what still waits for its server to read

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
        if self._direct:
            self._wheel = Wheel(asyncio.get_running_loop())
        return aiohttp.ClientSession(
            # The limiter bounds what is in flight; a second bound here would hide waiting calls.
            connector=aiohttp.TCPConnector(
                limit=0, ssl=self._ssl or verified(), keepalive_timeout=KEEPALIVE_SECONDS
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding"),
            auto_decompress=False,
            trust_env=False,
            request_class=DirectRequest if self._direct else Request,
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
    content = response.content
    while not content.at_eof():
        chunk = await content.readany()
        chunks.add(chunk)
        del chunk
        if chunks.size > most:
            raise _too_large(response, most)
    return chunks.whole()


def _too_large(response: aiohttp.ClientResponse, most: int) -> TransportFailure:
    response.close()
    return TransportFailure("too-large", sent=True, detail=f"the reply is longer than {most} bytes")
