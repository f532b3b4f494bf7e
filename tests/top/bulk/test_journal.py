"""The journal: what is durable and when, whom it refuses, and what never stands in it."""

from __future__ import annotations

import dataclasses
import os
import sqlite3
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio import to_thread
from hypothesis import given, settings, strategies as st
from msgspec.structs import replace

from fincard_async.bulk import InputError, SqliteJournal
from fincard_async.bulk.entry import Entry, Header, RowState
from fincard_async.bulk.migrations import APPLICATION_ID
from fincard_async.bulk.plan import Event, ForbiddenTransition, advance
from fincard_async.bulk.store import Store
from fincard_async.errors import JournalError, JournalLocked

from .kit import HEADER, Connector, ListPlan, plan_of, planned, rows_of

pytestmark = pytest.mark.anyio

PLAN = planned(rows_of(5))
ALL: tuple[RowState, ...] = ()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the journal will be."""
    return tmp_path / "cards.journal"


@asynccontextmanager
async def opened(
    path: Path, header: Header = HEADER, plan: list[Entry] = PLAN, **settings: Any
) -> AsyncGenerator[SqliteJournal]:
    """A journal that is open."""
    journal = SqliteJournal(path, **settings)
    await journal.open(header, ListPlan(plan))
    try:
        yield journal
    finally:
        await journal.close()


def mode(path: Path) -> int:
    """Who may do what with a file."""
    return stat.S_IMODE(path.stat().st_mode)


def content(path: Path) -> bytearray:
    """What is in a file."""
    return bytearray(path.read_bytes())


def write(path: Path, content: bytes | bytearray) -> None:
    """Make a file."""
    path.write_bytes(content)


def exists(path: Path) -> bool:
    """Whether there is such a file."""
    return path.exists()


def intent(entry: Entry) -> Entry:
    """The row about to be sent."""
    return advance(entry, Event.DISPATCHED, now=1)


@pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
async def test_what_is_written_is_there_next_time(path: Path) -> None:
    """Rows come back as they were planned or changed, with every value exact."""
    full = replace(
        intent(PLAN[1]),
        state=RowState.ISSUED,
        closed=1,
        card_no="C1",
        currency="USD",
        fee=Decimal("0.10"),
        received_amount=Decimal("51.00"),
        received_currency="USD",
        code="A-7",
        message="ok",
    )
    async with opened(path) as journal:
        assert await journal.read(ALL, after=-1, limit=10) == PLAN
        await journal.commit([intent(PLAN[0])])
        journal.record(full)
        journal.record(replace(intent(PLAN[2]), code=-1))
    async with opened(path) as journal:
        expected = [intent(PLAN[0]), full, replace(intent(PLAN[2]), code=-1), *PLAN[3:]]
        assert await journal.read(ALL, after=-1, limit=10) == expected
        assert await journal.read([RowState.INTENT], after=0, limit=10) == expected[2:3]
        assert (
            await journal.read([RowState.PLANNED, RowState.ISSUED], after=1, limit=1) == PLAN[3:4]
        )
        assert await journal.find([full.order_no, "unknown"]) == [full]
        assert await journal.counts() == {
            RowState.INTENT: 2,
            RowState.ISSUED: 1,
            RowState.PLANNED: 2,
        }


async def test_pragmas(path: Path) -> None:
    """The settings that make a commit durable and the lock exclusive are in force to the end."""
    connect = Connector()
    async with opened(path, connect=connect) as journal:
        await journal.commit([intent(PLAN[0])])
    assert connect.db.pragmas == {
        "journal_mode": "truncate",
        "synchronous": 2,
        "locking_mode": "exclusive",
        "application_id": APPLICATION_ID,
    }


async def test_a_journal_that_cannot_be_durable_is_refused() -> None:
    """A database in memory cannot survive anything."""

    def connect(_: Path, **settings: Any) -> sqlite3.Connection:
        db: sqlite3.Connection = sqlite3.connect(":memory:", **settings)
        return db

    journal = SqliteJournal("unused.journal", connect=connect)
    try:
        with pytest.raises(JournalError, match="cannot be made durable; put it on a local disk"):
            await journal.open(HEADER, ListPlan(PLAN))
    finally:
        assert not journal.path.exists()


async def test_commit_returns_after_the_commit(path: Path) -> None:
    """When ``commit`` returns, the transaction has ended; ``record`` alone promises nothing."""
    connect = Connector()
    async with opened(path, connect=connect) as journal:
        await journal.commit([intent(entry) for entry in PLAN[:2]])
        numbers = {entry.order_no: ("intent", 1) for entry in PLAN[:2]}
        assert connect.db.committed == numbers
        journal.record(replace(intent(PLAN[3]), state=RowState.UNKNOWN))
        await journal.flush()
        assert connect.db.committed == {**numbers, PLAN[3].order_no: ("unknown", 1)}


async def test_what_waits_shares_a_commit(path: Path) -> None:
    """Rows that wait at the same time are committed together, and each waiter hears of it."""
    connect = Connector()
    plan = await to_thread.run_sync(planned, rows_of(200))
    async with opened(path, plan=plan, connect=connect) as journal:
        before = connect.db.statements.count("COMMIT")
        async with anyio.create_task_group() as group:
            for entry in plan:
                group.start_soon(journal.commit, [intent(entry)])
        assert len(connect.db.committed) == 200
        assert connect.db.statements.count("COMMIT") - before < 50


async def test_later_changes_win(path: Path) -> None:
    """Changes of one row are applied in the order in which they were given."""
    async with opened(path) as journal:
        for sends in range(1, 50):
            journal.record(replace(intent(PLAN[0]), sends=sends))
        assert (await journal.read(ALL, after=-1, limit=1))[0].sends == 49


@pytest.mark.parametrize(
    "other, words",
    [
        (replace(HEADER, job="other"), "belongs to another job; use another journal file"),
        (replace(HEADER, server="https://x"), "belongs to another server; point the client"),
        (replace(HEADER, tenant="other"), "belongs to another tenant; use that tenant"),
        (replace(HEADER, kind="deposit"), "belongs to another operation; use another journal file"),
    ],
)
async def test_a_journal_of_something_else_is_refused(
    path: Path, other: Header, words: str
) -> None:
    """A journal serves one job with one input at one server and tenant, and says what differs."""
    async with opened(path):
        pass
    with pytest.raises(JournalError, match=words) as caught:
        async with opened(path, other):
            pass
    assert str(path) in str(caught.value)
    async with opened(path):
        pass


@pytest.mark.parametrize(
    "change, words",
    [
        ({"amount": Decimal(77)}, "row 1502 has another amount than before"),
        ({"row_id": "other"}, "row 1502 has another row_id than before"),
        ({"holder_id": 7}, "row 1502 has another request than before"),
        ({"generation": 1}, "row 1502 has another generation than before"),
        (None, "belongs to other rows: 1600 and not 1599"),
    ],
)
async def test_what_differs(path: Path, change: dict[str, Any] | None, words: str) -> None:
    """Of many rows, the first that is not what it was is named, and what of it."""
    rows = rows_of(1600)
    journal = SqliteJournal(path)
    await journal.open(HEADER, plan_of(rows))
    await journal.close()
    other = (
        rows[:-1]
        if change is None
        else [*rows[:1501], dataclasses.replace(rows[1501], **change), *rows[1502:]]
    )
    with pytest.raises(JournalError, match=words):
        await journal.open(HEADER, plan_of(other))
    await journal.open(HEADER, plan_of(rows))
    await journal.close()


async def test_a_row_id_that_stands_twice(path: Path) -> None:
    """A repeated id is found among rows that are no longer in memory, and nothing is kept."""
    rows = [*rows_of(1200), dataclasses.replace(rows_of(1)[0], line=1300)]
    journal = SqliteJournal(path)
    with pytest.raises(InputError, match="rows:1300: a row_id stands twice: in row 1 and in row 1"):
        await journal.open(HEADER, plan_of(rows))
    assert not exists(path)


async def test_an_empty_file_cannot_be_attached(path: Path) -> None:
    """A journal without rows has nothing to go on with."""
    write(path, b"")
    with pytest.raises(JournalError, match="has no rows yet"):
        await SqliteJournal(path).attach()


async def test_another_program_holds_the_database(path: Path) -> None:
    """A lock of SQLite's own, such as a shell's, is respected too."""
    async with opened(path):
        pass
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("BEGIN EXCLUSIVE")
    with pytest.raises(JournalLocked, match="is held by another program"):
        await SqliteJournal(path).attach()
    db.close()


async def test_two_in_one_process(path: Path) -> None:
    """A second journal object on the same file is refused, and so is a second opening of one."""
    async with opened(path) as journal:
        words = r"cards\.journal is held by another run of this process"
        with pytest.raises(JournalLocked, match=words):
            async with opened(path):
                pass
        with pytest.raises(JournalError, match="in use by another run of this process"):
            await journal.open(HEADER, ListPlan(PLAN))
        assert await journal.counts() == {RowState.PLANNED: 5}
    async with opened(path):
        pass


_HOLDER = """
import sys, anyio
from pathlib import Path
from fincard_async.bulk import InputError, SqliteJournal
from fincard_async.errors import JournalLocked
from tests.top.bulk.kit import ListPlan
from tests.top.bulk.test_journal import HEADER, PLAN

