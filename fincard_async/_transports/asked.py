"""How a request of a ``ClientSession`` is written, and when it counts as sent.

"Sent" is decided at the moment before the first byte, never by the class of an exception: the same
exception is raised for a connection that was stale before the request and for a server that carried
the request out and then died; and aiohttp reports status 400 for an answer that it cannot parse.
That moment is ``ClientRequest.send``, which gets the open connection.

``DirectRequest`` also writes the request itself: its head is made once and its body is there, so
the header tables, the writer and the task that aiohttp makes for each request would only cost.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final, cast

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from multidict import CIMultiDict

from fincard_async._sansio.messages import HttpRequest, TransportFailure

from .request import Heads

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aiohttp.abc import AbstractStreamWriter


class Unasked(Exception):
    """Nothing was sent, because this connection must not be used; another one may do."""


class Exchange:
    """One request on its way, and what is known of it.

    Attributes:
        sent: The request's first bytes were handed over.
        late: Its time was over first.
    """

    __slots__ = ("_cut", "_deadline", "_heads", "_held", "_request", "_spent", "late", "sent")

    def __init__(self, request: HttpRequest, heads: Heads, deadline: float) -> None:
        self._request = request
        self._heads = heads
        self._deadline = deadline
        self._held: Connection | None = None
        self._cut: Callable[[], None] | None = None
        self.sent = self.late = self._spent = False

    def write(self, connection: Connection) -> None:
        """Send the request.

        Raises:
            TransportFailure: It took too long to connect, or a header would forge another one.
            Unasked: The connection is closing, or something came that nobody asked for.
        """
        if time.monotonic() >= self._deadline:
            raise TransportFailure("connect", sent=False, detail="no connection in time")
        transport, protocol = connection.transport, connection.protocol
        if protocol is None or protocol.should_close or transport is None or transport.is_closing():
            raise Unasked
        self._held, self._cut = connection, transport.abort
        # From here to the write nothing awaits, so that "sent" is exactly what happens next. The
        # bytes are in no variable: a traceback would show them.
        self.sent = True
        transport.write(self._heads.render(self._request))
        if transport.get_write_buffer_size():
            # The answer may come before all of it went out, and aiohttp would use the connection
            # again: what is left must not become the beginning of the next request.
            protocol.force_close()
            self._spent = True

    def end(self) -> None:
        """The answer is whole; what was not yet sent of the request never is."""
        if self._spent and self._cut is not None:
            self._cut()

    def cause(self, error: Exception) -> Exception:
        """What ended it: a connection that was cut because of the time looks like a lost one."""
        return TimeoutError() if self.late and self.sent else error

    def expire(self) -> None:
        """Cut the connection, so that what waits for its answer ends.

        One that was given back already may carry another request, and is left alone; one that the
        session closed may still wait for its server to read, and is not.
        """
        self.late = True
        if self._held is not None and self._cut is not None and self._held.protocol is not None:
            self._cut()


current: Final[ContextVar[Exchange]] = ContextVar("current")
"""What this task carries out: aiohttp makes and sends its request in the same task."""


def _has(function: object, *names: str) -> bool:
    return callable(function) and tuple(inspect.signature(function).parameters) == names


HOOKED: Final = _has(aiohttp.ClientRequest.send, "self", "conn")
"""False if this aiohttp sends its requests in another way; then the trace hook tells."""

DIRECT: Final = (
    HOOKED
    and _has(ResponseHandler.force_close, "self")
    and _has(aiohttp.ClientRequest.update_headers, "self", "headers")
    and _has(aiohttp.ClientRequest.update_auto_headers, "self", "skip_auto_headers")
    and _has(
        aiohttp.ClientResponse.__init__,
        *("self", "method", "url", "writer", "continue100", "timer", "request_info", "traces"),
        *("loop", "session", "stream_writer"),
    )
)
"""False if this aiohttp makes its responses in another way; then it writes its requests, too."""


class Request(aiohttp.ClientRequest):
    """Notes that it is about to be sent, and uses no connection with something unasked on it.

    A proxy that gives up on an idle connection, or that mixes answers up, may say so in the form of
    an answer; aiohttp would give it to the next request, and a refusal names no order.
    """

    async def send(self, conn: Connection) -> aiohttp.ClientResponse:
        if conn.protocol is not None and conn.protocol.should_close:
            raise Unasked
        current.get().sent = True
        return await super().send(conn)


class _Written:
    """Stands for aiohttp's writer, of which a response asks how much it wrote."""

    output_size: Final = 0


_WRITTEN: Final = cast("AbstractStreamWriter", _Written())


class DirectRequest(aiohttp.ClientRequest):
    """The same, but the exchange writes it whole, head and body, at once."""

    def update_headers(self, headers: Mapping[str, str] | None) -> None:  # type: ignore[override]  # none are given
        self.headers = CIMultiDict()

    def update_auto_headers(self, skip_auto_headers: Iterable[str] | None) -> None:
        """None: what is sent stands in the head already."""

    async def send(self, conn: Connection) -> aiohttp.ClientResponse:
        current.get().write(conn)
        return self.response_class(
            self.method,
            self.original_url,
            writer=None,
            continue100=None,
            timer=self._timer,
            request_info=self.request_info,
            traces=self._traces,
            loop=self.loop,
            session=self.session,
            stream_writer=_WRITTEN,
        )
