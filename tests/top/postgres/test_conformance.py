"""What every journal promises, asked of each kind: the same tests for a file and for PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import TypeAlias

import anyio
import msgspec
import pytest

from fincard_async.bulk import SqliteJournal
from fincard_async.bulk.entry import Entry, Header, Reason, RowState
from fincard_async.bulk.ports import Journal
from fincard_async.bulk.postgres import PostgresJournal
from fincard_async.errors import JournalError, JournalLocked, ValidationError

from .kit import HEADER, JOB, ListPlan, changed, entries_of

pytest.importorskip("asyncpg")
pytestmark = [pytest.mark.anyio, pytest.mark.slow]

ROWS = entries_of(7)
DIGEST = "digest"
COMPLETE = msgspec.structs.replace(HEADER, input=DIGEST)
Make: TypeAlias = Callable[[], Journal]


@pytest.fixture(params=["sqlite", "postgres"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    """Makes journal objects on one and the same place."""
    if request.param == "sqlite":
        return lambda: SqliteJournal(tmp_path / "cards.journal")
    url: str = request.getfixturevalue("url")
    return lambda: PostgresJournal(url, job=JOB)


@asynccontextmanager
async def opened(
    make: Make, header: Header = HEADER, rows: Sequence[Entry] = ROWS, digest: str = DIGEST
) -> AsyncGenerator[Journal]:
    """A journal that is open."""
    journal = make()
    await journal.open(header, ListPlan(rows, digest))
    try:
        yield journal
    finally:
        await journal.close()


def sent(entry: Entry, **values: object) -> Entry:
    """The row about to be sent, or with these values after that."""
    intent = {"state": RowState.INTENT, "sends": 1, "first_sent_at": 1, "last_sent_at": 2}
    return changed(entry, **{**intent, **values})


SMALL = Decimal("1E-12")
FULL = sent(
    ROWS[1],
    state=RowState.PARKED,
    reason=Reason.MISMATCH,
    closed=1,
    ended_at=1_795_000_000_000,
    card_no="C1",
    currency="USD",
    fee=Decimal("0.10"),
    received_amount=Decimal("51.00"),
    received_currency="USD",
    code="A-7",
    message="ok, \u00e9\u4e2d\U0001f600 'quoted' \\ and more",
)


async def test_rows_come_back_exactly(make: Make) -> None:
    """Every value of a planned and of a changed row is the same next time, digits and all."""
    async with opened(make) as journal:
        assert isinstance(journal, Journal)
        assert journal.header == COMPLETE
        assert await journal.read((), after=-1, limit=99) == ROWS
        await journal.commit([sent(ROWS[0])])
        journal.record(FULL)
        journal.record(sent(ROWS[2], code=-1, fee=SMALL))
    async with opened(make) as journal:
        found = await journal.read((), after=-1, limit=99)
        assert found == [
            sent(ROWS[0]),
            FULL,
            sent(ROWS[2], code=-1, fee=SMALL),
            *ROWS[3:],
        ]
        assert str(found[1].fee) == "0.10"
        assert str(found[1].received_amount) == "51.00"


async def test_what_is_recorded_is_seen(make: Make) -> None:
    """Reading, finding and counting show everything that was given before, in that order."""
    async with opened(make) as journal:
        for sends in range(1, 40):
            journal.record(sent(ROWS[0], sends=sends))
        journal.record(sent(ROWS[3]))
        assert (await journal.read([RowState.INTENT], after=-1, limit=9)) == [
            sent(ROWS[0], sends=39),
            sent(ROWS[3]),
        ]
        assert await journal.find([ROWS[3].order_no, "UNKNOWN"]) == [sent(ROWS[3])]
        assert await journal.counts() == {RowState.INTENT: 2, RowState.PLANNED: 5}
        assert await journal.counts(after=0, until=3) == {RowState.INTENT: 1, RowState.PLANNED: 2}
        both = [RowState.INTENT, RowState.PLANNED]
        assert await journal.read(both, after=0, limit=2, until=5) == ROWS[1:3]
        assert await journal.read(both, after=4, limit=9, until=5) == ROWS[5:6]


async def test_the_last_change_of_a_row_counts(make: Make) -> None:
    """A commit with several changes of one row leaves the last."""
    async with opened(make) as journal:
        await journal.commit([sent(ROWS[0]), sent(ROWS[0], sends=2), sent(ROWS[0], sends=3)])
        assert await journal.find([ROWS[0].order_no]) == [sent(ROWS[0], sends=3)]


async def test_many_commit_at_once(make: Make) -> None:
    """Hundreds of tasks that commit at once all get theirs."""
    rows = entries_of(300)
    async with opened(make, rows=rows) as journal:
        async with anyio.create_task_group() as group:
            for row in rows:
                group.start_soon(journal.commit, [sent(row)])
        assert await journal.counts() == {RowState.INTENT: 300}


async def test_the_turn_of_rows_on_one_card(make: Make) -> None:
    """A row waits until all earlier rows on its card are final."""
    rows = [changed(row, target="AB"[row.seq % 2] if row.seq < 4 else None) for row in ROWS]
    async with opened(make, rows=rows) as journal:

        async def turn() -> list[int]:
            found = await journal.read([RowState.PLANNED], after=-1, limit=9, in_turn=True)
            return [entry.seq for entry in found]

        assert await turn() == [0, 1, 4, 5, 6]
        await journal.commit([sent(rows[0])])
        assert await turn() == [1, 4, 5, 6]
        await journal.commit([sent(rows[0], state=RowState.ISSUED)])
        assert await turn() == [1, 2, 4, 5, 6]


@pytest.mark.parametrize(
    "other, words",
    [
        (Header(job=JOB, kind="deposit", server=HEADER.server, tenant="sandbox"), "operation"),
        (Header(job=JOB, kind="open", server="https://x", tenant="sandbox"), "another server"),
        (Header(job=JOB, kind="open", server=HEADER.server, tenant="other"), "another tenant"),
    ],
)
async def test_a_journal_of_something_else(make: Make, other: Header, words: str) -> None:
    """A journal of another kind, server or tenant is refused, and usable after that."""
    async with opened(make):
        pass
    with pytest.raises(JournalError, match=words):
        async with opened(make, other):
            pass
    async with opened(make):
        pass


@pytest.mark.parametrize("rows, digest", [(ROWS, "other"), (ROWS[:-1], DIGEST)])
async def test_other_rows(make: Make, rows: Sequence[Entry], digest: str) -> None:
    """Rows that are not those of the plan are refused."""
    async with opened(make):
        pass
    with pytest.raises(JournalError, match="rows"):
        async with opened(make, rows=rows, digest=digest):
            pass


async def test_a_faulty_plan_leaves_nothing(make: Make) -> None:
    """A repeated order number is told with its place, and no row of the plan stays."""
    plan = ListPlan([*ROWS, changed(ROWS[2], seq=7, row_id="again")])
    with pytest.raises(ValidationError, match="again repeats 2"):
        await make().open(HEADER, plan)
    async with opened(make) as journal:
        assert await journal.counts() == {RowState.PLANNED: 7}


async def test_one_holder(make: Make) -> None:
    """A second object is refused while the first is open, and told so; then it gets it."""
    async with opened(make) as journal:
        with pytest.raises(JournalLocked):
            async with opened(make):
                pass
        with pytest.raises(JournalError):
            await journal.open(HEADER, ListPlan(ROWS))
        await journal.commit([sent(ROWS[0])])
    async with opened(make) as journal:
        assert await journal.counts() == {RowState.INTENT: 1, RowState.PLANNED: 6}


async def test_attach(make: Make) -> None:
    """A journal that exists opens without its rows; one that does not is not made."""
    with pytest.raises(JournalError):
        await make().attach()
    async with opened(make) as journal:
        await journal.commit([sent(ROWS[0])])
    journal = make()
    assert await journal.attach() == COMPLETE
    assert await journal.counts() == {RowState.INTENT: 1, RowState.PLANNED: 6}
    await journal.close()


async def test_cancelled_while_it_commits(make: Make) -> None:
    """Whoever is cancelled while a commit goes on misses nothing but the news of it."""
    async with opened(make) as journal:
        with anyio.CancelScope() as scope:
            scope.cancel()
            await journal.commit([sent(ROWS[0])])
        assert scope.cancelled_caught
        await journal.flush()
        journal.check()
        assert await journal.counts() == {RowState.INTENT: 1, RowState.PLANNED: 6}


async def test_cancelled_while_it_opens(make: Make) -> None:
    """An opening that is cancelled lets go."""
    with anyio.move_on_after(0):
        async with opened(make):
            pass
    async with opened(make):
        pass


async def test_closing_while_cancelled(make: Make) -> None:
    """``close`` makes durable what was recorded, even in a scope that is cancelled."""
    with anyio.CancelScope() as scope:
        async with opened(make) as journal:
            journal.record(sent(ROWS[0]))
            scope.cancel()
    async with opened(make) as journal:
        assert await journal.counts() == {RowState.INTENT: 1, RowState.PLANNED: 6}
