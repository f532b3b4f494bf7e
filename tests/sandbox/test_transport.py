"""The in-process transport: one exchange, at least one turn of the loop, no socket."""

from __future__ import annotations

import anyio
import pytest

from fincard_async._generated.operations import load
from fincard_async._runtime.ports import Transport
from fincard_async._sansio.codec import encode
from fincard_async._sansio.messages import HttpRequest, TransportFailure
from fincard_async.sandbox import SandboxTransport

from .kit import Api

pytestmark = pytest.mark.anyio


def opening(api: Api) -> HttpRequest:
    """A request that orders a card."""
    body = {"merchantOrderNo": api.number(), "cardTypeId": 111001, "amount": 50}
    return HttpRequest(load("cards.open").path, api.headers, encode(body))


async def test_same_answer_as_the_sandbox(api: Api) -> None:
    """The transport brings what the sandbox answers, and has the methods of the port."""
    transport: Transport = SandboxTransport(api.sandbox)
    request = HttpRequest(load("cards.list_types").path, api.headers, b"{}")
    assert await transport.send(request, 30.0) == api.sandbox.handle(request)


async def test_other_tasks_run_in_between(api: Api) -> None:
    """Every call gives way to other tasks once."""
    turns: list[str] = []
    transport = SandboxTransport(api.sandbox)

    async def other() -> None:
        turns.append("other")

    async with anyio.create_task_group() as group:
        group.start_soon(other)
        await transport.send(opening(api), 30.0)
        turns.append("answer")
    assert turns == ["other", "answer"]


async def test_delay_beyond_the_time_out(api: Api) -> None:
    """A call that times out has been carried out, as over a slow network."""
    transport = SandboxTransport(api.sandbox, delay=0.02)
    with pytest.raises(TransportFailure) as caught:
        await transport.send(opening(api), 0.001)
    assert (caught.value.reason, caught.value.sent) == ("timeout", True)
    assert len(api.state.operations.rows) == 1


async def test_delay_within_the_time_out(api: Api) -> None:
    """A delay shorter than the time-out only delays."""
    transport = SandboxTransport(api.sandbox, delay=0.001)
    assert (await transport.send(opening(api), 5.0)).status == 200


async def test_closed(api: Api) -> None:
    """A closed transport sends nothing; its sandbox stays open."""
    transport = SandboxTransport(api.sandbox)
    await transport.aclose()
    with pytest.raises(TransportFailure) as caught:
        await transport.send(opening(api), 5.0)
    assert not caught.value.sent
    assert api.order()
