"""Reads one answer from bytes, strictly: what is not plainly one whole answer is a fault.

The parser is httptools' (llhttp), with none of its leniencies: it refuses bare line feeds, folded
headers, two lengths, a length beside chunks, bad chunk sizes. Here the rest is refused: bytes
before or behind the answer, other codings, protocols and versions, and everything that is longer
than it need be. No I/O: ``feed`` takes what was read.

The parser proves the head but does not take it apart: its headers are read from the bytes when
somebody asks, which for nearly all answers is never. And a head that was proven before, byte for
byte, is not proven again: under load most answers of one second begin alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from fincard_async._sansio.messages import HttpResponse, Reason, TransportFailure
from fincard_async._sansio.sizes import MAX_BODY_BYTES

MAX_LINE: Final = 8190
"""Bytes of one header, as aiohttp has it."""
MAX_HEADERS: Final = 128
MAX_HEAD: Final = 64 * 1024
MAX_INTERIM: Final = 1024 * 1024
"""Bytes of answers with status 1xx before the real one."""
MAX_WIRE: Final = 4 * MAX_BODY_BYTES
"""Bytes of a whole answer, with all that chunks add to it."""

_MOST_KNOWN: Final = 64
_MOST_KEPT: Final = 2048
"""Bytes of a head that is worth remembering."""

_END: Final = b"\r\n\r\n"
_VERSIONS: Final = (b"HTTP/1.1 ", b"HTTP/1.0 ")


class ReplyHeaders(Mapping[str, str]):
    """The headers in a head, by lower-case name; a repeated one is one list, as HTTP has it."""

    __slots__ = ("_head", "_read")

    def __init__(self, head: bytes) -> None:
        self._head = head
        self._read: dict[str, str] | None = None

    def _all(self) -> dict[str, str]:
        if self._read is None:
            found: dict[str, str] = {}
            for line in self._head.decode("latin-1").split("\r\n")[1:-2]:
                name, _, value = line.partition(":")
                key, value = name.lower(), value.strip(" \t")
                found[key] = f"{found[key]}, {value}" if key in found else value
            self._read = found
        return self._read

    def __getitem__(self, name: str) -> str:
        return self._all()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def __repr__(self) -> str:
        return f"ReplyHeaders({', '.join(self)})"


class _Known(NamedTuple):
    """What the parser found in a head."""

    status: int
    headers: ReplyHeaders
    size: int
    """Bytes of the body, which nothing but the head decides: no chunks, no end by closing."""


class KnownHeads:
    """Heads of whole answers after which the connection could be used again."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[bytes, _Known] = {}

    def reply(self, data: bytes, most: int) -> HttpResponse | None:
        """The answer that ``data`` is, if its head is known and its body is whole and no longer
        than ``most`` bytes; None if the parser must look at it."""
        end = data.find(_END) + len(_END)
        known = self._known.get(data[:end])
        if known is None or known.size != len(data) - end or known.size > most:
            return None
        return HttpResponse(known.status, known.headers, data[end:])

    def learn(self, head: bytes, status: int, size: int) -> None:
        """Remember a head that the parser has proven, with the body that belongs to it."""
        if len(head) <= _MOST_KEPT:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()  # it has the time in it: old ones do not come back
            self._known[head] = _Known(status, ReplyHeaders(head), size)


