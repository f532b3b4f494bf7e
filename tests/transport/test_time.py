"""When time is over: what is cut, and what is not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from yarl import URL

from fincard_async._sansio.messages import HttpRequest, TransportFailure
from fincard_async._transports.asked import Exchange
from fincard_async._transports.request import Heads

from .ways import open_transport
from .wire import REQUEST, http, says, serving

pytestmark = pytest.mark.anyio
BIG = HttpRequest("/api/x", {}, b"x" * 20_000_000)
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
