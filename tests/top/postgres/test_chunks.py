"""Chunks: run from anywhere, by two at once, and by a worker that sleeps at the worst moment."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from fincard_async import FincardClient, RetryPolicy
from fincard_async._generated.models.common import OperationType
from fincard_async.bulk import (
    Decision,
    GuardTripped,
    InputError,
    IssueRow,
    OperationRow,
    Reason,
    RowState,
    resolve,
)
from fincard_async.bulk.chunks import ChunkReport, plan_job, run_chunk
from fincard_async.bulk.postgres import PostgresJobs, PostgresJournal
from fincard_async.errors import (
    JournalError,
    JournalLocked,
    ValidationError,
)
from fincard_async.sandbox.catalog import PREPAID
from tests.top.bulk.kit import World, number_of, rows_of, states, total, world_in

from .kit import JOB, changed
from .test_lease import expire

pytest.importorskip("asyncpg")
pytestmark = [pytest.mark.anyio, pytest.mark.slow]

ROWS = rows_of(7)
LEASE = 0.6


@pytest.fixture
async def world(tmp_path: Path, anyio_backend: str) -> AsyncIterator[World]:
    """A sandbox that answers with the final state at once."""
    async with world_in(tmp_path) as world:
        yield world


async def planned(world: World, url: str, rows: list[IssueRow] = ROWS, **settings: Any) -> int:
    """Plan the job of these tests; how many chunks it has."""
    settings = {"job": JOB, "chunk_rows": 3, **settings}
    return (await plan_job(world.client, url, rows, **settings)).chunks


async def run(world: World, url: str, chunk: int, **settings: Any) -> ChunkReport:
    """Run a chunk."""
    client: FincardClient = settings.pop("client", world.client)
    return await run_chunk(client, url, job=JOB, chunk=chunk, **settings)


async def test_all_chunks_make_the_job(world: World, url: str) -> None:
    """Chunk after chunk in any order issues every row once, and running them again does nothing."""
    assert await planned(world, url) == 3
    for chunk in (2, 0, 1):
        report = await run(world, url, chunk)
        assert report.at_rest
        assert report.rows.ok
    world.assert_exact(ROWS)
    sent = list(world.wire.orders)
    for chunk in range(3):
        assert (await run(world, url, chunk)).at_rest
    assert world.wire.orders == sent
    async with PostgresJobs(url) as jobs:
        found = await jobs.find(JOB)
        assert await jobs.unfinished(found) == []
        assert (await jobs.report(found)).received == {"USD": total(ROWS)}
        assert [row.row_id async for page in jobs.results(found) for row in page] == [
            row.row_id for row in ROWS
        ]
        (state,) = await jobs.all()
        assert (state.rows, state.chunks, state.working) == (7, 3, 0)
        assert state.counts == {RowState.ISSUED: 7}


async def test_a_whole_job_is_the_same_job(world: World, url: str) -> None:
    """``BulkIssue`` goes on with what chunks have begun, and the other way round."""
    from fincard_async.bulk import BulkIssue

    await planned(world, url)
    await run(world, url, 1)
    job = BulkIssue(world.client, journal=PostgresJournal(url))
    report = await job.run(ROWS, job=JOB)
    assert states(report) == {RowState.ISSUED: 7}
    world.assert_exact(ROWS)
    assert len(world.wire.orders) == 7


class Sleeper:
    """In the place of a shared rate: the process is paused while the first order waits in it."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.thief = PostgresJournal(url, job=JOB, chunk=0)
        self.slept = False

    async def acquire(self, deadline: float) -> None:
        if not self.slept:
            self.slept = True
            time.sleep(LEASE)  # noqa: ASYNC251, TID251 - nothing in this process goes on meanwhile
            await self.thief.attach()


async def test_paused_before_the_last_check(world: World, url: str) -> None:
    """A worker that slept through its lease after its intents were durable sends none of them."""
    await planned(world, url)
    sleeper = Sleeper(url)
    with pytest.raises(JournalError):
        await run(world, url, 0, rate=sleeper, lease=LEASE)
    assert world.wire.orders == []
    assert await sleeper.thief.counts() == {RowState.INTENT: 3}
    await sleeper.thief.close()
    assert (await run(world, url, 0)).rows.ok
    world.assert_exact(ROWS[:3])