class ReplyReader:
    """The answers of one connection, one after the other.

    Attributes:
        fault: Set once bytes came that are no answer; the connection is of no use any more.
        reply: The answer, once it is whole.
        reusable: True if another answer may follow on this connection.
    """

    __slots__ = (
        "_bodies",
        "_chunked",
        "_done",
        "_fresh",
        "_head",
        "_heads",
        "_interim",
        "_known",
        "_most",
        "_parser",
        "_passed",
        "_raw",
        "_read",
        "_size",
        "fault",
        "reply",
        "reusable",
    )

    def __init__(self, known: KnownHeads) -> None:
        self._parser = HttpResponseParser(self)
        self._known = known
        self.fault: TransportFailure | None = None
        self.expect()

    def expect(self, most: int = MAX_BODY_BYTES) -> None:
        """Be ready for the next answer, whose body may have ``most`` bytes."""
        self._most = most
        self._fresh = True
        self.reusable = False
        self.reply: HttpResponse | None = None

    def _begin(self) -> None:
        self._done = self._chunked = False
        self._head = self._raw = b""
        self._bodies: list[bytes] = []
        self._read = self._size = self._heads = self._interim = self._passed = 0

    def feed(self, data: bytes) -> None:
        """Take what was read; afterwards look at ``fault`` and ``reply``."""
        if self._fresh:
            self._fresh = False
            self.reply = self._known.reply(data, self._most)
            if self.reply is not None:
                self.reusable = True
                return
            self._begin()
        elif self.reply is not None:
            self._refuse("more was sent than one reply")
            return
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade):
            # Not kept: its text and its context may hold what came.
            if not self._is_switch():
                self._refuse("the reply is not HTTP")
        if self._done and self._read == 0 and self.fault is None and self._is_plain(data):
            return
        self._read += len(data)
        if not self._head:
            self._look_at_head(data)
        if self.fault is None:
            if self._is_switch():
                self.reusable = False  # what may follow is another protocol's
                self.reply = self._made()
            elif self._done:
                self._finish(data)
            elif self._read > MAX_WIRE:
                self._refuse_length()

    def _is_plain(self, data: bytes) -> bool:
        """Take the usual answer, read whole at once; what is not plainly one is looked at below."""
        status, end = self._parser.get_status_code(), data.find(_END) + len(_END)
        head = data[:end]
        if (
            self._heads != 1
            or status == 101
            or end + self._size != len(data)
            or end > MAX_LINE
            or head.count(b"\r\n") > MAX_HEADERS + 2
            or not head.startswith(_VERSIONS)
            or b"-encoding" in head.lower()
        ):
            return False
        self._head = head
        self.reply = self._made()
        if self.reusable:
            self._known.learn(head, status, self._size)
        return True

    def end(self) -> None:
        """The connection was closed in order: the end of an answer that has no other end."""
        if self._fresh or self.reply is not None:
            return
        bounded = self._chunked or "content-length" in ReplyHeaders(self._head)
        if self.fault is None and self._head and not bounded:
            self.reply = self._made()

    def close(self) -> None:
        """Nothing follows: parser and reader hold each other, and would wait for the collector."""
        del self._parser

    # What follows is called by the parser, in this order, and again after an interim answer.

    def on_headers_complete(self) -> None:
        """The last byte of a head."""
        self._heads += 1
        if self._done:
            self._refuse("more was sent than one reply")

    def on_body(self, chunk: bytes) -> None:
        """A part of the body."""
        self._size += len(chunk)
        if self._size > self._most:
            self._refuse_length()
        elif self.fault is None:
            self._bodies.append(chunk)

    def on_message_complete(self) -> None:
        """The last byte of an answer."""
        status = self._parser.get_status_code()
        if 100 <= status < 200 and status != 101:
            self._interim += 1
        else:
            self._done = True
            self.reusable = self._parser.should_keep_alive()

    def _is_switch(self) -> bool:
        """True for an answer after which the parser reads no more: 101, which nobody asked for."""
        return self._done and self._parser.get_status_code() == 101

    def _look_at_head(self, data: bytes) -> None:
        """Find the head of the real answer, and decide whether the body may be read."""
        raw = self._raw = self._raw + data if self._raw else data
        if not any(version.startswith(raw[:9]) for version in _VERSIONS):
            self._refuse("the reply is not HTTP/1")
        for _ in range(self._interim - self._passed):  # of an interim answer nothing is kept
            raw = self._raw = raw[raw.index(_END) + 4 :]
        self._passed = self._interim
        if self._heads == self._interim:
            if len(raw) > MAX_HEAD or self._read > MAX_INTERIM:
                self._refuse("the reply's headers are too long")
        else:
            self._head = raw[: raw.index(_END) + 4]
            # From here on it counts from the beginning of this head.
            self._read, self._raw = len(raw), b""
            self._check_head()

    def _check_head(self) -> None:
        head = self._head
        if len(head) > MAX_LINE and max(map(len, head.split(b"\r\n"))) > MAX_LINE:
            self._refuse("the reply's headers are too long")
        elif head.count(b"\r\n") > MAX_HEADERS + 2:
            self._refuse("the reply has too many headers")
        elif not head.startswith(_VERSIONS):
            self._refuse("the reply is not HTTP/1")
        elif b"-encoding" in (lower := head.lower()):
            self._check_encodings(lower)
        if not self._done and self.fault is None:
            length = ReplyHeaders(head).get("content-length", "0")
            if int(length) > self._most:
                self._refuse_length()

    def _check_encodings(self, lower: bytes) -> None:
        headers = ReplyHeaders(lower)
        self._chunked = "transfer-encoding" in headers
        if headers.get("content-encoding", "identity") != "identity":
            self._refuse("the reply has a content encoding")
        elif headers.get("transfer-encoding", "chunked") != "chunked":
            self._refuse("the reply has a transfer coding")

    def _finish(self, data: bytes) -> None:
        if not self._chunked:
            whole = self._read == len(self._head) + self._size
        elif whole := len(data) <= len(_END):
            self.reusable = False  # too little to tell
        else:
            # Where chunks end is known to the parser only, which forgives line breaks behind them.
            whole = data.endswith(_END) and not data.endswith(b"\n" + _END)
        if whole:
            self.reply = self._made()
        else:
            self._refuse("more was sent than one reply")

    def _made(self) -> HttpResponse:
        bodies = self._bodies
        return HttpResponse(
            self._parser.get_status_code(),
            ReplyHeaders(self._head),
            bodies[0] if len(bodies) == 1 else b"".join(bodies),
        )

    def _refuse_length(self) -> None:
        self._refuse(f"the reply is longer than {self._most} bytes", "too-large")

    def _refuse(self, detail: str, reason: Reason = "malformed") -> None:
        if self.fault is None:
            self.fault = TransportFailure(reason, sent=True, detail=detail)
