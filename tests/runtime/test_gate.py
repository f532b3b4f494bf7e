"""The gate: asked right before each attempt, and what it refuses was not sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from fincard_async._sansio.messages import HttpResponse, TransportFailure
from fincard_async._sansio.outcome import not_sent
from fincard_async.errors import ConnectFailed
from fincard_async.testing import FakeClock, reply

from .rig import LOST, Server, client_of

pytestmark = pytest.mark.anyio


class Porter:
    """A gate that does what the test says, and counts."""

    def __init__(self, act: Callable[[float], None] = lambda deadline: None) -> None:
        self.act = act
        self.asked = 0

    async def enter(self, deadline: float) -> None:
        self.asked += 1
        self.act(deadline)


async def test_the_gate_is_asked_before_every_attempt() -> None:
    """A first attempt and its repetition both pass the gate; the login does not."""
    answers: Iterator[HttpResponse | TransportFailure] = iter([LOST, reply([])])
    server, porter = Server(call=lambda _: next(answers)), Porter()
    view = client_of(server).with_options(gate=porter)
    await view.cards.list_types()
    assert (porter.asked, len(server.calls), server.logins) == (2, 2, 1)


async def test_what_the_gate_refuses_is_not_sent() -> None:
    """A mutation that the gate refuses ends as ``ConnectFailed``, and is not in doubt."""

    def refuse(_: float) -> None:
        raise not_sent("not now")

    server = Server()
    view = client_of(server).with_options(gate=Porter(refuse))
    with pytest.raises(ConnectFailed, match="not now"):
        await view.cards.freeze(card_no="C1")
    assert server.calls == []
    assert view.in_doubt() == ()


async def test_time_at_the_gate_counts() -> None:
    """A call that stood at the gate beyond its deadline is not sent any more."""
    clock, server = FakeClock(), Server()
    view = client_of(server, clock, timeout=10).with_options(
        gate=Porter(lambda deadline: clock.advance(deadline - clock.monotonic()))
    )
    with pytest.raises(ConnectFailed, match="the deadline passed before the request was sent"):
        await view.cards.freeze(card_no="C1")
    assert server.calls == []


async def test_a_view_of_a_view_keeps_the_gate() -> None:
    """Other settings do not open the gate, and the client it came from has none."""
    server, porter = Server(call=lambda _: reply([])), Porter()
    client = client_of(server)
    await client.with_options(gate=porter).with_options(timeout=5).cards.list_types()
    assert porter.asked == 1
    await client.cards.list_types()
    assert porter.asked == 1
