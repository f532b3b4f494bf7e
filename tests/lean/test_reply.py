"""What is one whole answer, and what is not, however it is cut into reads."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from fincard_async._sansio.sizes import MAX_BODY_BYTES

pytest.importorskip("httptools")

from fincard_async._transports.reply import MAX_INTERIM, KnownHeads, ReplyReader

OK = b"HTTP/1.1 200 OK\r\n"
LENGTH = b"Content-Length: 2\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
WHOLE = OK + LENGTH + b"\r\n{}"


def read(data: bytes, size: int = 1 << 16, reader: ReplyReader | None = None) -> ReplyReader:
    """Feed it in pieces, until it is whole or broken, as a connection does."""
    reader = reader or ReplyReader(KnownHeads())
    for start in range(0, len(data), size):
        reader.feed(data[start : start + size])
        if reader.fault is not None or (reader.reply is not None and size == 1):
            break
    return reader


GOOD = [
    (WHOLE, 200, b"{}", True),
    (OK + b"content-LENGTH:\t2 \r\n\r\n{}", 200, b"{}", True),
    (CHUNKED + b"1\r\n{\r\n1;a=b\r\n}\r\n0\r\n\r\n", 200, b"{}", True),
    (CHUNKED + b"2\r\n{}\r\n0\r\nX: trailer\r\n\r\n", 200, b"{}", True),
    (OK + LENGTH + b"Connection: close\r\n\r\n{}", 200, b"{}", False),
    (OK + LENGTH + b"Content-Encoding: IDENTITY\r\n\r\n{}", 200, b"{}", True),
    (b"HTTP/1.0 200 OK\r\n" + LENGTH + b"\r\n{}", 200, b"{}", False),
    (b"HTTP/1.1 204 No\r\n\r\n", 204, b"", True),
    (b"HTTP/1.1 304 Not\r\nContent-Length: 9\r\n\r\n", 304, b"", True),
    (b"HTTP/1.1 503\r\nContent-Length: 0\r\n\r\n", 503, b"", True),
    (b"HTTP/1.1 100 Go on\r\n\r\nHTTP/1.1 103 E\r\nLink: x\r\n\r\n" + WHOLE, 200, b"{}", True),
]


@pytest.mark.parametrize("size", [1 << 16, 7, 1])
@pytest.mark.parametrize(("data", "status", "body", "reusable"), GOOD)
def test_a_whole_answer(data: bytes, status: int, body: bytes, reusable: bool, size: int) -> None:
    """The same answer comes out of one read, of a few and of many."""
    reader = read(data, size)
    assert reader.fault is None
    assert reader.reply is not None
    assert (reader.reply.status, reader.reply.body) == (status, body)
    assert reader.reusable is reusable or (size < 10 and b"chunked" in data)


@pytest.mark.parametrize("size", [1 << 16, 7, 1])
@pytest.mark.parametrize(
    "data",
    [
        OK.replace(b"\r\n", b"\n") + LENGTH + b"\r\n{}",
        OK + b"Content-Length: 2\n\r\n{}",
        OK + b"A: b\nContent-Length: 2\r\n\r\n{}",
        OK + b"A: b\rContent-Length: 2\r\n\r\n{}",
        OK + LENGTH + b"A: b\r\n folded\r\n\r\n{}",
        OK + b" A: b\r\n" + LENGTH + b"\r\n{}",
        OK + LENGTH + LENGTH + b"\r\n{}",
        OK + b"Content-Length: 2, 2\r\n\r\n{}",
        OK + b"Content-Length: +2\r\n\r\n{}",
        OK + b"Content-Length: -2\r\n\r\n{}",
        OK + b"Content-Length: 0x2\r\n\r\n{}",
        OK + b"Content-Length:\r\n\r\n{}",
        OK + b"Content-Length: 99999999999999999999999\r\n\r\n{}",
        OK + b"Content-Length : 2\r\n\r\n{}",
        OK + LENGTH + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\n" + LENGTH + b"\r\n2\r\n{}\r\n0\r\n\r\n",
        OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\n" * 2 + b"\r\n2\r\n{}\r\n0\r\n\r\n",
        OK + b"Transfer-Encoding: xchunked\r\n\r\n{}",
        CHUNKED + b"zz\r\n{}\r\n0\r\n\r\n",
        CHUNKED + b"-2\r\n{}\r\n0\r\n\r\n",
        CHUNKED + b"2 \r\n{}\r\n0\r\n\r\n",
        CHUNKED + b"2\n{}\n0\n\n",
        CHUNKED + b"2\r\n{}0\r\n\r\n",
        CHUNKED + b"fffffffffffffffff\r\n{}",
        OK + LENGTH + b"Content-Encoding: gzip\r\n\r\n{}",
        OK + LENGTH + b"A: b\x00c\r\n\r\n{}",
        OK + LENGTH + b": x\r\n\r\n{}",
        OK + LENGTH + b"no colon\r\n\r\n{}",
        OK + LENGTH + b"X: " + b"x" * 9000 + b"\r\n\r\n{}",
        OK + LENGTH + b"X: 1\r\n" * 200 + b"\r\n{}",
        OK + b"X: " + b"x" * 70_000,
        b"HTTP/2.0 200 OK\r\n" + LENGTH + b"\r\n{}",
        b"HTTP/1.2 200 OK\r\n" + LENGTH + b"\r\n{}",
        b"RTSP/1.0 200 OK\r\n" + LENGTH + b"\r\n{}",
        b"HTTP/1.1 20 OK\r\n" + LENGTH + b"\r\n{}",
        b"HTTP/1.1 2000 OK\r\n" + LENGTH + b"\r\n{}",
        b"\r\n\r\n" + WHOLE,
        b"HTTP/1.1 100 Go on\r\n\r\n\r\n" + WHOLE,
        b"SSH-2.0-OpenSSH_9\r\n",
        b"\x16\x03\x01\x02\x00garbage\r\n\r\n",
        b"HTTP/1.1 103 E\r\n\r\n" * (MAX_INTERIM // 18 + 1),
        OK + b"Content-Length: %d\r\n\r\n" % (MAX_BODY_BYTES + 1),
    ],
)
def test_what_is_no_answer(data: bytes, size: int) -> None:
    """It is a fault after sending, quotes nothing, and nothing of it is an answer."""
    if size < 1000 < len(data) / 10:
        size = 1000
    reader = read(data, size)
    assert reader.reply is None
    assert reader.fault is not None
    assert reader.fault.sent
    assert reader.fault.__context__ is None
    assert reader.fault.reason == (
        "too-large" if b"%d" % (MAX_BODY_BYTES + 1) in data else "malformed"
    )


@pytest.mark.parametrize("surplus", [b"\r\n", b"x", b"HTTP/1.1 2", WHOLE, OK + LENGTH + b"\r\n"])
@pytest.mark.parametrize(
    "whole",
    [
        WHOLE,
        CHUNKED + b"2\r\n{}\r\n0\r\n\r\n",
        b"HTTP/1.1 204 No\r\n\r\n",
        OK + b"Content-Length: 0\r\n\r\n",
        OK + LENGTH + b"Connection: close\r\n\r\n{}",
    ],
)
def test_bytes_behind_an_answer(whole: bytes, surplus: bytes) -> None:
    """In the same read they spoil it: they could pass for the answer to the next request."""
    reader = read(whole + surplus)
    assert reader.reply is None
    assert reader.fault is not None


@pytest.mark.parametrize("cut", range(len(WHOLE)))
def test_an_answer_that_is_cut_is_none(cut: int) -> None:
    """Not even when the connection then ends in order."""
    reader = read(WHOLE[:cut])
    reader.end()
    assert (reader.reply, reader.fault) == (None, None)


def test_a_body_without_a_length_ends_with_the_connection() -> None:
    """Only then, and no answer can follow it."""
    reader = read(OK + b"\r\nabc")
    assert reader.reply is None
    reader.end()
    assert reader.reply is not None
    assert (reader.reply.body, reader.reusable) == (b"abc", False)


def test_101_is_an_answer_that_ends_the_connection() -> None:
    """Nobody asked for another protocol; what follows is not read."""
    reader = read(b"HTTP/1.1 101 Switch\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nbytes")
    assert reader.reply is not None
    assert (reader.reply.status, reader.reusable) == (101, False)


def test_headers_are_read_when_asked_for() -> None:
    """By lower-case name; a repeated one is a list."""
    reader = read(OK + LENGTH + b"Retry-AFTER:  5\r\nX: a\r\nx: b\r\n\r\n{}")
    assert reader.reply is not None
    headers = reader.reply.headers
    assert dict(headers) == {"content-length": "2", "retry-after": "5", "x": "a, b"}
    assert (headers.get("date"), len(headers)) == (None, 3)
    assert repr(headers) == "ReplyHeaders(content-length, retry-after, x)"


def test_a_body_that_grows_too_long() -> None:
    """In chunks nobody tells its length before; reading stops at the bound."""
    reader, block = ReplyReader(KnownHeads()), b"100000\r\n" + b" " * (1 << 20) + b"\r\n"
    reader.feed(CHUNKED)
    for _ in range(8):
        reader.feed(block)
        assert reader.fault is None
    reader.feed(block)
    assert reader.fault is not None
    assert reader.fault.reason == "too-large"


def test_one_reader_reads_one_answer_after_the_other() -> None:
    """Nothing of one is left in the next."""
    reader = ReplyReader(KnownHeads())
    for data, status, body, reusable in GOOD:
        if not reusable:
            continue
        reader.expect()
        assert read(data, reader=reader).reply is not None
        assert reader.reply is not None
        assert (reader.reply.status, reader.reply.body) == (status, body)


def test_a_known_head_is_read_again() -> None:
    """With another body of the same length, and on another connection of the same client."""
    known = KnownHeads()
    assert known.reply(WHOLE, 2) is None
    first, second = read(WHOLE, reader=ReplyReader(known)), ReplyReader(known)
    again = known.reply(OK + LENGTH + b"\r\n[]", 2)
    assert first.reply is not None
    assert again is not None
    assert (again.status, again.body, dict(again.headers)) == (200, b"[]", {"content-length": "2"})
    read(WHOLE, reader=second)
    assert second.reply == first.reply
    assert second.reusable
    second.end()
    assert second.reply == first.reply


@pytest.mark.parametrize("data", [row[0] for row in GOOD if not row[3]] + [CHUNKED + b"0\r\n\r\n"])
def test_what_does_not_follow_from_the_head_alone_is_not_remembered(data: bytes) -> None:
    """An answer in chunks, and the last one of its connection."""
    known = KnownHeads()
    read(data, reader=ReplyReader(known))
    assert known.reply(data, 9) is None


def test_a_known_head_lets_nothing_else_pass() -> None:
    """More or less than its body, or more than may be read, is what it always was."""
    known = KnownHeads()
    read(WHOLE, reader=ReplyReader(known))
    for tail in (b"x", WHOLE, b"\r\n"):
        assert read(WHOLE + tail, reader=ReplyReader(known)).fault is not None
        late = read(WHOLE, reader=ReplyReader(known))
        late.feed(tail)
        assert late.fault is not None, tail
    assert read(WHOLE[:-1], reader=ReplyReader(known)).reply is None
    small = ReplyReader(known)
    small.expect(1)
    small.feed(WHOLE)
    assert small.fault is not None
    assert small.fault.reason == "too-large"


def test_heads_that_do_not_come_back_are_not_all_kept() -> None:
    """A server that puts a number of its own into each head fills no memory."""
    known = KnownHeads()
    bodies = [OK + b"X-Request: %d\r\n" % number + LENGTH + b"\r\n{}" for number in range(200)]
    for data in bodies:
        assert read(data, reader=ReplyReader(known)).reply is not None
    kept = sum(known.reply(data, 2) is not None for data in bodies)
    assert 0 < kept <= 64
    long = OK + b"X: " + b"x" * 3000 + b"\r\n" + LENGTH + b"\r\n{}"
    assert read(long, reader=ReplyReader(known)).reply is not None
    assert known.reply(long, 2) is None


@given(st.data())
def test_cuts_change_nothing(data: st.DataObject) -> None:
    """A spoilt answer in one read is spoilt in two, and the other way round, known heads or not."""
    known = KnownHeads()
    for good in data.draw(st.sampled_from([[], [row[0] for row in GOOD]])):
        read(good, reader=ReplyReader(known))
    text = data.draw(st.sampled_from([row[0] for row in GOOD]))
    place = data.draw(st.integers(0, len(text) - 1))
    spoilt = text[:place] + data.draw(st.binary(max_size=3)) + text[place + 1 :]
    one, two = ReplyReader(known), ReplyReader(KnownHeads())
    one.feed(spoilt)
    cut = data.draw(st.integers(1, max(1, len(spoilt) - 1)))
    two.feed(spoilt[:cut])
    if two.fault is None and two.reply is None and spoilt[cut:]:
        two.feed(spoilt[cut:])
    if one.reply is not None and two.reply is not None:
        assert (one.reply.status, one.reply.body) == (two.reply.status, two.reply.body)
    else:
        # Only bytes behind a whole answer can be told from it by the cut alone.
        assert (one.reply is None) == (two.reply is None) or one.fault is not None
