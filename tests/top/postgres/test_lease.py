"""Who may work at which rows: locks, leases and epochs, and a worker that wakes up late."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from fincard_async.bulk.entry import Entry, RowState
from fincard_async.bulk.postgres import PostgresJournal
from fincard_async.bulk.postgres.lease import boot_time
from fincard_async.errors import JournalError, JournalLocked

from .kit import HEADER, JOB, ListPlan, changed, entries_of, session

pytest.importorskip("asyncpg")
pytestmark = [pytest.mark.anyio, pytest.mark.slow]

ROWS = entries_of(10)


@pytest.fixture
async def planned(url: str) -> str:
    """A job of ten rows in four chunks."""
    journal = PostgresJournal(url, chunk_rows=3)
    await journal.open(HEADER, ListPlan(ROWS))
    await journal.close()
    return url


@asynccontextmanager
async def held(url: str, chunk: int | None, **settings: Any) -> AsyncGenerator[PostgresJournal]:
    """A journal that holds a chunk."""
    journal = PostgresJournal(url, job=JOB, chunk=chunk, **settings)
    await journal.attach()
    try:
        yield journal
    finally:
        await journal.close()


def intent(entry: Entry) -> Entry:
    """The row about to be sent."""
    return changed(entry, state=RowState.INTENT, sends=1, first_sent_at=1, last_sent_at=1)


class Watch:
    """A clock that a test moves, on top of the machine's own."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return boot_time() + self.ahead


async def end_sessions(url: str) -> None:
    """What a router that forgets its connections does: sessions end, and the clients hear late."""
    async with session(url) as other:
        await other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            " AND backend_type = 'client backend'"
        )


async def expire(url: str, chunk: int) -> None:
    """Let the lease of a chunk run out without waiting for it."""
    async with session(url) as other:
        await other.execute(
            "UPDATE fincard.chunks SET lease_until = clock_timestamp() - interval '1 second'"
            " WHERE chunk = $1",
            chunk,
        )


async def test_a_chunk_sees_its_own_rows_only(planned: str) -> None:
    """Reading, finding, counting and writing end at the borders of the chunk."""
    async with held(planned, 1) as journal:
        assert journal.span == (3, 5)
        assert await journal.read((), after=-1, limit=99) == ROWS[3:6]
        assert await journal.read((), after=-1, limit=99, until=4) == ROWS[3:5]
        assert await journal.find([row.order_no for row in ROWS]) == ROWS[3:6]
        assert await journal.counts() == {RowState.PLANNED: 3}
        with pytest.raises(JournalError, match="rows are missing"):
            await journal.commit([intent(ROWS[6])])
    async with held(planned, 3) as journal:
        assert journal.span == (9, 9)
        assert await journal.read((), after=-1, limit=99) == ROWS[9:]


async def test_chunks_are_worked_at_the_same_time(planned: str) -> None:
    """Two chunks have two holders; one chunk has one, and the other is told who."""
    async with held(planned, 0) as one, held(planned, 1) as other:
        await one.commit([intent(ROWS[0])])
        await other.commit([intent(ROWS[3])])
        with pytest.raises(JournalLocked, match=r"held by .*, process \d+"):
            async with held(planned, 1):
                pass
    async with held(planned, 1) as journal:
        assert await journal.counts() == {RowState.INTENT: 1, RowState.PLANNED: 2}


async def test_the_whole_job_excludes_its_chunks(planned: str) -> None:
    """Who holds the whole job holds every chunk, and the other way round."""
    async with held(planned, None) as journal:
        assert journal.span == (0, 9)
        with pytest.raises(JournalLocked, match="held by"):
            async with held(planned, 2):
                pass
    async with held(planned, 2), held(planned, 0):
        with pytest.raises(JournalLocked, match="held by"):
            async with held(planned, None):
                pass
    async with held(planned, None):
        pass


@pytest.mark.parametrize("late", [None, 1])
@pytest.mark.parametrize("early", [None, 1])
async def test_a_worker_that_was_taken_over_cannot_write(
    planned: str, late: int | None, early: int | None
) -> None:
    """After the session is lost and another has the rows, nothing is written by the first."""
    first = PostgresJournal(planned, job=JOB, chunk=early)
    await first.attach()
    await first.commit([intent(ROWS[3])])
    await end_sessions(planned)
    async with held(planned, late) as second:
        with pytest.raises(JournalError):
            await first.commit([intent(ROWS[4])])
        with pytest.raises(JournalError):
            first.check()
        assert await second.counts(after=2, until=5) == {RowState.INTENT: 1, RowState.PLANNED: 2}
    await first.close()


async def test_the_epoch_alone_keeps_a_late_writer_out(planned: str) -> None:
    """Even a session that lives on, lock and all, writes nothing under an old epoch."""
    async with held(planned, 1) as late:
        async with session(planned) as other:
            await other.execute(
                "UPDATE fincard.chunks SET epoch = epoch + 1, holder = 'elsewhere' WHERE chunk = 1"
            )
        with pytest.raises(JournalLocked, match="taken over by elsewhere; nothing was written"):
            await late.commit([intent(ROWS[3])])
        with pytest.raises(JournalLocked, match="taken over"):
            late.check()
        with pytest.raises(JournalLocked, match="taken over"):
            await late.flush()
    async with held(planned, 1) as journal:
        assert await journal.counts() == {RowState.PLANNED: 3}


