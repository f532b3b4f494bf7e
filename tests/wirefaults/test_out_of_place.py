"""A client that is used where it must not be: closed, in another loop or thread, after fork."""

from __future__ import annotations

import asyncio
import copy
import os
import pickle
import sys
import textwrap
import threading
from collections.abc import Callable

import pytest

from fincard_async import FincardClient
from fincard_async.errors import ClientClosed, FincardError, WrongLoop

from .calls import CALLS, MUTATIONS, READS
from .driver import TRANSPORTS, Connect, client_of
from .server import serving
from .spoils import stalls

pytestmark = [pytest.mark.anyio, pytest.mark.faults]


async def refused(client: FincardClient) -> set[type[BaseException]]:
    """What every kind of call ends as; none may be in doubt afterwards."""
    ends = list[FincardError]()
    for call in (*READS, *MUTATIONS):
        with pytest.raises(FincardError) as caught:
            await CALLS[call](client, None, None)
        ends.append(caught.value)
    assert not any(error.maybe_applied for error in ends)
    assert client.in_doubt() == ()
    return {type(error) for error in ends}


async def test_after_close(connect: Connect) -> None:
    """Every call says so, and not one byte is sent; closing again is fine."""
    async with serving() as server, client_of(server, connect) as client:
        await client.cards.list_types()
        for _ in range(2):
            await client.aclose()
        assert await refused(client) == {ClientClosed}
        assert (len(server.requests), server.connections) == (1, 1)


async def test_closing_ends_the_calls_in_flight(connect: Connect) -> None:
    """A mutation in flight is unknown, and stays readable; nobody hangs."""
    async with serving() as server, client_of(server, connect) as client:
        server.plan = lambda request: stalls(lambda body: b"")
        arrived = asyncio.Event()
        server.on_request = arrived.set
        task = asyncio.create_task(client.cards.freeze("C1"))
        await arrived.wait()
        await client.aclose()
        with pytest.raises(FincardError) as caught:
            await asyncio.wait_for(task, 5.0)
        assert caught.value.maybe_applied
        assert [doubt.order_no for doubt in client.in_doubt()] == [caught.value.order_no]
        with pytest.raises(ClientClosed):
            await client.cards.list_types()


async def test_from_another_thread(connect: Connect) -> None:
    """A thread has a loop of its own: the call is refused there, and the client goes on here."""
    async with serving() as server, client_of(server, connect) as client:
        await client.cards.list_types()
        ends: list[set[type[BaseException]]] = []
        thread = threading.Thread(target=lambda: ends.append(asyncio.run(refused(client))))
        thread.start()
        await asyncio.get_running_loop().run_in_executor(None, thread.join)
        assert ends == [{WrongLoop}]
        await client.cards.list_types()
        assert (len(server.requests), server.connections) == (2, 1)


@pytest.mark.parametrize("attempt", [pickle.dumps, copy.copy, copy.deepcopy])
async def test_never_copied(attempt: Callable[[object], object], connect: Connect) -> None:
    """Two objects on one pool of connections, or a login on disk, must not come about."""
    async with serving() as server, client_of(server, connect) as client:
        with pytest.raises(TypeError, match="cannot be copied or pickled"):
            attempt(client)


FORK = """
import asyncio, os, sys
from fincard_async.errors import ForkedClient
from tests.wirefaults.calls import CALLS, MUTATIONS, READS
from tests.wirefaults.driver import TRANSPORTS, client_of

class Origin:
    origin = sys.argv[2]

async def main():
    client = client_of(Origin(), TRANSPORTS[sys.argv[1]])
    await client.cards.list_types()
    if (child := os.fork()) == 0:
        refused = 0
        for call in (*READS, *MUTATIONS):
            try:
                await CALLS[call](client, None, None)
            except ForkedClient:
                refused += 1
        os._exit(0 if refused == len(READS) + len(MUTATIONS) and not client.in_doubt() else 1)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    await client.cards.list_types()
    await client.aclose()
    return status

sys.exit(asyncio.run(main()))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_after_fork(transport: str) -> None:
    """The child writes not one byte to the sockets that it shares; the parent goes on."""
    async with serving() as server:
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", textwrap.dedent(FORK), transport, server.origin)
        )
        assert await asyncio.wait_for(child.wait(), 60) == 0
        assert [request.operation for request in server.requests] == ["cards.list_types"] * 2
        assert server.connections == 1
