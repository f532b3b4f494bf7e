"""Journals of earlier formats, made by hand as they were then."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest

from fincard_async.bulk import IssueRow, RowState, SqliteJournal, read_results
from fincard_async.bulk.entry import FORMAT
from fincard_async.bulk.migrations import APPLICATION_ID, LEADS_TO, MIGRATIONS
from fincard_async.errors import JournalError, UsageError

from .kit import JOB, World, number_of, rows_of, states

ROWS = rows_of(4)
SENT = 1_767_225_600_000
"""Just now, by the clock of the tests."""

FORMAT_1 = (
    f"PRAGMA application_id={APPLICATION_ID}",
    "PRAGMA user_version=1",
    "CREATE TABLE header (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    """CREATE TABLE rows (
        seq INTEGER PRIMARY KEY,
        row_id TEXT NOT NULL,
        order_no TEXT NOT NULL UNIQUE,
        amount TEXT NOT NULL,
        state TEXT NOT NULL,
        sends INTEGER NOT NULL,
        closed INTEGER NOT NULL,
        first_sent_at INTEGER,
        last_sent_at INTEGER,
        card_no TEXT,
        currency TEXT,
        fee TEXT,
        received_amount TEXT,
        received_currency TEXT,
        code,
        message TEXT
    )""",
    "CREATE INDEX rows_by_state ON rows (state, seq)",
)


def digest_of_format_1(rows: Sequence[IssueRow]) -> str:
    """SHA-256 over the rows, as format 1 had it."""
    found = hashlib.sha256()
    for row in rows:
        for part in (row.row_id, row.card_type_id, row.amount, row.holder_id, row.account_id):
            data = str(part).encode()
            found.update(len(data).to_bytes(8, "big") + data)
    return found.hexdigest()


def write_format_1(path: Path, rows: Sequence[IssueRow] = ROWS) -> None:
    """A journal of format 1: the first row has its card, the second is parked, the third sent."""
    db = sqlite3.connect(path, isolation_level=None)
    for statement in FORMAT_1:
        db.execute(statement)
    header = {
        "job": JOB,
        "server": "http://127.0.0.1",
        "tenant": "sandbox",
        "input": digest_of_format_1(rows),
    }
    db.executemany("INSERT INTO header VALUES (?, ?)", header.items())
    past: list[tuple[object, ...]] = [
        ("issued", 1, 0, SENT, SENT, "C1", "USD", "1", "50", "USD", None, None),
        ("parked", 1, 0, SENT, SENT, None, None, None, None, None, None, "another one"),
        ("intent", 1, 0, SENT, SENT, None, None, None, None, None, None, None),
        ("planned", 0, 0, None, None, None, None, None, None, None, None, None),
    ]
    for seq, (row, facts) in enumerate(zip(rows, past, strict=True)):
        fixed = (seq, row.row_id, number_of(row), str(row.amount))
        db.execute(f"INSERT INTO rows VALUES ({', '.join('?' * 16)})", (*fixed, *facts))
    db.close()


def version(path: Path) -> int:
    """The format of a file."""
    db = sqlite3.connect(path)
    found: int = db.execute("PRAGMA user_version").fetchone()[0]
    db.close()
    return found


def test_every_format_leads_to_the_present_one() -> None:
    """From each format there is a way to the present one, and numbers only grow."""
    assert set(MIGRATIONS) == set(LEADS_TO) == set(range(FORMAT))
    assert all(before < after <= FORMAT for before, after in LEADS_TO.items())


@pytest.mark.anyio
async def test_format_1_goes_on(world: World) -> None:
    """A job begun with format 1 goes on: what was done is not done again, what was sent is looked
    up, what was parked stays so, and the rest is sent."""
    write_format_1(world.path)
    report = await world.run(ROWS)
    assert states(report) == {RowState.ISSUED: 3, RowState.PARKED: 1}
    assert version(world.path) == FORMAT
    assert report.results[0].card_no == "C1"
    assert world.wire.orders == [number_of(ROWS[2]), number_of(ROWS[3])]
    assert await world.run(ROWS) == report
    assert len(world.wire.orders) == 2


@pytest.mark.anyio
async def test_format_1_of_other_rows(world: World) -> None:
    """The rows must be those of the first run, by the digest of that time; nothing is lost then."""
    write_format_1(world.path)
    with pytest.raises(JournalError, match="belongs to other rows"):
        await world.run(rows_of(4, "60"))
    with pytest.raises(JournalError, match="belongs to other rows"):
        await world.run(ROWS[:3])
    assert world.wire.orders == []
    report = await world.run(ROWS)
    assert states(report) == {RowState.ISSUED: 3, RowState.PARKED: 1}


@pytest.mark.anyio
async def test_format_1_without_its_rows(world: World) -> None:
    """Without the rows it can be read, but nothing can be sent from it."""
    write_format_1(world.path)
    assert [row.state.value for row in read_results(world.path)] == [
        "issued",
        "parked",
        "intent",
        "planned",
    ]
    journal = SqliteJournal(world.path)
    await journal.attach()
    with pytest.raises(UsageError, match="older format; run the job once with its rows"):
        await world.chunk(journal)
    await journal.close()
    assert world.wire.orders == []
    report = await world.run(ROWS)
    assert states(report) == {RowState.ISSUED: 3, RowState.PARKED: 1}


def test_a_migration_that_is_cut_short(tmp_path: Path) -> None:
    """A crash in the middle of a migration leaves the old format, and the next run migrates."""
    path = tmp_path / "old.journal"
    write_format_1(path)

    class Cut(sqlite3.Connection):
        def execute(self, sql: str, *args: object) -> sqlite3.Cursor:
            if sql.startswith("DROP TABLE rows_1"):
                raise sqlite3.OperationalError("cut short")
            return super().execute(sql, *args)  # type: ignore[arg-type]  # passed on as they came

    from fincard_async.bulk.store import Store

    store = Store(path, lambda *args, **kw: sqlite3.connect(*args, factory=Cut, **kw))
    with pytest.raises(JournalError, match="cut short"):
        store.open(make=False)
    assert version(path) == 1
    assert len(list(read_results(path))) == 4
    assert version(path) == FORMAT