@pytest.mark.parametrize("dedupe", ["error", "replay", "none"])
async def test_paused_after_the_last_check(tmp_path: Path, url: str, dedupe: Any) -> None:
    """The one window: two may send the same number, and there is one order for each row."""
    async with world_in(tmp_path, dedupe=dedupe) as world:
        client = world.client.with_options(retry=RetryPolicy(dedupe=dedupe))
        await planned(world, url, chunk_rows=1)
        reports: list[ChunkReport] = []

        async def hold(_: str) -> None:
            world.wire.hold = unheld
            await expire(url, 0)
            reports.append(await run(world, url, 0, client=client))

        unheld, world.wire.hold = world.wire.hold, hold
        with pytest.raises(JournalError):
            await run(world, url, 0, client=client, lease=1000)
        world.assert_exact(ROWS[:1])
        again = await run(world, url, 0, client=client)
        assert again.rows.ok
        world.assert_exact(ROWS[:1])
        assert max(world.wire.attempts.values()) == (1 if dedupe == "none" else 2)
        assert reports[0].at_rest == (dedupe != "none")


async def test_two_at_once(world: World, url: str) -> None:
    """The second caller of a chunk is told who holds it, and sends nothing."""
    await planned(world, url)
    told: list[str] = []

    async def hold(_: str) -> None:
        world.wire.hold = unheld
        with pytest.raises(JournalLocked, match="held by") as caught:
            await run(world, url, 0)
        told.append(str(caught.value))

    unheld, world.wire.hold = world.wire.hold, hold
    assert (await run(world, url, 0)).rows.ok
    assert len(told) == 1
    world.assert_exact(ROWS[:3])


async def test_a_job_of_another_server(world: World, url: str) -> None:
    """A client of another tenant is refused before anything is sent."""
    await planned(world, url)
    async with world_in(Path("unused"), tenant_id="other") as other:
        with pytest.raises(JournalError, match="another tenant"):
            await run(other, url, 0)
        assert other.wire.orders == []
        with pytest.raises(JournalError, match="another tenant"):
            await planned(other, url)


async def test_planning_again(world: World, url: str) -> None:
    """The same rows plan the same job; others are refused; guards and faults leave nothing."""
    with pytest.raises(GuardTripped):
        await planned(world, url, max_rows=6)
    with pytest.raises(InputError):
        await planned(world, url, [*ROWS, ROWS[0]])
    async with PostgresJobs(url) as jobs:
        assert await jobs.all() == []
    assert await planned(world, url) == 3
    assert await planned(world, url) == 3
    with pytest.raises(JournalError, match="belongs to other rows"):
        await planned(world, url, rows_of(7, "60"))


async def test_rows_about_one_card_keep_their_order(world: World, url: str) -> None:
    """A chunk whose rows wait for rows of another chunk sends nothing until those are final."""
    opened = await world.client.cards.open(card_type_id=PREPAID, amount="50")
    rows = [
        OperationRow(row_id=f"d{n}", values={"card_no": opened.card_no, "amount": f"{10 + n}"})
        for n in range(4)
    ]
    planned = await plan_job(world.client, url, rows, job=JOB, kind="deposit", chunk_rows=2)
    assert planned.chunks == 2
    early = await run(world, url, 1)
    assert early.counts[RowState.PLANNED] == 2
    assert not early.at_rest
    for chunk in (0, 1):
        assert (await run(world, url, chunk)).rows.ok
    found = await world.client.transactions.operations(type=OperationType.DEPOSIT).collect()
    assert [record.amount for record in reversed(found)] == [10, 11, 12, 13]


async def test_a_parked_row_is_decided(world: World, url: str) -> None:
    """A decision is fed into the shared journal while nobody holds the rows, and only then."""
    await planned(world, url)
    journal = PostgresJournal(url, job=JOB, chunk=0)
    await journal.attach()
    (entry,) = await journal.read((), after=-1, limit=1)
    parked = changed(entry, state=RowState.PARKED, reason=Reason.ABSENT, sends=1, ended_at=1)
    await journal.commit([parked])
    decision = Decision(row_id=entry.row_id, decision="failed", evidence="ticket 7")
    with pytest.raises(JournalLocked):
        await resolve(PostgresJournal(url, job=JOB), [decision])
    await journal.close()
    (decided,) = await resolve(PostgresJournal(url, job=JOB), [decision])
    assert decided.state is RowState.FAILED
    assert (await run(world, url, 0)).counts[RowState.FAILED] == 1
    world.assert_exact(ROWS[1:3])


async def test_what_cannot_be_undone(world: World, url: str) -> None:
    """A job of cancellations needs a person's word."""
    with pytest.raises(ValidationError, match="cancel cannot be undone"):
        await planned(world, url, [], kind="cancel")


async def test_an_order_number_in_the_row(world: World, url: str) -> None:
    """A chunk derives nothing: it sends the numbers that were planned."""
    await planned(world, url)
    await run(world, url, 2)
    assert world.wire.orders == [number_of(ROWS[6])]
