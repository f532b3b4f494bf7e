"""Reads one answer from bytes, strictly: what is not plainly one whole answer is a fault.

The parser is httptools' (llhttp), with none of its leniencies: it refuses bare line feeds, folded
headers, two lengths, a length beside chunks, bad chunk sizes. Here the rest is refused: bytes
before or behind the answer, trailers, other transfer codings, protocols and versions, an upgrade,
and everything that is longer than it need be. No I/O: ``feed`` takes what was read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from fincard_async._sansio.envelope import MAX_BODY_BYTES
from fincard_async._sansio.messages import HttpResponse, Reason, TransportFailure

MAX_LINE: Final = 8190
"""Bytes of one header, as aiohttp has it."""
MAX_HEADERS: Final = 128
MAX_HEAD: Final = 64 * 1024
"""Bytes before the body, interim answers included."""
MAX_INTERIM: Final = 16
"""Answers of status 1xx before the real one."""

_SECOND_SIGHT: Final = frozenset(
    {b"content-length", b"transfer-encoding", b"content-encoding", b"connection"}
)
"""Headers that tell where the answer ends: none may come twice."""
_VERSIONS: Final = frozenset({"1.1", "1.0"})


class ReplyHeaders(Mapping[str, str]):
    """Headers by lower-case name; decoded when they are read, which few answers need."""

    __slots__ = ("_raw",)

    def __init__(self, raw: Mapping[bytes, bytes]) -> None:
        self._raw = raw

    def __getitem__(self, name: str) -> str:
        return self._raw[name.encode("latin-1", "replace")].decode("latin-1").strip()

    def __iter__(self) -> Iterator[str]:
        return (name.decode("latin-1") for name in self._raw)

    def __len__(self) -> int:
        return len(self._raw)

    def __repr__(self) -> str:
        return f"ReplyHeaders({', '.join(self)})"


class ReplyReader:
    """The answers of one connection, one after the other.

    Attributes:
        fault: Set once bytes came that are no answer; the connection is of no use any more.
        reply: The answer, once it is whole.
        reusable: True if another answer may follow on this connection.
    """

    __slots__ = (
        "_begun",
        "_chunked",
        "_chunks",
        "_done",
        "_head_done",
        "_headers",
        "_interim",
        "_pairs",
        "_parser",
        "_read",
        "_size",
        "_until_end",
        "fault",
        "reply",
        "reusable",
    )

    def __init__(self) -> None:
        self._parser = HttpResponseParser(self)
        self.fault: TransportFailure | None = None
        self.expect()

    def expect(self) -> None:
        """Be ready for the next answer."""
        self.reply: HttpResponse | None = None
        self.reusable = False
        self._begun = self._done = self._head_done = False
        self._read = self._interim = 0

    def feed(self, data: memoryview) -> None:
        """Take what was read; afterwards look at ``fault`` and ``reply``."""
        if not self._begun and data[0] != 0x48:  # "H"
            self._refuse("the reply is not HTTP")
            return
        self._read += len(data)
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade:
            self._refuse("the server changes the protocol")
        except HttpParserError:
            # Not kept: its text and its context may hold what came.
            self._refuse("the reply is not HTTP")
        if self.fault is not None:
            return
        if self._done:
            self._finish(data)
        elif not self._head_done and self._read > MAX_HEAD:
            self._refuse("the reply's headers are too long")

    def end(self) -> None:
        """The connection was closed in order: the end of an answer that has no other end."""
        if self.fault is None and self._head_done and self._until_end:
            self.reply = self._made()

    # What follows is called by the parser, in this order.

    def on_message_begin(self) -> None:
        """The first byte of an answer."""
        if self._done:
            self._refuse("more was sent than one reply")
        self._begun = True
        self._head_done = self._chunked = self._until_end = False
        self._pairs: list[tuple[bytes, bytes]] = []
        self._chunks: list[bytes] = []
        self._size = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header, or one trailer."""
        self._pairs.append((name.lower(), value))
        if len(name) + len(value) > MAX_LINE or len(self._pairs) > MAX_HEADERS:
            self._refuse("the reply's headers are too long")
        elif self._head_done:
            self._refuse("the reply has trailers")

    def on_headers_complete(self) -> None:
        """Decide how the body ends, and whether it may be read at all."""
        self._head_done = True
        headers = self._headers = dict(self._pairs)
        if len(headers) != len(self._pairs) and self._repeats():
            self._refuse("the reply names its framing twice")
        elif self._parser.get_http_version() not in _VERSIONS:
            self._refuse("the reply is not HTTP/1")
        elif headers.get(b"content-encoding", b"identity").strip().lower() != b"identity":
            self._refuse("the reply has a content encoding")
        elif (coding := headers.get(b"transfer-encoding")) is not None:
            self._chunked = True
            if coding.strip().lower() != b"chunked":
                self._refuse("the reply has a transfer coding")
        elif (length := headers.get(b"content-length")) is None:
            self._until_end = True  # unless the status forbids a body: then it is over at once
        elif int(length) > MAX_BODY_BYTES:
            self._refuse_length()

    def on_body(self, chunk: bytes) -> None:
        """A part of the body."""
        self._size += len(chunk)
        if self._size > MAX_BODY_BYTES:
            self._refuse_length()
        elif self.fault is None:
            self._chunks.append(chunk)

    def on_message_complete(self) -> None:
        """The last byte of an answer; after an interim one, the real one is still to come."""
        status = self._parser.get_status_code()
        if 102 <= status < 200 or status == 100:
            self._interim += 1
            self._head_done = False
            if self._interim > MAX_INTERIM:
                self._refuse("the server answers and answers, but not the request")
        else:
            self._done = True
            self.reusable = self._parser.should_keep_alive()

    def _finish(self, data: memoryview) -> None:
        status = self._parser.get_status_code()
        if not 200 <= status < 600:
            self._refuse("the reply has no known status")
        elif self._has_surplus(data):
            self._refuse("more was sent than one reply")
        else:
            self.reply = self._made()

    def _has_surplus(self, data: memoryview) -> bool:
        """Line breaks behind the answer, which the parser forgives.

        Behind a body that itself ends with one they cannot be told apart from it, and do no harm:
        the parser has swallowed them, and no answer begins with one.
        """
        if self._chunks and not self._chunked:
            return data[-1] == 0x0A and not self._chunks[-1].endswith(b"\n")
        return data[-5:] == b"\n\r\n\r\n"

    def _made(self) -> HttpResponse:
        chunks = self._chunks
        return HttpResponse(
            self._parser.get_status_code(),
            ReplyHeaders(self._headers),
            chunks[0] if len(chunks) == 1 else b"".join(chunks),
        )

    def _repeats(self) -> bool:
        names = [name for name, _ in self._pairs]
        return any(names.count(name) > 1 for name in _SECOND_SIGHT)

    def _refuse_length(self) -> None:
        self._refuse(f"the reply is longer than {MAX_BODY_BYTES} bytes", "too-large")

    def _refuse(self, detail: str, reason: Reason = "malformed") -> None:
        if self.fault is None:
            self.fault = TransportFailure(reason, sent=True, detail=detail)