async def test_a_write_that_waits_for_a_takeover_is_kept_out(planned: str) -> None:
    """A write that meets an epoch that is just being raised waits for its end, and then fails."""
    async with held(planned, 1) as late, session(planned) as other, session(planned) as third:
        await other.execute("BEGIN")
        await other.execute("UPDATE fincard.chunks SET epoch = epoch + 1 WHERE chunk = 1")

        async def write() -> None:
            with pytest.raises(JournalLocked, match="taken over"):
                await late.commit([intent(ROWS[3])])

        async with anyio.create_task_group() as group:
            group.start_soon(write)
            waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            with anyio.fail_after(10):
                while not await third.fetchval(waiting):
                    """The write is on its way."""
            await other.execute("COMMIT")
    async with held(planned, 1) as journal:
        assert await journal.counts() == {RowState.PLANNED: 3}


async def test_a_lease_that_ran_out_is_taken(planned: str) -> None:
    """The session of a worker that gave no sign of life is ended, and its rows go on."""
    paused = PostgresJournal(planned, job=JOB, chunk=1, lease=1000)
    await paused.attach()
    await expire(planned, 1)
    async with held(planned, 1) as journal:
        with pytest.raises(JournalError, match=r"connection broke|ended the session"):
            await paused.commit([intent(ROWS[3])])
        assert await journal.counts() == {RowState.PLANNED: 3}
    await paused.close()


async def test_only_the_one_whose_lease_ran_out_is_ended(planned: str) -> None:
    """Who wants the whole job ends no session of a worker that lives."""
    async with held(planned, 0, lease=1000) as alive:
        gone = PostgresJournal(planned, job=JOB, chunk=1, lease=1000)
        await gone.attach()
        await expire(planned, 1)
        with pytest.raises(JournalLocked, match="held by"):
            async with held(planned, None):
                pass
        await alive.commit([intent(ROWS[0])])
    async with held(planned, None):
        pass
    await gone.close()


async def test_a_session_of_another_time_says_nothing(planned: str) -> None:
    """A worker whose session has the number of one that is long dead is not taken for dead."""
    async with held(planned, 1, lease=1000) as alive:
        async with session(planned) as other:
            await other.execute(
                "UPDATE fincard.chunks SET lease_until = clock_timestamp() - interval '1 day',"
                " pid = (SELECT pid FROM fincard.chunks WHERE chunk = 1) WHERE chunk = 0"
            )
        with pytest.raises(JournalLocked, match="held by"):
            async with held(planned, None):
                pass
        await alive.commit([intent(ROWS[3])])


async def epochs(url: str) -> list[int]:
    """The epochs of the whole job and of its chunks."""
    async with session(url) as other:
        found = await other.fetch("SELECT epoch FROM fincard.chunks ORDER BY chunk")
    return [epoch for (epoch,) in found]


async def test_everyone_who_takes_rows_raises_their_epochs(planned: str) -> None:
    """Of a chunk, its own and the whole job's; of the whole job, all."""
    before = await epochs(planned)
    async with held(planned, 1):
        pass
    assert await epochs(planned) == [n + up for n, up in zip(before, (1, 0, 1, 0, 0), strict=True)]
    async with held(planned, None):
        pass
    assert await epochs(planned) == [n + up for n, up in zip(before, (2, 1, 2, 1, 1), strict=True)]


async def test_a_process_that_was_held_up_halts(planned: str) -> None:
    """Two thirds of the lease without a write, by a clock that runs while asleep, end the run."""
    watch = Watch()
    async with held(planned, 1, lease=300, clock=watch) as journal:
        journal.check()
        watch.ahead = 199
        journal.check()
        await journal.flush()
        watch.ahead += 199
        journal.check()
        watch.ahead += 2
        with pytest.raises(JournalError, match="did not answer, for 200 s"):
            journal.check()
        with pytest.raises(JournalError, match="was held up"):
            await journal.commit([intent(ROWS[3])])
    async with held(planned, 1) as journal:
        assert await journal.counts() == {RowState.PLANNED: 3}


async def test_a_journal_that_only_waits_keeps_its_lease(planned: str) -> None:
    """When nothing is written for long, the lease is put off all the same."""
    async with held(planned, 1, lease=0.8) as journal, session(planned) as other:
        sql = "SELECT lease_until FROM fincard.chunks WHERE chunk = 1"
        first = latest = await other.fetchval(sql)
        while (latest - first).total_seconds() < 1.0:
            latest = await other.fetchval(sql)
        journal.check()


async def test_who_waits_is_not_told_twice(planned: str) -> None:
    """Letting go in order leaves no lease behind that somebody would have to wait for."""
    async with held(planned, 1, lease=1000):
        pass
    async with session(planned) as other:
        left = await other.fetchval("SELECT count(*) FROM fincard.chunks WHERE pid IS NOT NULL")
    assert left == 0


@pytest.mark.parametrize("chunk", [4, 99])
async def test_a_chunk_that_is_not_there(planned: str, chunk: int) -> None:
    """A number beyond the last chunk is refused."""
    with pytest.raises(JournalError, match=f"the job has no chunk {chunk}"):
        async with held(planned, chunk):
            pass


async def test_a_job_that_is_not_there(planned: str) -> None:
    """``attach`` plans nothing, and says so."""
    journal = PostgresJournal(planned, job="other", chunk=0)
    with pytest.raises(JournalError, match="has no job 'other'; plan it first"):
        await journal.attach()
