"""Random histories: faults, crashes, lost journals and late arrivals, judged by the ledger only."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import given, settings, strategies as st

from fincard_async.bulk import Report, RowState
from fincard_async.bulk.windows import Windows
from fincard_async.errors import JournalError
from fincard_async.sandbox.catalog import PREPAID

from .kit import Connector, Fate, World, rows_of, world_in

FATES: list[Fate] = [
    "answer",
    "lost before",
    "lost after",
    "not sent",
    "late",
    "busy",
    "busy after",
    "refused",
]
ROWS = rows_of(4)
RUNS = st.tuples(
    st.lists(st.sampled_from(FATES), max_size=24),
    st.integers(1, 4),
    st.none() | st.integers(0, 8),
    st.sampled_from(["go on", "arrive late", "lose the journal", "wait long"]),
)
"""What becomes of the orders of a run one after the other, rows at once, commits until the disk
fails, and what happens afterwards."""


@settings(deadline=None, max_examples=60)
@given(st.lists(RUNS, max_size=4), st.sampled_from([0, 5_000]))
@pytest.mark.slow
def test_every_history(
    runs: list[tuple[list[Fate], int, int | None, str]], latency_ms: int
) -> None:
    """Never is there a second card for a row; in the end report and ledger agree to the cent."""
    with tempfile.TemporaryDirectory() as folder:
        anyio.run(_history, Path(folder), runs, latency_ms)


@pytest.mark.faults
@settings(deadline=None, max_examples=40)
@given(st.lists(RUNS, max_size=4))
def test_every_history_without_dedupe(
    runs: list[tuple[list[Fate], int, int | None, str]],
) -> None:
    """The same with a server that carries out a repeated number a second time: rows that were lost
    are sent again only after everything has drained, and never is there a second card."""
    with tempfile.TemporaryDirectory() as folder:
        anyio.run(_without_dedupe, Path(folder), runs)


async def _without_dedupe(
    folder: Path, runs: list[tuple[list[Fate], int, int | None, str]]
) -> None:
    how: dict[str, Any] = {"dedupe": "none", "resend_after_drain": True}
    async with world_in(folder, dedupe="none") as world:
        await world.client.cards.open(card_type_id=PREPAID, amount=50)
        for fates, concurrency, commits, afterwards in runs:
            world.wire.fate = _one_after_the_other(fates)
            world.wire.before_look_up = _arriving_in_time(world)
            with suppress(JournalError):
                connect = Connector(commits_left=commits)
                await world.run(ROWS, concurrency=concurrency, connect=connect, **how)
            await _after(world, "wait long" if afterwards == "lose the journal" else afterwards)
            assert not await _doubled(world)
        world.wire.fate = lambda number, attempt: "answer"
        await world.wire.deliver_late()
        for _ in range(2):
            await world.run(ROWS, **how)
            world.clock.advance(Windows().drained)
        report = await world.run(ROWS, **how)
        assert report.complete
        assert not await _doubled(world)
        assert world.ledger.cards == 1 + report.counts[RowState.ISSUED]


def _arriving_in_time(world: World) -> Callable[[], None]:
    """Delivers what is late before it is later than anything can be (A2)."""
    began = world.clock.monotonic()

    def deliver() -> None:
        if world.clock.monotonic() - began > Windows().arrives / 2:
            while world.wire.late:
                world.sandbox.handle(world.wire.late.pop(0))

    return deliver


async def _history(
    folder: Path, runs: list[tuple[list[Fate], int, int | None, str]], latency_ms: int
) -> None:
    async with world_in(folder, latency_ms=latency_ms) as world:
        for fates, concurrency, commits, afterwards in runs:
            world.wire.fate = _one_after_the_other(fates)
            with suppress(JournalError):
                await world.run(
                    ROWS, concurrency=concurrency, connect=Connector(commits_left=commits)
                )
            await _after(world, afterwards)
            assert not await _doubled(world)
        world.wire.fate = lambda number, attempt: "answer"
        await world.wire.deliver_late()
        await world.run(ROWS)
        world.clock.advance(Windows().drained)
        await _assert_agreement(world, await world.run(ROWS))


def _one_after_the_other(fates: list[Fate]) -> Callable[[str, int], Fate]:
    left = iter(fates)

    def choose(number: str, attempt: int) -> Fate:
        for fate in left:
            return fate
        return "answer"

    return choose


async def _after(world: World, what: str) -> None:
    if what != "go on":
        await world.wire.deliver_late()
    if what == "lose the journal":
        world.path.unlink()
    if what == "wait long":
        world.clock.advance(Windows().drained)


async def _doubled(world: World) -> bool:
    orders = Counter(order.merchant_order_no for order in await world.orders())
    return any(count > 1 for count in orders.values())


async def _assert_agreement(world: World, report: Report) -> None:
    assert report.complete
    issued = [result for result in report.results if result.state is RowState.ISSUED]
    assert world.ledger.cards == len(issued)
    assert world.ledger.created_amount == sum((r.amount or 0 for r in issued), Decimal(0))
    assert {order.card_no for order in await world.orders()} == {
        result.card_no for result in issued
    }
