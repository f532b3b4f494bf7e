"""An outage of twenty seconds, on counted time: the client must not become the second outage.

The server takes 700 calls a second, first come first served, and works on calls that nobody waits
for any more; the callers bring 500. The client is the real one. The control is a client of thirty
lines with the usual three attempts under jitter; it must fail the same bounds.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from random import Random
from typing import Final

import anyio
import pytest

from fincard_async import BearerToken, FincardClient, RetryPolicy
from fincard_async._sansio.messages import HttpRequest, HttpResponse, TransportFailure
from fincard_async.errors import FincardError
from fincard_async.testing import reply

from .virtual import LoopClock, run
from .world import Seeded

pytestmark = pytest.mark.faults

CAPACITY, OFFERED = 700, 500
DOWN, UP, END = 10, 30, 60
"""Seconds: the outage begins, ends, and the callers go home."""
PATIENCE: Final = 1.0
"""Seconds for one attempt."""
CALL: Final = 4.0
"""Seconds for a whole call."""
MOST_LOAD = 1.2
BACK_WITHIN = 5
DONE = reply({"cardNo": "C1", "amount": 1, "currency": "USD"})


@dataclass
class Server:
    """One line of work, served at a fixed pace, and not at all during the outage."""

    line: deque[asyncio.Future[None]] = field(default_factory=deque)
    arrived: Counter[int] = field(default_factory=Counter)

    async def send(self, request: HttpRequest, timeout: float) -> HttpResponse:
        """Stand in line; whoever gives up stays in it."""
        loop = asyncio.get_running_loop()
        self.arrived[int(loop.time())] += 1
        ticket = loop.create_future()
        self.line.append(ticket)
        try:
            async with asyncio.timeout(timeout):
                await asyncio.shield(ticket)
        except TimeoutError:
            raise TransportFailure("timeout", sent=True, detail="no answer in time") from None
        return DONE

    async def work(self) -> None:
        """Serve the line, a hundred times a second."""
        for tick in range(END * 100):
            await anyio.sleep(max(0.0, tick / 100 - asyncio.get_running_loop().time()))
            if not DOWN <= tick / 100 < UP:
                for _ in range(min(CAPACITY // 100, len(self.line))):
                    self.line.popleft().set_result(None)

    async def aclose(self) -> None:
        """Nothing to close."""


@dataclass
class Outcome:
    """What the callers and the server saw, second by second."""

    arrived: Counter[int]
    calls: Counter[int] = field(default_factory=Counter)
    good: Counter[int] = field(default_factory=Counter)

    @property
    def load(self) -> float:
        """Requests per call that was wanted, from the outage to the end."""
        seconds = range(DOWN, END - 5)
        return sum(self.arrived[n] for n in seconds) / (OFFERED * len(seconds))

    @property
    def pressure(self) -> float:
        """The worst second of the outage, by the same measure."""
        return max(self.arrived[n] for n in range(DOWN + 1, UP)) / OFFERED

    @property
    def rush(self) -> float:
        """The worst second afterwards, by what the server can take."""
        return max(self.arrived[n] for n in range(UP, END - 5)) / CAPACITY

    @property
    def back_after(self) -> int:
        """Seconds from the end of the outage until calls succeed for good."""
        bad = [n for n in range(UP, END - 5) if self.good[n] < 0.98 * self.calls[n]]
        return bad[-1] + 1 - UP if bad else 0


def outage(make: Callable[[Server], Callable[[], Awaitable[object]]]) -> Outcome:
    """Live through it with a client."""

    async def story() -> Outcome:
        server = Server()
        call = make(server)
        outcome = Outcome(server.arrived)

        async def caller(second: int) -> None:
            outcome.calls[second] += 1
            try:
                await call()
            except (FincardError, TransportFailure):
                return
            outcome.good[second] += 1

        async with anyio.create_task_group() as group:
            group.start_soon(server.work)
            for number in range(OFFERED * (END - 1)):
                at = number / OFFERED
                await anyio.sleep(at - asyncio.get_running_loop().time())
                group.start_soon(caller, int(at))
        return outcome

    return run(story())


def real(server: Server) -> Callable[[], Awaitable[object]]:
    """The client of this package, with its own settings but for the patience."""
    client = FincardClient(
        base_url="http://127.0.0.1",
        auth=BearerToken("a-token"),
        tenant_id="acme",
        transport=server,
        clock=LoopClock(),
        entropy=Seeded("overload"),
        retry=RetryPolicy(attempt_timeout=PATIENCE),
        timeout=CALL,
    )
    return lambda: client.cards.get_balance("C1")


def naive(server: Server) -> Callable[[], Awaitable[object]]:
    """Three attempts under full jitter, and nothing that looks at the whole."""
    random = Random("naive")

    async def call() -> object:
        for attempt in range(3):
            try:
                return await server.send(HttpRequest("/", {}, b""), PATIENCE)
            except TransportFailure:
                if attempt == 2:
                    raise
                await anyio.sleep(random.random() * 0.05 * 2**attempt)
        raise AssertionError

    return call


@pytest.mark.timeout(0)
def test_an_outage_is_not_made_worse() -> None:
    """The load stays near what is wanted, and soon after the outage calls succeed again."""
    outcome = outage(real)
    assert outcome.load < MOST_LOAD
    assert outcome.pressure < MOST_LOAD
    # Those who waited come now, no faster than they are served.
    assert outcome.rush < 1.05
    assert outcome.back_after <= BACK_WITHIN
    assert outcome.good[5] == outcome.calls[5] == OFFERED


@pytest.mark.timeout(0)
def test_the_usual_client_makes_it_worse() -> None:
    """The bounds mean something: attempts and jitter alone break both."""
    outcome = outage(naive)
    assert outcome.load > MOST_LOAD
    assert outcome.pressure > MOST_LOAD
    assert outcome.rush > 1.05
    assert outcome.back_after > BACK_WITHIN
