"""What people decide on parked rows, and what may not be decided."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from fincard_async.bulk import Decision, Reason, RowState, SqliteJournal, Windows, resolve
from fincard_async.errors import JournalError, JournalLocked, ValidationError
from fincard_async.sandbox.catalog import PREPAID

from .kit import World, first, number_of, rows_of, states, world_in

pytestmark = pytest.mark.anyio

ROWS = rows_of(4)


def decision(row_id: str, what: Any, **values: Any) -> Decision:
    """A decision with some evidence."""
    return Decision(row_id=row_id, decision=what, evidence="ticket 4711", **values)


async def parked(world: World) -> None:
    """Rows 0 and 1 are parked as absent; the others have their cards."""
    await world.client.cards.open(card_type_id=PREPAID, amount=50)
    lost = {number_of(row) for row in ROWS[:2]}
    world.wire.fate = lambda number, attempt: "lost before" if number in lost else "answer"
    await world.run(ROWS, dedupe="none")
    world.clock.advance(Windows().drained)
    report = await world.run(ROWS, dedupe="none")
    assert states(report) == {RowState.PARKED: 2, RowState.ISSUED: 2}
    assert report.results[0].reason is Reason.ABSENT
    world.wire.fate = first()


async def test_decisions_take_effect(tmp_path: Path) -> None:
    """What is decided stands with its evidence, and a row to be sent again is sent by the next
    run."""
    async with world_in(tmp_path, dedupe="none") as world:
        await parked(world)
        done = await resolve(
            SqliteJournal(world.path),
            [decision("row-1", "resend"), decision("row-0", "issued", card_no="C9")],
            clock=world.clock,
        )
        assert [(row.row_id, row.state, row.card_no) for row in done] == [
            ("row-0", RowState.ISSUED, "C9"),
            ("row-1", RowState.INTENT, None),
        ]
        assert done[0].message == "issued by decision: ticket 4711"
        report = await world.run(ROWS, dedupe="none")
        assert report.ok
        assert [world.wire.attempts[number_of(row)] for row in ROWS] == [1, 2, 1, 1]
        assert world.ledger.cards == 4


async def test_given_up(tmp_path: Path) -> None:
    """A row that is wanted no more is failed, for good."""
    async with world_in(tmp_path, dedupe="none") as world:
        await parked(world)
        decisions = [decision("row-0", "failed"), decision("row-1", "failed")]
        await resolve(SqliteJournal(world.path), decisions, clock=world.clock)
        report = await world.run(ROWS, dedupe="none")
        assert states(report) == {RowState.FAILED: 2, RowState.ISSUED: 2}
        assert (report.complete, report.ok) == (True, False)


async def test_withdrawn(world: World) -> None:
    """A row that was never sent can be taken back; it is never sent, and the job is complete."""
    job = world.job()
    job.stop()
    await job.run(ROWS, job="payroll")
    await resolve(SqliteJournal(world.path), [decision("row-2", "withdraw")])
    report = await world.run(ROWS)
    assert states(report) == {RowState.ISSUED: 3, RowState.WITHDRAWN: 1}
    assert report.ok
    world.assert_exact([ROWS[0], ROWS[1], ROWS[3]])


@pytest.mark.parametrize(
    "wrong, message",
    [
        ([decision("row-9", "failed")], "row row-9: the journal has no such row"),
        ([decision("row-3", "failed")], "row row-3: is issued, and only what is parked"),
        ([decision("row-0", "withdraw")], "row row-0: is parked, and only what is planned"),
        ([decision("row-0", "issued")], "row row-0: the card_no is missing"),
        ([decision("row-0", "failed", card_no="C1")], "row row-0: a card_no goes with"),
        ([decision("row-0", "maybe")], "row row-0: the decision must be one of issued, failed"),
        ([replace(decision("row-0", "failed"), evidence=" ")], "row row-0: the evidence is miss"),
        ([decision("row-0", "failed")] * 2, "row row-0: has two decisions"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_all_or_nothing(tmp_path: Path, wrong: list[Decision], message: str) -> None:
    """One decision that cannot be taken keeps all from taking effect."""
    async with world_in(tmp_path, dedupe="none") as world:
        await parked(world)
        before = await world.run(ROWS, dedupe="none")
        good = decision("row-1", "failed")
        with pytest.raises(ValidationError, match=message):
            await resolve(SqliteJournal(world.path), [good, *wrong])
        assert await world.run(ROWS, dedupe="none") == before


async def test_an_order_of_the_number_exists(world: World) -> None:
    """What is parked because the server has another order of its number cannot be sent again."""
    await world.run(ROWS)
    world.path.unlink()
    changed = [replace(ROWS[0], amount=Decimal(77)), *ROWS[1:]]
    report = await world.run(changed)
    assert report.results[0].reason is Reason.MISMATCH
    with pytest.raises(ValidationError, match="the server has an order of its number"):
        await resolve(SqliteJournal(world.path), [decision("row-0", "resend")])
    await resolve(SqliteJournal(world.path), [decision("row-0", "issued", card_no="C1")])
    assert (await world.run(changed)).ok
    world.assert_exact(ROWS)


async def test_long_numbers_in_the_evidence_are_masked(tmp_path: Path) -> None:
    """Evidence is kept without anything that could be a card number."""
    async with world_in(tmp_path, dedupe="none") as world:
        await parked(world)
        found = replace(decision("row-0", "failed"), evidence="card 5319930000000001\nsee mail")
        [row] = await resolve(SqliteJournal(world.path), [found])
        assert row.message == "failed by decision: card [digits] see mail"


async def test_only_on_a_job_at_rest(world: World) -> None:
    """A running job is locked, and a missing journal is not made."""
    with pytest.raises(JournalError, match="there is no such file"):
        await resolve(SqliteJournal(world.path), [decision("row-0", "failed")])
    assert not world.path.exists()
    await world.run(ROWS)
    holder = SqliteJournal(world.path)
    await holder.attach()
    with pytest.raises(JournalLocked):
        await resolve(SqliteJournal(world.path), [decision("row-0", "failed")])
    await holder.close()