async def main():
    journal = SqliteJournal(sys.argv[1])
    print("ready", flush=True)
    sys.stdin.readline()
    try:
        await journal.open(HEADER, ListPlan(PLAN))
    except JournalLocked as error:
        assert sys.argv[1] in str(error)
        print("locked", flush=True)
    else:
        print("holds", flush=True)
        sys.stdin.readline()
        await journal.close()

anyio.run(main)
"""


def holder(path: Path) -> subprocess.Popen[str]:
    """A process that opens a journal when it is given a line."""
    return subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
    )


@pytest.mark.slow
def test_processes_that_start_together(path: Path) -> None:
    """Of several processes that open a new journal at once, exactly one gets it."""
    holders = [holder(path) for _ in range(4)]
    try:
        for process in holders:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in holders:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
        said = sorted(process.stdout.readline() for process in holders if process.stdout)
        assert said == ["holds\n", *["locked\n"] * 3]
    finally:
        for process in holders:
            process.communicate("\n" if process.poll() is None else None)


async def test_only_the_owner_may_read(path: Path) -> None:
    """A new file is private from the start, and an old one is made private."""
    async with opened(path):
        assert mode(path) == 0o600
    os.chmod(path, 0o644)
    async with opened(path) as journal:
        await journal.commit([intent(PLAN[0])])
        for file in path.parent.iterdir():
            assert mode(file) == 0o600


@pytest.mark.parametrize("other", [b"not a database at all" * 100, b"row_id,amount\n"])
async def test_a_file_that_is_no_database(path: Path, other: bytes) -> None:
    """Another file is refused, and left as it is."""
    write(path, other)
    with pytest.raises(JournalError, match="damaged or not a journal; restore it, or move it away"):
        async with opened(path):
            pass
    assert content(path) == other


async def test_a_database_that_is_no_journal(path: Path) -> None:
    """A database of somebody else is refused, and left as it is."""
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE rows (a)")
    db.close()
    before = content(path)
    with pytest.raises(JournalError, match="is not a journal; name another file"):
        async with opened(path):
            pass
    assert content(path) == before


def change(path: Path, *statements: str) -> None:
    """Change a journal behind its back."""
    db = sqlite3.connect(path, isolation_level=None)
    for statement in statements:
        db.execute(statement)
    db.close()


@pytest.mark.parametrize(
    "statement, words",
    [
        ("PRAGMA user_version=3", "has format 3, and this version of the package reads up to 2"),
        ("DELETE FROM rows WHERE seq = 2", "the file is damaged"),
        ("DELETE FROM header", "the file is damaged"),
    ],
)
async def test_a_journal_that_was_changed(path: Path, statement: str, words: str) -> None:
    """A journal of another format, or with rows missing, is refused."""
    async with opened(path):
        pass
    change(path, statement)
    with pytest.raises(JournalError, match=words):
        async with opened(path):
            pass


@pytest.mark.parametrize("statement", ["state = 'nowhere'", "amount = 'much'"])
async def test_values_that_mean_nothing(path: Path, statement: str) -> None:
    """A value that no journal holds is damage, and not a guess."""
    async with opened(path):
        pass
    change(path, f"UPDATE rows SET {statement} WHERE seq = 0")
    with pytest.raises(JournalError, match="the file is damaged"):
        async with opened(path) as journal:
            await journal.read(ALL, after=-1, limit=9)


async def test_a_damaged_page(path: Path) -> None:
    """A file with zeros in the middle is refused when it is opened."""
    plan = await to_thread.run_sync(planned, rows_of(500))
    async with opened(path, plan=plan):
        pass
    damaged = content(path)
    damaged[4096 * 5 : 4096 * 6] = bytes(4096)
    write(path, damaged)
    with pytest.raises(JournalError, match="the file is damaged"):
        async with opened(path, plan=plan):
            pass


@given(
    st.lists(st.sampled_from(list(Event)), max_size=12),
    st.sampled_from([(None, None), (-1, "no"), (None, "late")]),
)
@settings(deadline=None, max_examples=50)
def test_every_history_of_a_row(events: list[Event], said: tuple[int | None, str | None]) -> None:
    """After each step of whatever may happen to a row, the file has all of it."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "cards.journal", sqlite3.connect)
        store.open(make=True)
        store.begin_plan()
        store.plan(PLAN, "")
        store.finish_plan(HEADER)
        now, code, message = PLAN[1], *said
        for event in [Event.DISPATCHED, *events]:
            with suppress(ForbiddenTransition):
                now = advance(now, event, now=now.sends + 7, code=code, message=message)
            if now.state is RowState.ACCEPTED:
                now = replace(now, card_no="C", currency="USD", fee=Decimal(1))
            store.write([now])
            assert store.read((), after=0, limit=1) == [now]
        assert store.read((), after=-1, limit=9) == [PLAN[0], now, *PLAN[2:]]
        store.close()


