"""A client is used in one process and one event loop, whatever carries its calls."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Awaitable, Callable

import anyio
import anyio.to_thread
import pytest

from fincard_async import FincardClient, errors
from fincard_async._runtime.hooks import CallEvent
from fincard_async._sansio.messages import HttpRequest, HttpResponse
from fincard_async._transports.home import Home
from fincard_async.errors import ClientClosed, ForkedClient, OutcomeUnknown, UsageError, WrongLoop
from fincard_async.sandbox import Sandbox, SandboxTransport
from fincard_async.settle import settle
from fincard_async.testing import FakeClock, reply

from .rig import BEARER, LOST, Server, client_of

pytestmark = pytest.mark.anyio

CALLS: dict[str, Callable[[FincardClient], Awaitable[object]]] = {
    "read": lambda client: client.cards.list_types(),
    "mutation": lambda client: client.cards.freeze("C1"),
    "page": lambda client: client.transactions.operations().first(),
    "settle": lambda client: settle(client, "A" * 32, kind="freeze"),
}


class Watched:
    """A client over a fake wire, and everything that observers were told."""

    def __init__(self) -> None:
        self.server = Server(call=lambda header: reply([]))
        self.events: list[CallEvent] = []
        self.client = client_of(self.server, auth=BEARER, observers=[self.events.append])

    async def refused(self, name: str, kind: type[UsageError]) -> None:
        """The call is refused before it is prepared."""
        sent = len(self.server.calls)
        self.events.clear()
        with pytest.raises(kind) as caught:
            await CALLS[name](self.client)
        assert type(caught.value) is kind
        assert (self.events, self.client.in_doubt()) == ([], ())
        assert len(self.server.calls) == sent


@pytest.mark.parametrize("name", CALLS)
async def test_a_closed_client_prepares_nothing(name: str) -> None:
    """No order number is minted for a call that cannot be made."""
    watched = Watched()
    await watched.client.aclose()
    await watched.client.aclose()
    await watched.refused(name, ClientClosed)
    with pytest.raises(ClientClosed):
        await watched.client.__aenter__()


@pytest.mark.parametrize("name", CALLS)
async def test_another_loop_prepares_nothing(name: str) -> None:
    """A foreign thread has another loop; in the first one the client goes on."""
    watched = Watched()
    await watched.client.cards.list_types()
    await anyio.to_thread.run_sync(lambda: asyncio.run(watched.refused(name, WrongLoop)))
    await watched.client.cards.list_types()


@pytest.mark.parametrize("name", CALLS)
async def test_a_forked_child_prepares_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process with another number is a child of the one that made the client."""
    watched = Watched()
    await watched.client.cards.list_types()
    with monkeypatch.context() as patch:
        patch.setattr(os, "getpid", lambda: -1)
        await watched.refused(name, ForkedClient)
    await watched.client.cards.list_types()


async def test_entering_is_the_first_use() -> None:
    """``async with`` settles the loop, so that a call from another thread is told at once."""
    watched = Watched()
    async with watched.client:
        await anyio.to_thread.run_sync(lambda: asyncio.run(watched.refused("read", WrongLoop)))


async def test_a_thread_without_a_loop_is_told() -> None:
    """A coroutine that is driven by hand, outside of any loop."""
    watched, told = Watched(), list[BaseException]()

    def drive() -> None:
        try:
            watched.client.cards.list_types().send(None)
        except WrongLoop as error:
            told.append(error)

    thread = threading.Thread(target=drive)
    thread.start()
    await anyio.to_thread.run_sync(thread.join)
    assert [str(error) for error in told] == ["no event loop runs in this thread"]


async def test_a_forked_child_closes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The connections are the parent's, and closing them would write to its sockets."""
    wire = Server().transport
    client = client_of(None, transport=wire)
    with monkeypatch.context() as patch:
        patch.setattr(os, "getpid", lambda: -1)
        await client.aclose()
    assert not wire.closed


async def test_a_loop_that_runs_elsewhere_closes_it_itself(anyio_backend_name: str) -> None:
    """Closing from another thread would pull connections from under calls that use them."""
    if anyio_backend_name != "asyncio":
        pytest.skip("only asyncio tells whether a loop runs")
    home = Home()
    home.enter()

    async def elsewhere() -> None:
        with pytest.raises(WrongLoop, match="close it there"):
            home.leave()

    await anyio.to_thread.run_sync(lambda: asyncio.run(elsewhere()))
    home.enter()
    assert home.leave()


async def test_a_client_that_is_closed_during_a_pause_stays_unknown() -> None:
    """The repeat is not sent, and what the first attempt may have done is not forgotten."""
    server = Server(call=lambda header: LOST)

    class Closing(FakeClock):
        async def sleep(self, seconds: float) -> None:
            await client.aclose()
            await super().sleep(seconds)

    client = client_of(server, Closing(), auth=BEARER)
    with pytest.raises(OutcomeUnknown) as caught:
        await client.cards.freeze("C1")
    assert isinstance(caught.value.__cause__, ClientClosed)
    assert len(server.calls) == 1
    assert [doubt.order_no for doubt in client.in_doubt()] == [caught.value.order_no]


async def test_a_sandbox_in_process_is_no_exception() -> None:
    """The home is the client's, so a transport without sockets is guarded as well."""
    sandbox = Sandbox()

    class Counted(SandboxTransport):
        sent = 0

        async def send(self, request: HttpRequest, timeout: float) -> HttpResponse:
            self.sent += 1
            return await super().send(request, timeout)

    wire = Counted(sandbox)
    client = client_of(None, transport=wire, auth=BEARER)
    await client.aclose()
    with pytest.raises(errors.ClientClosed):
        await client.cards.freeze("C1")
    assert wire.sent == 0
