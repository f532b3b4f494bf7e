"""What goes over the wire, and what comes back."""

from __future__ import annotations

from pathlib import Path

import pytest

from fincard_async._sansio.messages import HttpRequest, HttpResponse, Reason, TransportFailure
from fincard_async._sansio.sizes import MAX_BODY_BYTES

from .wire import (
    BODY,
    REQUEST,
    Answer,
    Line,
    exchange,
    free_port,
    hangs_up,
    http,
    says,
    serving,
    transport_to,
)

pytestmark = pytest.mark.anyio


async def test_exactly_what_was_asked_for_is_sent() -> None:
    """Every header once, none of aiohttp's own, and the body as it is."""
    async with serving(says(http())) as wire, transport_to(wire.origin) as transport:
        await transport.send(REQUEST, 5.0)
    (request,) = wire.requests
    head, body = request.split(b"\r\n\r\n")
    first, *headers = head.decode().split("\r\n")
    assert first == "POST /api/x HTTP/1.1"
    assert body == b'{"a":1}'
    assert sorted(headers) == [
        "Content-Length: 7",
        "Content-Type: application/json",
        f"Host: {wire.origin.removeprefix('http://')}",
        "deviceId: d1",
    ]


@pytest.mark.parametrize("status", ["200 OK", "201 Created", "401 No", "404 No", "503 Busy"])
async def test_a_complete_answer_is_brought_back(status: str) -> None:
    """Any status is an answer; header names are lower case."""
    answer = http(BODY, "Retry-After: 5", status=status)
    assert await exchange(says(answer)) == HttpResponse(
        int(status[:3]), {"content-length": str(len(BODY)), "retry-after": "5"}, BODY
    )


async def test_a_header_that_came_twice_is_a_list() -> None:
    """Nothing of it is lost: the longer of two pauses is the one to keep."""
    got = await exchange(says(http(BODY, "Retry-After: 7", "retry-after: 3")))
    assert isinstance(got, HttpResponse)
    assert got.headers["retry-after"] == "7, 3"


@pytest.mark.parametrize(
    "answer, body",
    [
        (http(b""), b""),
        (http(b"<html>", "Content-Type: text/html"), b"<html>"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        (b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + http(), BODY),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n1\r\n \r\n0\r\n\r\n",
            b"{} ",
        ),
        (http(BODY, "Content-Encoding: identity"), BODY),
    ],
)
async def test_unusual_but_whole_answers(answer: bytes, body: bytes) -> None:
    """What they mean is decided above; here they are answers."""
    got = await exchange(says(answer))
    assert isinstance(got, HttpResponse)
    assert got.body == body


async def test_a_body_that_ends_with_the_connection() -> None:
    """Without a length nobody can tell whether it is whole; the envelope will."""
    got = await exchange(hangs_up(b"HTTP/1.1 200 OK\r\n\r\n" + BODY[:20]))
    assert isinstance(got, HttpResponse)
    assert got.body == BODY[:20]


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
BROKEN: list[tuple[str, bytes, set[Reason]]] = [
    ("no answer", b"", {"lost"}),
    ("half a status line", b"HTTP/1.1 20", {"lost"}),
    ("half the headers", b"HTTP/1.1 200 OK\r\nContent-Le", {"lost"}),
    ("a body that was cut", http(BODY, length=len(BODY) + 10), {"lost"}),
    ("no last chunk", CHUNKED + b"2\r\n{}\r\n", {"lost"}),
    ("a bad chunk size", CHUNKED + b"zz\r\n{}\r\n0\r\n\r\n", {"lost", "malformed"}),
    ("garbage", b"\x16\x03\x01\x02\x00garbage\r\n\r\n", {"malformed"}),
    ("a negative length", http(BODY, length=-1), {"malformed"}),
    ("two lengths", http(BODY, "Content-Length: 3"), {"malformed"}),
    ("a long header", http(BODY, "X: " + "x" * 20_000), {"malformed"}),
    ("another protocol", b"SSH-2.0-OpenSSH_9\r\n", {"lost", "malformed"}),
    ("gzip that nobody asked for", http(BODY, "Content-Encoding: gzip"), {"malformed"}),
    ("deflate too", http(BODY, "Content-Encoding: deflate"), {"malformed"}),
]


@pytest.mark.parametrize("answer, reasons", [row[1:] for row in BROKEN], ids=[r[0] for r in BROKEN])
async def test_a_broken_answer_is_a_failure_after_sending(
    answer: bytes, reasons: set[Reason]
) -> None:
    """Never a status that aiohttp made up, and never the text of what came."""
    got = await exchange(hangs_up(answer))
    assert isinstance(got, TransportFailure)
    assert got.sent
    assert got.reason in reasons
    assert got.__cause__ is None
    assert got.__context__ is None


async def test_more_bytes_than_promised_spoil_nothing() -> None:
    """Bytes behind the promised length are never part of this answer or of the next."""
    answer = says(http(BODY + BODY, length=len(BODY)))
    async with serving(answer) as wire, transport_to(wire.origin) as transport:
        for _ in range(2):
            try:
                got = await transport.send(REQUEST, 5.0)
            except TransportFailure as failure:
                seen: object = (failure.reason, failure.sent)
            else:
                seen = got.body
            assert seen in (("malformed", True), BODY)


