"""One connection: one request out, one answer in, and never a second one under way.

aiohttp opened it, and keeps its own protocol object for it, which no longer sees the bytes but is
told of the end. From the first byte handed to ``transport.write`` on, whatever goes wrong counts as
sent; before that, nothing does. What is not plainly one whole answer closes the connection.
"""

from __future__ import annotations

import asyncio
import select
from typing import Final

from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection

from fincard_async._sansio.messages import HttpResponse, Reason, TransportFailure

from .reply import KnownHeads, ReplyReader

Outcome = HttpResponse | TransportFailure
READ_BYTES: Final = 64 * 1024
WRITE_BYTES: Final = 64 * 1024
"""A longer request goes out in pieces, so that a slow server fills no buffer."""


class Line(asyncio.BufferedProtocol):
    """Carries one exchange at a time.

    Attributes:
        idle_since: When the last exchange ended (monotonic).
        waiter: Told how the exchange under way ends; None if none is.
    """

    __slots__ = (
        "_buffer",
        "_connection",
        "_handler",
        "_lines",
        "_loop",
        "_paused",
        "_reader",
        "_rest",
        "_transport",
        "idle_since",
        "waiter",
    )

    def __init__(
        self,
        connection: Connection,
        handler: ResponseHandler,
        transport: asyncio.Transport,
        *,
        buffer: memoryview,
        known: KnownHeads,
        lines: set[Line],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._connection = connection
        self._handler = handler
        self._transport = transport
        # Shared by all lines: reading and parsing are one step of the loop, never interleaved.
        self._buffer = buffer
        self._lines = lines
        self._loop = loop
        self._reader = ReplyReader(known)
        self.waiter: asyncio.Future[Outcome] | None = None
        self._rest = memoryview(b"")
        self._paused = False
        self.idle_since = 0.0
        lines.add(self)

    @property
    def is_open(self) -> bool:
        """False once either side has begun to close the connection."""
        return not self._transport.is_closing()

    @property
    def is_silent(self) -> bool:
        """False if something came that the event loop has not yet looked at."""
        poll = select.poll()
        poll.register(self._transport.get_extra_info("socket").fileno(), select.POLLIN)
        return not poll.poll(0)

    def start(self, data: bytes, most: int) -> asyncio.Future[Outcome]:
        """Send a request, on an open line without an exchange; the future tells how that ended.

        An answer with more than ``most`` bytes in its body is not read.
        """
        self._reader.expect(most)
        waiter = self.waiter = self._loop.create_future()
        if len(data) <= WRITE_BYTES:
            self._transport.write(data)
        else:
            self._rest = memoryview(data)
            self._push()
        return waiter

    def close(self) -> None:
        """Break the connection; an exchange under way ends as lost."""
        self._end(TransportFailure("lost", sent=True, detail="the connection was closed"))
        self._transport.abort()

    def expire(self) -> None:
        """The time of the exchange is over."""
        self._fail("timeout", "no complete reply in time")

    # What follows is called by the event loop.

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where to read to."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Bytes came."""
        if self.waiter is None:  # nobody asked: what would follow could pass for a later answer
            self._transport.abort()
            return
        reader = self._reader
        reader.feed(self._buffer[:nbytes].tobytes())
        if reader.fault is not None:
            self._end(reader.fault)
            self._transport.abort()
        elif reader.reply is not None:
            if self._rest or not reader.reusable:  # answered before the request was all sent
                self._transport.abort()
            self._end(reader.reply)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is closed, by whichever side."""
        self._lines.discard(self)
        if exc is None:
            self._reader.end()
        ended = self.waiter and self._reader.reply
        self._end(ended or TransportFailure("lost", sent=True, detail="the connection broke"))
        self._reader.close()
        # aiohttp counts its connections by this.
        self._handler.connection_lost(exc)
        self._connection.close()

    def pause_writing(self) -> None:
        """The transport holds enough for now."""
        self._paused = True

    def resume_writing(self) -> None:
        """The transport takes more."""
        self._paused = False
        self._push()

    def _push(self) -> None:
        while self._rest and not self._paused and not self._transport.is_closing():
            self._transport.write(self._rest[:WRITE_BYTES])
            self._rest = self._rest[WRITE_BYTES:]

    def _fail(self, reason: Reason, detail: str) -> None:
        self._end(TransportFailure(reason, sent=True, detail=detail))
        self._transport.abort()

    def _end(self, outcome: Outcome) -> None:
        waiter, self.waiter = self.waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(outcome)