async def test_a_plan_that_was_cut_short(path: Path) -> None:
    """An empty file, as a crash before the first commit leaves it, is a new journal."""
    write(path, b"")
    async with opened(path) as journal:
        assert await journal.counts() == {RowState.PLANNED: 5}
    assert mode(path) == 0o600


async def test_a_plan_is_there_as_a_whole_or_not_at_all(path: Path) -> None:
    """A crash while the rows are written leaves a new journal, not half of one."""

    class Cut(sqlite3.Connection):
        def execute(self, sql: str, parameters: Any = ()) -> sqlite3.Cursor:
            if sql.startswith("INSERT INTO digests"):
                raise sqlite3.OperationalError("cut short")
            return super().execute(sql, parameters)

    def connect(*args: Any, **settings: Any) -> sqlite3.Connection:
        return sqlite3.connect(*args, factory=Cut, **settings)

    with pytest.raises(JournalError, match="failed: cut short"):
        async with opened(path, connect=connect):
            pass
    async with opened(path) as journal:
        assert await journal.counts() == {RowState.PLANNED: 5}


async def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    """A place where no file can be made is named."""
    with pytest.raises(JournalError, match=r"cards\.journal\.lock cannot be made: No such file"):
        async with opened(tmp_path / "missing" / "cards.journal"):
            pass


