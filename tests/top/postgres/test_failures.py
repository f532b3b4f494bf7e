"""A database that fails: the run halts before the next send, says what to do, and loses nothing."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from fincard_async._sansio.secret import Secret
from fincard_async.bulk.entry import Entry, RowState
from fincard_async.bulk.postgres import Place, PostgresJournal
from fincard_async.bulk.postgres.schema import MIGRATIONS
from fincard_async.errors import ConfigError, JournalError, ValidationError

from .kit import HEADER, JOB, ListPlan, changed, entries_of, session
from .server import Server

pytest.importorskip("asyncpg")
pytestmark = [pytest.mark.anyio, pytest.mark.slow]

ROWS = entries_of(5)
AGAIN = "nothing was sent after this; run the same job again"


@asynccontextmanager
async def opened(url: str) -> AsyncGenerator[PostgresJournal]:
    """A journal of the whole job."""
    journal = PostgresJournal(url)
    await journal.open(HEADER, ListPlan(ROWS))
    try:
        yield journal
    finally:
        await journal.close()


def intent(entry: Entry) -> Entry:
    """The row about to be sent."""
    return changed(entry, state=RowState.INTENT, sends=1, first_sent_at=1, last_sent_at=1)


async def assert_halted(journal: PostgresJournal) -> None:
    """Nothing more is written, and everybody who asks is told."""
    for _ in range(2):
        with pytest.raises(JournalError):
            journal.check()
    journal.record(intent(ROWS[4]))
    with pytest.raises(JournalError):
        await journal.commit([intent(ROWS[4])])
    with pytest.raises(JournalError):
        await journal.read((), after=-1, limit=1)


@pytest.mark.parametrize("how", ["stop", "crash"])
async def test_the_server_restarts(server: Server, url: str, how: str) -> None:
    """What was committed is there after a restart in order and after a crash; the run halts."""
    async with opened(url) as journal:
        await journal.commit([intent(ROWS[0])])
        getattr(server, how)()
        try:
            with pytest.raises(JournalError, match=AGAIN):
                await journal.commit([intent(ROWS[1])])
            await assert_halted(journal)
        finally:
            server.start()
        with pytest.raises(JournalError):
            await journal.commit([intent(ROWS[1])])
    async with opened(url) as journal:
        assert await journal.counts() == {RowState.INTENT: 1, RowState.PLANNED: 4}


async def test_a_server_that_is_not_there(server: Server, url: str) -> None:
    """A server that cannot be reached is said to be so, by its place and without the URL."""
    server.stop()
    try:
        with pytest.raises(JournalError, match="the server cannot be reached") as caught:
            async with opened(url.replace("postgres@", "postgres:hush-hush@")):
                pass
        assert "hush" not in str(caught.value)
    finally:
        server.start()


@pytest.mark.parametrize("error", ["40001", "40P01", "53100", "57014", "23514", "XX001"])
async def test_a_write_that_the_server_refuses(url: str, error: str) -> None:
    """Serialization, deadlock, full disk, time-out, broken rule, damage: each halts the run."""
    async with opened(url) as journal:
        await journal.commit([intent(ROWS[0])])
        async with session(url) as other:
            await other.execute(
                "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
                f" $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '{error}'; END $$"
            )
            await other.execute(
                "CREATE TRIGGER refuse BEFORE UPDATE ON fincard.rows"
                " FOR EACH ROW EXECUTE FUNCTION refuse()"
            )
        journal.record(intent(ROWS[1]))
        with pytest.raises(JournalError, match=AGAIN):
            await journal.commit([intent(ROWS[2])])
        async with session(url) as other:
            await other.execute("DROP TRIGGER refuse ON fincard.rows")
        await assert_halted(journal)
    async with opened(url) as journal:
        assert await journal.counts() == {RowState.INTENT: 1, RowState.PLANNED: 4}


async def test_a_server_that_does_not_answer(url: str) -> None:
    """A write that hangs is given up before the lease is over."""
    journal = PostgresJournal(url, lease=0.6)
    await journal.open(HEADER, ListPlan(ROWS))
    async with session(url) as other:
        await other.execute("BEGIN; LOCK TABLE fincard.rows IN EXCLUSIVE MODE")
        with pytest.raises(JournalError, match="the server does not answer"):
            await journal.commit([intent(ROWS[0])])
    await assert_halted(journal)
    await journal.close()


async def test_a_plan_that_the_server_refuses(url: str) -> None:
    """A plan is there as a whole or not at all, also when its last statement fails."""
    async with opened(url):
        pass
    with pytest.raises(JournalError, match="an order number is in another job"):
        await PostgresJournal(url).open(
            msgspec.structs.replace(HEADER, job="other"),
            ListPlan([*entries_of(3, "other"), changed(ROWS[0], seq=3)]),
        )
    async with session(url) as other:
        assert await other.fetchval("SELECT count(*) FROM fincard.jobs") == 1
        assert await other.fetchval("SELECT count(*) FROM fincard.rows") == 5


async def test_rows_with_secrets_are_refused(url: str) -> None:
    """A row that needs a card number is not for a shared journal, and nothing is planned."""
    plan = ListPlan([*ROWS[:4], changed(ROWS[4], withheld="card_number")])
    with pytest.raises(ValidationError, match=r"'row-4' needs card_number.* one machine"):
        await PostgresJournal(url).open(HEADER, plan)
    async with session(url) as other:
        assert await other.fetchval("SELECT count(*) FROM fincard.jobs") == 0


async def test_commits_are_durable_whatever_the_role_says(url: str) -> None:
    """A role or database that was made quick is made safe again for the session."""
    async with session(url) as other:
        name = await other.fetchval("SELECT current_database()")
        await other.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
        await other.execute(
            f"ALTER DATABASE {name} SET default_transaction_isolation = serializable"
        )
    async with session(url) as other:
        assert await other.fetchval("SHOW synchronous_commit") == "on"
        assert await other.fetchval("SHOW transaction_isolation") == "read committed"


async def test_a_server_that_does_not_sync(server: Server, url: str) -> None:
    """A server whose commits survive nothing is refused, with the setting to change."""
    server.stop()
    server.start("fsync=off")
    try:
        with pytest.raises(JournalError, match=r"runs with fsync = off.* must be on"):
            await PostgresJournal(url).open(HEADER, ListPlan(ROWS))
    finally:
        server.stop()
        server.start()


async def test_tables_of_a_later_version(url: str) -> None:
    """Tables that a later version has changed are left alone."""
    async with opened(url):
        pass
    async with session(url) as other:
        later = len(MIGRATIONS) + 1
        await other.execute("INSERT INTO fincard.migrations VALUES ($1)", later)
    with pytest.raises(JournalError, match=f"format {later}.* reads up to {later - 1}"):
        async with opened(url):
            pass


@pytest.mark.parametrize("change", ["state = 'nowhere'", "reason = 'none'", "code = '{'"])
async def test_values_that_mean_nothing(url: str, change: str) -> None:
    """A value that no journal holds is damage, and not a guess."""
    async with opened(url):
        pass
    async with session(url) as other:
        await other.execute(f"UPDATE fincard.rows SET {change} WHERE seq = 0")
    async with opened(url) as journal:
        with pytest.raises(JournalError, match="holds a value that no journal holds"):
            await journal.read((), after=-1, limit=9)


@pytest.mark.parametrize(
    "wrong", ["", "cards.journal", "mysql://a:hush@b/c", "postgresql://u:hush@h:port/db"]
)
def test_a_url_that_is_none(wrong: str) -> None:
    """What is no URL of PostgreSQL is refused without being quoted."""
    with pytest.raises(ConfigError, match="must begin with postgresql://") as caught:
        PostgresJournal(wrong)
    assert "hush" not in str(caught.value)


def test_a_url_does_not_print() -> None:
    """Neither the place nor the journal shows a password."""
    place = Place("postgresql://user:hush@db.example:5433/cards?password=hush")
    assert repr(place) == "Place(db.example:5433/cards)"
    for thing in (
        place,
        PostgresJournal(place),
        PostgresJournal(Secret("postgresql://u:hush@h/d")),
    ):
        assert "hush" not in repr(thing)
        assert "hush" not in str(vars(thing) if hasattr(thing, "__dict__") else thing)


_WITHOUT = """
import sys
sys.modules["asyncpg"] = None
import anyio
from fincard_async.bulk.postgres import Place
from fincard_async.errors import MissingExtraError
try:
    anyio.run(Place("postgresql://h/d").connect)
except MissingExtraError as error:
    assert "fincard-async[postgres]" in str(error)
    print("said so")
"""


def test_without_the_extra() -> None:
    """The package imports without asyncpg, and names the extra when it is needed."""
    done = subprocess.run(
        [sys.executable, "-c", _WITHOUT],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[3],
    )
    assert done.stdout == "said so\n", done.stderr


@pytest.mark.parametrize("anyio_backend", ["trio"])
async def test_another_event_loop(url: str) -> None:
    """asyncpg knows asyncio only, and that is said before anything is opened."""
    with pytest.raises(ConfigError, match="needs asyncio"):
        await PostgresJournal(url, job=JOB).attach()
