"""Connections of the lean transport: when they are used again, and what counts as sent."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from types import MappingProxyType

import pytest

from fincard_async._sansio.messages import HttpRequest, HttpResponse, TransportFailure
from tests.transport.wire import BODY, REQUEST, Answer, Line, Wire, hangs_up, http, says, serving

pytest.importorskip("httptools")

from fincard_async._transports.lean import LeanTransport
from fincard_async._transports.request import MOST_HEADS, Heads

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def lean(answer: Answer) -> AsyncGenerator[tuple[Wire, LeanTransport]]:
    """A server that answers like this, and a transport to it."""
    async with serving(answer) as wire:
        transport = LeanTransport(wire.origin)
        try:
            yield wire, transport
        finally:
            await transport.aclose()


Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def raw(handler: Handler) -> AsyncGenerator[LeanTransport]:
    """A transport to a server that does what it likes with a connection, to its end."""
    tasks: list[asyncio.Task[None]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.append(task)
        try:
            await handler(reader, writer)
            await reader.read()
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    transport = LeanTransport(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    try:
        yield transport
    finally:
        await transport.aclose()
        await asyncio.gather(*tasks)
        server.close()
        await server.wait_closed()


async def outcome(
    transport: LeanTransport, timeout: float = 5.0
) -> HttpResponse | TransportFailure:
    """How one exchange ends."""
    try:
        return await transport.send(REQUEST, timeout)
    except TransportFailure as failure:
        return failure


async def test_one_connection_serves_call_after_call() -> None:
    """And twenty calls at once take twenty, of which one is enough afterwards."""
    async with lean(says(http())) as (wire, transport):
        for _ in range(3):
            assert (await transport.send(REQUEST, 5.0)).body == BODY
        assert wire.connections == 1
        await asyncio.gather(*(transport.send(REQUEST, 5.0) for _ in range(20)))
        assert wire.connections == 20
        for _ in range(3):
            await transport.send(REQUEST, 5.0)
        assert wire.connections == 20


@pytest.mark.parametrize(
    "answer",
    [
        http(BODY, "Connection: close"),
        http().replace(b"HTTP/1.1", b"HTTP/1.0"),
        http() + b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        http(length=2),
    ],
)
async def test_a_connection_of_doubtful_state_is_not_used_again(answer: bytes) -> None:
    """Each call has one of its own, and none gets what was left by another."""
    async with lean(says(answer)) as (wire, transport):
        for number in range(1, 4):
            await outcome(transport)
            assert (wire.connections, len(wire.requests)) == (number, number)


async def test_what_comes_over_an_idle_connection_closes_it() -> None:
    """An answer that nobody asked for is nobody's answer."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"{}")
        writer.write(http())
        if not say_more.is_set():  # the first connection
            await say_more.wait()
            writer.write(http(b'{"unasked":true}'))
            after.append(await reader.read())
            gone.set()

    say_more, gone, after = asyncio.Event(), asyncio.Event(), list[bytes]()
    request = HttpRequest("/x", {}, b"{}")
    async with raw(serve) as transport:
        await transport.send(request, 5.0)
        say_more.set()
        await asyncio.wait_for(gone.wait(), 5.0)
        assert after == [b""]
        assert (await transport.send(request, 5.0)).body == BODY


async def test_a_cancelled_call_gives_nothing_back() -> None:
    """Its answer comes late, over a connection that is closed; the next call gets its own."""
    go_on = asyncio.Event()

    async def answer(line: Line) -> None:
        number = len(wire.requests)
        if number == 1:
            await go_on.wait()
        await line.say(http(b"%d" % number))

    async with lean(answer) as (wire, transport):
        task = asyncio.create_task(transport.send(REQUEST, 5.0))
        await wire.arrived.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        go_on.set()
        assert (await transport.send(REQUEST, 5.0)).body == b"2"
        assert wire.connections == 2


async def test_a_timeout_closes_the_connection() -> None:
    """Like a cancellation; and it never comes before its time."""
    loop = asyncio.get_running_loop()

    async def answer(line: Line) -> None:
        await line.until_gone()

    async with lean(answer) as (wire, transport):
        begun = loop.time()
        failure = await outcome(transport, 0.13)
        assert isinstance(failure, TransportFailure)
        assert (failure.reason, failure.sent) == ("timeout", True)
        assert loop.time() - begun >= 0.13
        await outcome(transport, 0.01)
        assert wire.connections == 2