async def test_a_place_that_is_a_folder(tmp_path: Path) -> None:
    """A folder in the place of the file is refused."""
    with pytest.raises(JournalError, match="cannot be written; change its permissions"):
        async with opened(tmp_path):
            pass


async def test_a_full_disk(path: Path) -> None:
    """When the disk is full nothing more is written, and every later call says so."""

    def connect(*args: Any, **settings: Any) -> sqlite3.Connection:
        db: sqlite3.Connection = sqlite3.connect(*args, **settings)
        db.execute("PRAGMA max_page_count=12")
        return db

    async with opened(path, connect=connect) as journal:
        journal.check()
        big = replace(intent(PLAN[0]), message="x" * 100_000)
        with pytest.raises(JournalError, match="the disk is full; make room"):
            await journal.commit([big])
        with pytest.raises(JournalError, match="the disk is full"):
            journal.check()
        with pytest.raises(JournalError, match="the disk is full"):
            await journal.commit([intent(PLAN[1])])
        with pytest.raises(JournalError, match="the disk is full"):
            await journal.flush()
    async with opened(path) as journal:
        assert await journal.counts() == {RowState.PLANNED: 5}


async def test_a_failed_record_shows_at_the_next_call(path: Path) -> None:
    """Nobody waits for a result to be written, but nothing goes on after it was not."""
    async with opened(path, connect=Connector(commits_left=0)) as journal:
        journal.record(intent(PLAN[0]))
        with pytest.raises(JournalError, match="disk I/O error"):
            await journal.flush()
        with pytest.raises(JournalError, match="disk I/O error"):
            journal.check()


