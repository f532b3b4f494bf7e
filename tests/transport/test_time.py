"""When time is over: what is cut, and what is not."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from contextvars import Context
from typing import TypeVarTuple

import aiohttp
import pytest
import trustme
from yarl import URL

from fincard_async._sansio.messages import HttpRequest, TransportFailure
from fincard_async._transports.asked import Exchange
from fincard_async._transports.request import Heads

from .ways import open_transport
from .wire import REQUEST, Line, http, says, serving, transport_to

pytestmark = pytest.mark.anyio
_Ts = TypeVarTuple("_Ts")
BIG = HttpRequest("/api/big", {}, b"x" * 20_000_000)
"""More than all buffers between two processes hold."""


@pytest.mark.parametrize("given_back", [False, True])
async def test_only_a_connection_in_use_is_cut(given_back: bool, way: str) -> None:
    """One that was given back may carry another order by now."""
    if way != "session":
        pytest.skip("it keeps its time in another way")
    loop = asyncio.get_running_loop()
    async with serving(says(http())) as wire, aiohttp.TCPConnector() as connector:
        key = aiohttp.ClientRequest("POST", URL(wire.origin), loop=loop)
        connection = await connector.connect(key, [], aiohttp.ClientTimeout())
        transport = connection.transport
        assert transport is not None
        exchange = Exchange(REQUEST, Heads("x"), loop.time() + 10)
        exchange.write(connection)
        if given_back:
            connection.release()
        exchange.expire()
        assert transport.is_closing() is not given_back
        connection.close()


@asynccontextmanager
async def _server_that_hardly_reads() -> AsyncGenerator[tuple[str, asyncio.Event]]:
    begun, over = asyncio.Event(), asyncio.Event()

    async def ignore(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(1)
        begun.set()
        await over.wait()
        writer.transport.abort()

    server = await asyncio.start_server(ignore, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", begun
    over.set()
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize("closed", [False, True])
async def test_a_server_that_hardly_reads_runs_out_of_time(closed: bool, way: str) -> None:
    """Also where the transport is closed meanwhile, which waits for what it still has to write."""
    if way == "by aiohttp":
        pytest.skip("it warns of a body of this size")
    async with _server_that_hardly_reads() as (origin, begun), asyncio.timeout(10):
        transport = open_transport(origin)
        call = asyncio.ensure_future(transport.send(BIG, 0.2))
        closing: asyncio.Future[None] | None = None
        if closed:
            await begun.wait()
            closing = asyncio.ensure_future(transport.aclose())
        with pytest.raises(TransportFailure) as caught:
            await call
        await (closing or transport.aclose())
    assert caught.value.sent


async def test_what_is_left_of_a_request_does_not_begin_the_next(way: str) -> None:
    """An answer that came before the end of its request was the last of its connection."""
    if way == "by aiohttp":
        pytest.skip("it warns of a body of this size")
    heads: list[list[bytes]] = []
    left, served = asyncio.Event(), set[asyncio.Task[object] | None]()

    async def early(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append([])
        served.add(asyncio.current_task())
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                heads[-1].append(head)
                writer.write(http())
                if b"/api/big" not in head:
                    continue
                await left.wait()
                await reader.readexactly(len(BIG.body))
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    server = await asyncio.start_server(early, "127.0.0.1", 0)
    async with transport_to(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}") as transport:
        await transport.send(BIG, 5.0)
        left.set()  # the server takes all that was sent, so that the connection could be used
        await transport.send(REQUEST, 5.0)
    server.close()
    await server.wait_closed()
    await asyncio.wait([task for task in served if task is not None])
    assert [len(each) for each in heads] == [1, 1]


@asynccontextmanager
async def _server_that_speaks_first(context: ssl.SSLContext) -> AsyncGenerator[str]:
    """What it says comes together with the end of the handshake."""
    context.maximum_version = ssl.TLSVersion.TLSv1_2

    async def banner(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(incoming, outgoing, server_side=True)
        spoken = False
        while not spoken:
            incoming.write(await reader.read(65536))
            with suppress(ssl.SSLWantReadError):
                tls.do_handshake()
                spoken = bool(tls.write(http(status="408 Too Late")))
            writer.write(outgoing.read())
        await reader.read(65536)  # the client's farewell
        writer.close()

    server = await asyncio.start_server(banner, "127.0.0.1", 0)
    yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    server.close()
    await server.wait_closed()


async def test_a_server_that_speaks_unasked_does_not_stretch_the_time(way: str) -> None:
    """Each new connection takes time, and there are many tries."""
    if way != "session":
        pytest.skip("one tries one connection, the other has aiohttp's timer")
    authority, trusting = trustme.CA(), ssl.create_default_context()
    authority.configure_trust(trusting)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    async with (
        _server_that_speaks_first(context) as origin,
        transport_to(origin, trusting) as transport,
    ):
        with pytest.raises(TransportFailure) as caught:
            await transport.send(REQUEST, 0.2)
    assert (caught.value.detail, caught.value.sent) == ("no connection in time", False)


class _Timers(asyncio.SelectorEventLoop):
    """Knows its timers."""

    def __init__(self) -> None:
        super().__init__()
        self.timers: list[asyncio.TimerHandle] = []

    def call_at(
        self,
        when: float,
        callback: Callable[[*_Ts], object],
        *args: *_Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Note the timer."""
        timer = super().call_at(when, callback, *args, context=context)
        self.timers.append(timer)
        return timer


def test_a_closed_transport_leaves_no_timer(way: str) -> None:
    """Also where a call was under way, which ends a moment later."""
    if way == "by aiohttp":
        pytest.skip("its timers are aiohttp's")

    async def main() -> None:
        async def silent(line: Line) -> None:
            await line.until_gone()

        async with serving(silent) as wire:
            transport = open_transport(wire.origin)
            call = asyncio.ensure_future(transport.send(REQUEST, 60.0))
            await wire.arrived.wait()
            await transport.aclose()
            with pytest.raises(TransportFailure):
                await call

    loop = _Timers()
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(main())
        late = loop.time() + 2
        assert [t for t in loop.timers if not t.cancelled() and t.when() > late] == []
