"""A server that takes a third of what the sweep wants, on counted time."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import anyio
import pytest

from fincard_async import Limits, RetryPolicy
from fincard_async._generated.operations.cards import DEPOSIT
from fincard_async._sansio.messages import HttpRequest, HttpResponse
from fincard_async.testing import reply

from .kit import Bank, bank_of, on_counted_time, watching

pytestmark = pytest.mark.faults

CAPACITY, CARDS, INTERVAL = 100, 3000, 10.0
SETTLED, END = 10, 60
"""Seconds: from when on the bounds hold, and the end."""


@dataclass
class Small(Bank):
    """Answers ``CAPACITY`` calls in each second of a sliding window, and refuses the rest."""

    hint: str | None = None
    room: float = 10.0
    seen_at: float = 0.0
    taken: Counter[int] = field(default_factory=Counter)
    refused: Counter[int] = field(default_factory=Counter)

    async def send(self, request: HttpRequest, timeout: float) -> HttpResponse:
        """Refuse at once what is too much."""
        now = self.clock.monotonic()
        self.room = min(10.0, self.room + (now - self.seen_at) * CAPACITY)
        self.seen_at = now
        if self.room < 1.0:
            self.refused[int(now)] += 1
            headers = {} if self.hint is None else {"retry-after": self.hint}
            return reply(status=429, success=False, code=429, msg="slow down", headers=headers)
        self.room -= 1.0
        self.taken[int(now)] += 1
        return await super().send(request, timeout)


@pytest.mark.parametrize("hint", [None, "1"])
@pytest.mark.timeout(0)
def test_a_sweep_finds_the_rate_that_the_server_bears(hint: str | None) -> None:
    """After ten seconds at most a twentieth is refused, and nine tenths of the server are used."""

    async def story() -> Small:
        bank = Small(bank_of(CARDS).balances, hint=hint)
        async with watching(
            bank, interval=INTERVAL, concurrency=50, retry=RetryPolicy(read_attempts=3)
        ) as (_, watch):
            await anyio.sleep(END)
            assert watch.stats.stretched
            assert watch.stats.rate_limit < 2 * CAPACITY
        return bank

    bank = on_counted_time(story)
    seconds = range(SETTLED, END)
    taken = sum(bank.taken[second] for second in seconds)
    refused = sum(bank.refused[second] for second in seconds)
    assert refused <= 0.05 * (taken + refused)
    assert taken >= 0.9 * CAPACITY * len(seconds)


@pytest.mark.timeout(0)
def test_money_does_not_wait_behind_a_sweep() -> None:
    """With every place taken by reads, a deposit gets the next one that is free."""

    async def story() -> list[float]:
        bank = bank_of(500, latency=0.5)
        waits: list[float] = []
        async with watching(
            bank, interval=1.0, concurrency=50, limits=Limits(max_concurrency=10)
        ) as (
            client,
            _,
        ):
            for _ in range(20):
                await anyio.sleep(0.33)
                began = bank.clock.monotonic()
                await client.cards.deposit("card-000000", amount=1)
                waits.append(bank.clock.monotonic() - began)
        assert bank.most == 10
        return waits

    # One answer to wait for, at most, before its own.
    assert max(on_counted_time(story)) <= 2 * 0.5 + 0.01
    assert DEPOSIT.mutates