async def test_a_cancelled_waiter_leaves_the_journal_usable(path: Path) -> None:
    """Whoever is cancelled while a commit goes on misses nothing but the news of it."""
    async with opened(path) as journal:
        with anyio.CancelScope() as scope:
            scope.cancel()
            await journal.commit([intent(PLAN[0])])
        assert scope.cancelled_caught
        assert await journal.counts() == {RowState.INTENT: 1, RowState.PLANNED: 4}


async def test_cancelled_at_the_opening(path: Path) -> None:
    """A run that is cancelled while it opens the journal lets go of it."""
    with anyio.CancelScope() as scope:
        scope.cancel()
        async with opened(path):
            pass
    assert scope.cancelled_caught
    async with opened(path):
        pass


def test_the_event_loop_goes_away(path: Path) -> None:
    """A commit that ends after its event loop is no less committed."""
    gate = threading.Event()

    class Slow(sqlite3.Connection):
        def execute(self, sql: str, *args: Any) -> sqlite3.Cursor:
            if sql.startswith("UPDATE rows"):
                gate.wait(10)
            return super().execute(sql, *args)

    def connect(*args: Any, **settings: Any) -> sqlite3.Connection:
        return sqlite3.connect(*args, factory=Slow, **settings)

    journal = SqliteJournal(path, connect=connect)

    async def abandon() -> None:
        await journal.open(HEADER, ListPlan(PLAN))
        with anyio.CancelScope() as scope:
            scope.cancel()
            await journal.commit([intent(PLAN[0])])

    async def go_on() -> None:
        gate.set()
        await journal.close()
        async with opened(path) as again:
            assert await again.counts() == {RowState.INTENT: 1, RowState.PLANNED: 4}

    anyio.run(abandon)
    anyio.run(go_on)


async def test_an_error_that_nobody_foresaw(path: Path) -> None:
    """An unexpected error reaches whoever asked, and the thread goes on."""

    class Broken(sqlite3.Connection):
        def execute(self, sql: str, *args: Any) -> sqlite3.Cursor:
            if "GROUP BY" in sql:
                raise MemoryError
            return super().execute(sql, *args)

    def connect(*args: Any, **settings: Any) -> sqlite3.Connection:
        return sqlite3.connect(*args, factory=Broken, **settings)

    async with opened(path, connect=connect) as journal:
        with pytest.raises(MemoryError):
            await journal.counts()
        assert await journal.read(ALL, after=3, limit=9) == PLAN[4:]


async def test_a_commit_that_nobody_foresaw(path: Path) -> None:
    """An unexpected error of a commit halts the job like any other: nobody waits for ever."""

    class Broken(sqlite3.Connection):
        def execute(self, sql: str, *args: Any) -> sqlite3.Cursor:
            if sql.startswith("UPDATE rows"):
                raise MemoryError
            return super().execute(sql, *args)

    def connect(*args: Any, **settings: Any) -> sqlite3.Connection:
        return sqlite3.connect(*args, factory=Broken, **settings)

    async with opened(path, connect=connect) as journal:
        with anyio.fail_after(20), pytest.raises(JournalError, match="failed: MemoryError"):
            await journal.commit([intent(PLAN[0])])
        with pytest.raises(JournalError, match="failed: MemoryError"):
            journal.check()
    async with opened(path) as again:
        assert await again.counts() == {RowState.PLANNED: 5}


async def test_permissions_that_cannot_be_changed(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A journal that others may read, and that cannot be made private, is refused."""
    async with opened(path):
        pass

    def chmod(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "chmod", chmod)
    with pytest.raises(JournalError, match="cannot be made private: Operation not permitted"):
        async with opened(path):
            pass