async def test_a_large_request_waits_for_a_slow_reader() -> None:
    """It goes out in pieces, whole and in order."""
    body = bytes(range(256)) * 16_384
    async with lean(says(http())) as (wire, transport):
        await transport.send(HttpRequest("/x", {}, body), 20.0)
        assert wire.requests[0].endswith(body)


async def test_an_answer_before_the_end_of_the_request_closes_the_connection() -> None:
    """What is left of the request must not become the beginning of the next."""

    async def early(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(http(status="413 Too Large"))

    served: list[bytes] = []
    large = HttpRequest("/x", {}, b"x" * (16 << 20))
    async with raw(early) as transport:
        for _ in range(2):
            assert (await transport.send(large, 20.0)).status == 413
    assert len(served) == 2


async def test_closing_ends_what_is_under_way() -> None:
    """As lost after sending, at once."""

    async def answer(line: Line) -> None:
        await line.until_gone()

    async with lean(answer) as (wire, transport):
        task = asyncio.create_task(outcome(transport))
        await wire.arrived.wait()
        await transport.aclose()
        failure = await task
        assert isinstance(failure, TransportFailure)
        assert (failure.reason, failure.sent) == ("lost", True)


async def test_a_server_that_speaks_first_is_not_sent_to() -> None:
    """What it said would be taken for the answer."""

    async def banner(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(http())
        heard.append(await reader.read())

    heard: list[bytes] = []
    async with raw(banner) as transport:
        got = await outcome(transport)
    # The first bytes may also come a moment too late to be seen before the request goes out.
    if isinstance(got, TransportFailure) and not got.sent:
        assert heard == [b""]


async def test_a_forgotten_transport_warns_and_closes() -> None:
    """The connections do not live on in the event loop."""
    async with serving(says(http())) as wire:
        transports = [LeanTransport(wire.origin)]
        await transports[0].send(REQUEST, 5.0)
        with pytest.warns(ResourceWarning, match="unclosed"):
            transports.clear()


@pytest.mark.skipif(sys.platform == "win32", reason="no uvloop")
def test_it_runs_on_uvloop() -> None:
    """Reading, keeping, cancelling and timing out do not depend on the kind of loop."""
    uvloop = pytest.importorskip("uvloop")

    async def main() -> None:
        await test_one_connection_serves_call_after_call()
        await test_a_cancelled_call_gives_nothing_back()
        await test_a_timeout_closes_the_connection()
        await test_a_large_request_waits_for_a_slow_reader()
        async with lean(hangs_up()) as (_, transport):
            failure = await outcome(transport)
            assert isinstance(failure, TransportFailure)
            assert (failure.reason, failure.sent) == ("lost", True)

    uvloop.run(main())


def test_a_head_is_kept_for_headers_that_cannot_change() -> None:
    """And made again for those that can: a new token must never be sent as the old one."""
    heads = Heads("h")
    changing = {"A": "1"}
    assert b"\r\nA: 1\r\n" in heads.render(HttpRequest("/x", changing, b""))
    changing["A"] = "2"
    assert b"\r\nA: 2\r\n" in heads.render(HttpRequest("/x", changing, b""))
    for number in range(MOST_HEADS * 2):
        fixed = MappingProxyType({"A": str(number)})
        for path in ("/x", "/y"):
            sent = heads.render(HttpRequest(path, fixed, b"body"))
            assert sent == (
                b"POST %b HTTP/1.1\r\nHost: h\r\nA: %d\r\nContent-Length: 4\r\n\r\nbody"
                % (path.encode(), number)
            )


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/x", {"A": "1\r\nB: 2"}),
        ("/x", {"A": "1\n"}),
        ("/x", {"A\r\n": "1"}),
        ("/x", {"A:": "1"}),
        ("/x", {"": "1"}),
        ("/x", {"A": "\u00e4"}),
        ("/x", {"A": "\x00"}),
        ("/x y", {}),
        ("x", {}),
        ("/\r\n", {}),
    ],
)
def test_a_head_cannot_be_forged(path: str, headers: dict[str, str]) -> None:
    """It is refused before anything is sent."""
    with pytest.raises(TransportFailure) as caught:
        Heads("h").render(HttpRequest(path, headers, b""))
    assert not caught.value.sent
