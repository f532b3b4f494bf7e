"""The rate that machines share: kept by all together, whoever dies or sleeps."""

from __future__ import annotations

import time

import anyio
import pytest

from fincard_async.bulk.postgres import SharedRate
from fincard_async.errors import ConfigError, ConnectFailed
from fincard_async.testing import FakeClock

from .kit import session
from .server import Server

pytest.importorskip("asyncpg")
pytestmark = [pytest.mark.anyio, pytest.mark.slow]

RATE = 200.0
SOON = 1_000_000.0


async def spend(rate: SharedRate, count: int, spent: list[float]) -> None:
    """Take places one after the other, as fast as they come."""
    for _ in range(count):
        await rate.acquire(time.monotonic() + 30)
        spent.append(time.monotonic())


def fastest(spent: list[float], window: float) -> int:
    """Most places in any window of so many seconds."""
    times = sorted(spent)
    return max(sum(1 for t in times if start <= t < start + window) for start in times)


async def test_four_workers_keep_one_rate(url: str) -> None:
    """Four workers with four tasks each take 200 places a second together, and use them all."""
    workers = [SharedRate(url, name="tenant", rate=RATE) for _ in range(4)]
    spent: list[float] = []
    began = time.monotonic()
    async with anyio.create_task_group() as group:
        for worker in workers:
            for _ in range(4):
                group.start_soon(spend, worker, 10, spent)
    elapsed = time.monotonic() - began
    for worker in workers:
        await worker.aclose()
    assert len(spent) == 160
    assert elapsed >= (160 - 1) / RATE
    assert elapsed < 160 / RATE * 1.5 + 0.5
    # A place may be late by what the event loop was late, and is never early.
    assert fastest(spent, 0.4) <= RATE * 0.4 + 20


async def test_two_names_are_two_rates(url: str) -> None:
    """Who has another name shares nothing."""
    one, other = (SharedRate(url, name=name, rate=0.5) for name in ("one", "other"))
    began = time.monotonic()
    await one.acquire(began + 9)
    await other.acquire(began + 9)
    assert time.monotonic() - began < 1.5
    with pytest.raises(ConnectFailed, match="no place in the shared rate") as caught:
        await one.acquire(time.monotonic() + 0.5)
    assert 0.3 < (caught.value.retry_after or 0) <= 2.0
    await one.aclose()
    await other.aclose()


async def test_a_burst_after_a_pause(url: str) -> None:
    """``burst`` places are there at once, and no more."""
    rate = SharedRate(url, name="tenant", rate=1, burst=3)
    began = time.monotonic()
    for _ in range(3):
        await rate.acquire(began + 9)
    assert time.monotonic() - began < 0.9
    with pytest.raises(ConnectFailed):
        await rate.acquire(time.monotonic() + 0.2)
    await rate.aclose()


async def test_a_worker_that_dies_holds_nobody_up(url: str) -> None:
    """Places that a dead worker had reserved are left out, and the others go on."""
    dead, alive = (SharedRate(url, name="tenant", rate=100) for _ in range(2))
    async with anyio.create_task_group() as group:
        spent: list[float] = []
        for _ in range(20):
            group.start_soon(spend, dead, 1, spent)
        while not spent:
            await anyio.lowlevel.checkpoint()
        group.cancel_scope.cancel()
    await dead.aclose()
    began = time.monotonic()
    await alive.acquire(began + 9)
    assert time.monotonic() - began < 1.0
    await alive.aclose()


class Dozing(FakeClock):
    """A clock of a process that is paused for a minute in its first sleep."""

    async def sleep(self, seconds: float) -> None:
        await super().sleep(60 if not self.slept else seconds)


async def test_places_of_the_past_are_not_used(url: str) -> None:
    """A worker that was paused with places in hand does not spend them at once when it wakes."""
    clock = Dozing()
    rate = SharedRate(url, name="tenant", rate=10, clock=clock)
    await rate.acquire(clock.monotonic() + SOON)
    async with session(url) as other:
        before = await other.fetchval("SELECT next_at FROM fincard.rates")
        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(rate.acquire, clock.monotonic() + SOON)
        after = await other.fetchval("SELECT next_at FROM fincard.rates")
    await rate.aclose()
    assert after - before > 0.75, "five places were reserved, and some of them once more"


async def test_a_clock_that_was_set_back(url: str) -> None:
    """A row far ahead of the server's clock does not stop everybody for that long."""
    rate = SharedRate(url, name="tenant", rate=10)
    await rate.acquire(time.monotonic() + 9)
    async with session(url) as other:
        await other.execute("UPDATE fincard.rates SET next_at = next_at + 86400")
    await rate.acquire(time.monotonic() + 3)
    await rate.aclose()


async def test_a_database_that_cannot_be_asked(server: Server, url: str) -> None:
    """Without the database nothing is sent; when it is back, all goes on."""
    rate = SharedRate(url, name="tenant", rate=100)
    await rate.acquire(time.monotonic() + 9)
    server.stop()
    try:
        with pytest.raises(ConnectFailed, match="the shared rate cannot be asked"):
            await rate.acquire(time.monotonic() + 9)
        assert "postgres@" not in repr(rate)
    finally:
        server.start()
    await rate.acquire(time.monotonic() + 9)
    await rate.aclose()


@pytest.mark.parametrize("wrong", [{"rate": 0}, {"rate": 1, "burst": 0}, {"rate": 1, "name": ""}])
def test_settings_that_mean_nothing(wrong: dict[str, float]) -> None:
    """A rate of nothing is refused at once."""
    settings: dict[str, object] = {"name": "tenant", **wrong}
    with pytest.raises(ConfigError):
        SharedRate("postgresql://x/y", **settings)  # type: ignore[arg-type]  # one of them is wrong
