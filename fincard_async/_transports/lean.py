"""Carries calls over connections that aiohttp opens and this package reads.

An aiohttp call mostly builds objects: request, response, headers, timers, a task. A client with one
origin, one verb and fixed headers needs none of them. So aiohttp does what it does best, names,
TLS, happy eyeballs, and then ``transport.set_protocol()`` hands the open connection to ``Line``,
which writes one bytes object and reads one bounded answer. It is a transport, not an HTTP library:
what it does not understand closes the connection and is an unknown outcome.

It needs httptools (extra ``speedups``). Everything unusual (a session or a proxy of the caller's,
tracing) goes over ``SessionTransport``; ``choice`` decides.
"""

from __future__ import annotations

import asyncio
import ssl
import time
import warnings

import aiohttp
from yarl import URL

from fincard_async._sansio.messages import HttpRequest, HttpResponse, TransportFailure

from .faults import CONNECT_SECONDS, checked, failure_of, verified
from .home import Home
from .line import READ_BYTES, Line
from .pool import IdleLines
from .reply import KnownHeads
from .request import Heads
from .wheel import Wheel


class LeanTransport:
    """A pool of connections to one origin; opened on first use, in the loop of that use."""

    def __init__(self, origin: str, *, ssl_context: ssl.SSLContext | None = None) -> None:
        self._opened: _Opened | None = None
        self._lines: set[Line] = set()
        self._url = URL(origin, encoded=True)
        self._ssl = checked(ssl_context)
        self._home = Home()
        self._heads = Heads(origin.partition("://")[2])
        self._buffer = memoryview(b"")
        self._known = KnownHeads()

    async def send(self, request: HttpRequest, timeout: float) -> HttpResponse:
        """Send once; never follow a redirect, never repeat.

        Raises:
            TransportFailure: No complete answer in time.
            ClientClosed, WrongLoop, ForkedClient: The client cannot be used here; nothing was sent.
        """
        opened = self._opened
        if opened is None or not opened.is_here():
            opened = self._open()
        now = time.monotonic()
        deadline = now + timeout
        line = opened.idle.take(now)
        if line is None:
            line = await self._dial(opened, timeout)
            if time.monotonic() >= deadline:
                line.close()
                raise TransportFailure("connect", sent=False, detail="no connection in time")
        # From here to the write nothing awaits, so that "sent" is exactly what happens next. The
        # bytes are in no variable: a traceback would show them.
        try:
            waiter = line.start(self._heads.render(request), request.most_bytes)
        except TransportFailure:
            line.close()
            raise
        slot = opened.wheel.add(line, deadline)
        try:
            outcome = await waiter
        finally:
            slot.discard(line)
            if line.waiter is None:
                opened.idle.put(line)
            else:  # cancelled, or broken: a late answer must never meet a later request
                line.close()
        if isinstance(outcome, TransportFailure):
            try:
                raise outcome
            finally:
                del outcome, waiter  # a frame that holds what it raises is a cycle
        return outcome

    async def aclose(self) -> None:
        """Close every connection; exchanges under way end as lost."""
        if not self._home.leave() or self._opened is None:
            return
        opened, self._opened = self._opened, None
        opened.close()
        for line in tuple(self._lines):
            line.close()
        await opened.connector.close()

    def _open(self) -> _Opened:
        self._home.enter()
        self._opened = _Opened(self._url, self._ssl)
        self._buffer = memoryview(bytearray(READ_BYTES))
        return self._opened

    async def _dial(self, opened: _Opened, timeout: float) -> Line:
        limit = aiohttp.ClientTimeout(total=None, connect=min(timeout, CONNECT_SECONDS))
        failure: TransportFailure
        try:
            connection = await opened.connector.connect(opened.key, [], limit)
        except TimeoutError:
            failure = TransportFailure("connect", sent=False, detail="no connection in time")
        except Exception as error:  # noqa: BLE001 - all of aiohttp's are sorted by one table
            failure = failure_of(error, sent=False)
        else:
            handler, transport = connection.protocol, connection.transport
            if handler is not None and transport is not None and not handler.should_close:
                line = Line(
                    connection,
                    handler,
                    transport,
                    buffer=self._buffer,
                    known=self._known,
                    lines=self._lines,
                    loop=opened.loop,
                )
                transport.set_protocol(line)
                return line
            connection.close()  # closed at once, or the server spoke first
            failure = TransportFailure("connect", sent=False, detail="the connection broke")
        try:
            raise failure
        finally:
            del failure

    def __del__(self) -> None:
        if self._opened is not None and self._lines and not self._opened.loop.is_closed():
            warnings.warn(f"unclosed {self!r}", ResourceWarning, source=self, stacklevel=2)
            self._opened.close()
            for line in tuple(self._lines):
                line.close()


class _Opened:
    """What belongs to the event loop of the first use."""

    def __init__(self, url: URL, context: ssl.SSLContext | None) -> None:
        self.loop = asyncio.get_running_loop()
        self.idle = IdleLines(self.loop)
        self.wheel = Wheel(self.loop)
        trust = (context or verified()) if url.scheme == "https" else True
        # The limiter bounds what is in flight; a second bound here would hide waiting calls.
        self.connector = aiohttp.TCPConnector(limit=0, ssl=trust)
        # Never sent: the connector takes from it where to connect, and how.
        self.key = aiohttp.ClientRequest("GET", url, loop=self.loop)

    def is_here(self) -> bool:
        """True in the loop of the first use; a forked child is in no loop, or in one of its own."""
        try:
            return asyncio.get_running_loop() is self.loop
        except RuntimeError:
            return False

    def close(self) -> None:
        """Stop both timers."""
        self.idle.close()
        self.wheel.close()