def _large(size: int, *, chunked: bool) -> Answer:
    async def answer(line: Line) -> None:
        head = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {size}"
        await line.say(f"HTTP/1.1 200 OK\r\n{head}\r\n\r\n".encode())
        for start in range(0, size, 1 << 20):
            block = b" " * min(1 << 20, size - start)
            await line.say(b"%x\r\n%b\r\n" % (len(block), block) if chunked else block)
        if chunked:
            await line.say(b"0\r\n\r\n")

    return answer


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_of_8_mib_is_read(chunked: bool) -> None:
    """The bound itself is allowed."""
    got = await exchange(_large(MAX_BODY_BYTES, chunked=chunked))
    assert isinstance(got, HttpResponse)
    assert len(got.body) == MAX_BODY_BYTES


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_longer_body_is_not_read(chunked: bool) -> None:
    """Told by its header it is not read at all; else the reading stops at the bound."""
    got = await exchange(_large(MAX_BODY_BYTES + (1 << 22), chunked=chunked))
    assert isinstance(got, TransportFailure)
    assert (got.reason, got.sent) == ("too-large", True)


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_request_may_ask_for_less(chunked: bool) -> None:
    """Its own bound holds for its answer, and not for the next one on the connection."""
    small = HttpRequest(REQUEST.path, REQUEST.headers, REQUEST.body, 1000)
    for size, request in ((1000, small), (1001, REQUEST)):
        async with (
            serving(_large(size, chunked=chunked)) as wire,
            transport_to(wire.origin) as transport,
        ):
            assert len((await transport.send(request, 5.0)).body) == size
    async with (
        serving(_large(1001, chunked=chunked)) as wire,
        transport_to(wire.origin) as transport,
    ):
        with pytest.raises(TransportFailure, match="longer than 1000 bytes") as caught:
            await transport.send(small, 5.0)
        assert (caught.value.reason, caught.value.sent) == ("too-large", True)
        assert len((await transport.send(REQUEST, 5.0)).body) == 1001


@pytest.mark.parametrize(
    "status", ["301 Moved", "302 Found", "303 See", "307 Temporary", "308 Permanent"]
)
async def test_a_redirect_is_never_followed(status: str) -> None:
    """The other server sees no connection at all."""
    async with serving(says(http())) as other:
        answer = says(http(b"", f"Location: {other.origin}/", status=status))
        async with serving(answer) as wire, transport_to(wire.origin) as transport:
            got = await transport.send(REQUEST, 5.0)
        assert got.status == int(status[:3])
        assert (other.connections, len(wire.requests)) == (0, 1)


async def test_no_cookie_is_kept() -> None:
    """What the server sets is not sent back."""
    answer = says(http(BODY, "Set-Cookie: a=b; Path=/"))
    async with serving(answer) as wire, transport_to(wire.origin) as transport:
        for _ in range(2):
            await transport.send(REQUEST, 5.0)
    assert b"ookie" not in b"".join(wire.requests)
    assert wire.connections == 1


async def test_the_environment_hijacks_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Neither proxies nor a netrc file of the environment are used."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login canary password canary\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    async with serving(says(http())) as proxy, serving(says(http())) as wire:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.origin)
        async with transport_to(wire.origin) as transport:
            await transport.send(REQUEST, 5.0)
        assert (proxy.connections, wire.connections) == (0, 1)
        assert b"uthorization" not in wire.requests[0]


async def test_a_refused_connection_was_not_sent() -> None:
    """Proven by the trace of the request."""
    async with transport_to(f"http://127.0.0.1:{free_port()}") as transport:
        with pytest.raises(TransportFailure) as caught:
            await transport.send(REQUEST, 5.0)
    assert (caught.value.reason, caught.value.sent) == ("connect", False)
    assert caught.value.__context__ is None


async def test_a_header_that_cannot_be_sent_is_not_sent() -> None:
    """Refused by either way; aiohttp's trace says "sent" before, which errs on the safe side."""
    async with serving(says(http())) as wire, transport_to(wire.origin) as transport:
        bad = type(REQUEST)("/x", {"X": "a\r\nY: canary"}, b"")
        with pytest.raises(TransportFailure) as caught:
            await transport.send(bad, 5.0)
    assert "canary" not in f"{caught.value!r} {caught.value.detail}"
    assert wire.requests == []


async def test_a_reset_after_the_request_was_sent() -> None:
    """The server read everything, perhaps carried it out, and died."""

    async def answer(line: Line) -> None:
        line.reset()

    got = await exchange(answer)
    assert isinstance(got, TransportFailure)
    assert (got.reason, got.sent) == ("lost", True)


STALLS = [b"", b"HTTP/1.1 200 OK\r\n", http(BODY, length=1000), b"HTTP/1.1 200 OK\r\n\r\n" + BODY]


@pytest.mark.parametrize("before", STALLS)
async def test_a_server_that_stalls_runs_out_of_time(before: bytes) -> None:
    """Before, in the middle of and after the headers: the time is over for the whole exchange."""

    async def answer(line: Line) -> None:
        await line.say(before)
        await line.until_gone()

    got = await exchange(answer, timeout=0.1)
    assert isinstance(got, TransportFailure)
    assert (got.reason, got.sent) == ("timeout", True)


async def test_a_stale_connection_is_not_tried_again() -> None:
    """aiohttp repeats no POST: the server sees one request for each that was made."""
    answers = iter([says(http()), hangs_up()])

    async def answer(line: Line) -> None:
        await next(answers)(line)

    async with serving(answer) as wire, transport_to(wire.origin) as transport:
        await transport.send(REQUEST, 5.0)
        with pytest.raises(TransportFailure) as caught:
            await transport.send(REQUEST, 5.0)
    assert (caught.value.reason, caught.value.sent) == ("lost", True)
    assert len(wire.requests) == 2
