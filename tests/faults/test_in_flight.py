"""How many calls are in flight, on counted time and with the real client.

A few faults in a thousand must not take the places of the others; a server that takes a third of
what is wanted must be found out, without a watch to pace the calls, and money must not wait for it.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from random import Random

import anyio
import msgspec
import pytest

from fincard_async import BearerToken, FincardClient, Limits, RetryPolicy
from fincard_async._generated.operations.cards import DEPOSIT
from fincard_async._sansio.messages import HttpRequest, HttpResponse
from fincard_async.errors import FincardError
from fincard_async.testing import reply

from .virtual import LoopClock, run
from .world import Seeded

pytestmark = pytest.mark.faults

SETTLED = 10
"""Seconds: from when on the bounds hold."""
BALANCE = reply({"cardNo": "C1", "amount": 1, "currency": "USD"})
BUSY = reply(success=False, code=503, msg="busy", status=503)


@dataclass
class Server:
    """Has places, and refuses who finds none; gives ``faults`` of its answers as 503, too."""

    places: int
    latency: float
    faults: float = 0.0
    inside: int = 0
    taken: Counter[int] = field(default_factory=Counter)
    refused: Counter[int] = field(default_factory=Counter)
    random: Random = field(default_factory=lambda: Random("in flight"))

    async def send(self, request: HttpRequest, timeout: float) -> HttpResponse:
        """Answer after the latency, or refuse at once."""
        second = int(asyncio.get_running_loop().time())
        money = request.path == DEPOSIT.path
        if self.inside >= self.places and not money:
            self.refused[second] += 1
            await anyio.sleep(0.005)
            return BUSY
        self.inside += 1
        await anyio.sleep(self.latency * self.random.uniform(0.8, 1.2))
        self.inside -= 1
        if self.random.random() < self.faults and not money:
            self.refused[second] += 1
            return BUSY
        self.taken[second] += 1
        if not money:
            return BALANCE
        number = msgspec.json.decode(request.body)["merchantOrderNo"]
        done = {"cardNo": "C1", "merchantOrderNo": number, "orderNo": "1", "status": "success"}
        return reply({**done, "type": DEPOSIT.kind})

    async def aclose(self) -> None:
        """Nothing to close."""


@dataclass
class Load:
    """So many callers, each with one call after the other."""

    server: Server
    callers: int
    seconds: int
    waits: list[float] = field(default_factory=list)
    """Seconds that each deposit took."""

    def since(self, second: int, counted: Counter[int]) -> int:
        """What was counted from then on."""
        return sum(counted[second] for second in range(second, self.seconds))

    async def story(self, *, deposits: bool = False) -> Load:
        """Live through it."""
        loop = asyncio.get_running_loop()
        client = FincardClient(
            base_url="http://127.0.0.1",
            auth=BearerToken("a-token"),
            tenant_id="acme",
            transport=self.server,
            clock=LoopClock(),
            entropy=Seeded("in flight"),
            limits=Limits(max_concurrency=self.callers),
            retry=RetryPolicy(),
        )

        async def caller() -> None:
            while loop.time() < self.seconds:
                try:
                    await client.cards.get_balance("C1")
                except FincardError:
                    continue

        async with anyio.create_task_group() as group:
            for _ in range(self.callers):
                group.start_soon(caller)
            while deposits and loop.time() < self.seconds - 1:
                await anyio.sleep(0.37)
                began = loop.time()
                await client.cards.deposit("C1", amount=1)
                self.waits.append(loop.time() - began)
        return self


@pytest.mark.parametrize("faults", [0.004, 0.01])
@pytest.mark.timeout(0)
def test_single_faults_take_no_places(faults: float) -> None:
    """Up to one answer in a hundred is a 503: nine tenths of what is possible is answered well."""
    most, latency, seconds = 500, 0.5, 24
    load = run(Load(Server(10 * most, latency, faults), most, seconds).story())
    whole = most / latency * (seconds - SETTLED)
    assert load.since(SETTLED, load.server.taken) > 0.9 * whole


@pytest.mark.timeout(0)
def test_a_server_at_a_third_is_found_out() -> None:
    """After ten seconds at most a twentieth is refused; the server is used; money goes first."""
    places, latency, seconds = 100, 0.1, 40
    load = run(Load(Server(places, latency), 3 * places, seconds).story(deposits=True))
    taken = load.since(SETTLED, load.server.taken)
    refused = load.since(SETTLED, load.server.refused)
    assert refused <= 0.05 * (taken + refused)
    assert taken >= 0.88 * places / latency * (seconds - SETTLED)
    # One answer to wait for, at most, before its own.
    assert max(load.waits) <= 2 * 1.2 * latency + 0.01
