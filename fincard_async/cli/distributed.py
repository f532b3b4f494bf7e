"""``fincard issue --postgres``: plan a job for any number of machines, queue it, and perhaps watch.

Nothing is sent from here: `fincard worker` does that. Ctrl-C only ends the watching.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Final, NoReturn

import anyio
import click

from fincard_async import FincardClient
from fincard_async.bulk import (
    BulkIssue,
    Estimate,
    Report,
    Results,
    RowResult,
    RowState,
    read_rows,
)
from fincard_async.bulk.chunks import AT_REST, plan_job
from fincard_async.bulk.pgqueuer import Line, enqueue
from fincard_async.bulk.postgres import Place, Planned, PostgresJobs, PostgresJournal

from .job import JobRun, counted, say_resume
from .output import json_line, plain, printable, say
from .progress import meter
from .settings import Setup, confirm, interrupts, on_loopback, run
from .summary import print_report, sums

LOOK_SECONDS: Final = 1.0
QUEUE_AGAIN_SECONDS: Final = 30.0
"""While somebody watches, what has dropped out of the queue is put back so often."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """A job that machines share, as it was asked for."""

    file: Path
    job: str
    place: Place
    chunk_rows: int
    queue: bool
    """Put the chunks into the queue of `fincard worker`; else another dispatcher does."""
    wait: float | None
    """Seconds to watch; None to go at once."""


def issue_shared(
    setup: Setup, how: Shared, *, yes: bool, report: Path | None, as_json: bool
) -> NoReturn:
    """Plan, queue, and with ``--wait`` watch and report."""
    client = setup.client()
    if not on_loopback(client):
        estimate = run(_estimate, setup, how)
        confirm(setup, _facts(client, estimate, how), yes=yes)
    planned = run(_plan, client, how)
    if how.wait is None:
        raise click.exceptions.Exit(0)
    outcome = JobRun(planned.rows)
    watched = run(_watch, client, planned, how)
    if watched:
        outcome.report = run(_report, how, report, as_json)
        print_report(outcome.report, err=as_json)
    say_resume(setup, outcome.exit_code)
    raise click.exceptions.Exit(outcome.exit_code)


async def _estimate(setup: Setup, how: Shared) -> Estimate:
    async with setup.client() as client:
        types = await client.cards.list_types()
        job = BulkIssue(client, journal=PostgresJournal(how.place), card_types=types)
        return await job.dry_run(read_rows(how.file), job=how.job, source=str(how.file))


def _facts(client: FincardClient, estimate: Estimate, how: Shared) -> Iterator[str]:
    yield f"Issue {estimate.rows:,} cards at {client.origin}, tenant {client.tenant_id}"
    yield f"  deposits  {sums(estimate.amounts.items())}"
    yield f"  job       {printable(how.job)}, planned in {how.place.name} for all workers there"


async def _plan(client: FincardClient, how: Shared) -> Planned:
    async with client:
        planned = await plan_job(
            client,
            how.place,
            read_rows(how.file),
            job=how.job,
            source=str(how.file),
            card_types=await client.cards.list_types(),
            chunk_rows=how.chunk_rows,
        )
    put = await _queue(client, planned, how)
    waiting = f", {put:,} of them queued now" if how.queue else ""
    job = printable(how.job)
    say(f"{job}: {planned.rows:,} rows in {planned.chunks:,} chunks{waiting}", err=True)
    if how.queue:
        say("  fincard worker --postgres ...   on any number of machines works at them", err=True)
    return planned


async def _queue(client: FincardClient, planned: Planned, how: Shared) -> int:
    if not how.queue:
        return 0
    async with PostgresJobs(how.place) as jobs:
        unfinished = await jobs.unfinished(planned)
    return await enqueue(how.place, Line(client.origin, client.tenant_id), how.job, unfinished)


async def _watch(client: FincardClient, planned: Planned, how: Shared) -> bool:
    """Show how far the job is until every row is at rest; False if somebody stopped watching."""
    assert how.wait is not None
    async with PostgresJobs(how.place) as jobs:
        with meter("Issuing", planned.rows) as shown, interrupts() as received:

            async def look() -> bool:
                counts = await jobs.counts(planned)
                halfway = counts.get(RowState.ACCEPTED, 0)
                done = sum(count for state, count in counts.items() if state.final)
                shown.update(done, counted(counts), halfway=halfway)
                return all(state in AT_REST for state in counts)

            async def keep_queued() -> None:
                while True:
                    await anyio.sleep(QUEUE_AGAIN_SECONDS)
                    await _queue(client, planned, how)

            ended = False
            async with anyio.create_task_group() as group:

                async def listen() -> None:
                    await anext(received)
                    group.cancel_scope.cancel()

                group.start_soon(listen)
                group.start_soon(keep_queued)
                with anyio.move_on_after(how.wait):
                    while True:
                        if await look():
                            break
                        await anyio.sleep(LOOK_SECONDS)
                ended = True
                group.cancel_scope.cancel()
    return ended


async def _report(how: Shared, target: Path | None, as_json: bool) -> Report:
    async with PostgresJobs(how.place) as jobs:
        planned = await jobs.find(how.job)
        if target is not None:
            made = target.with_name(f"{target.name}.tmp")
            with made.open("w", encoding="utf-8") as file:
                await _each_line(jobs, planned, lambda line: file.write(f"{line}\n"))
            made.replace(target)
        if as_json:
            await _each_line(jobs, planned, click.echo)
        report = await jobs.report(planned)

    def read(after: int, limit: int) -> Sequence[RowResult]:
        return run(_page, how, planned, after, limit)

    return replace(report, results=Results(read, planned.rows))


async def _page(how: Shared, planned: Planned, after: int, limit: int) -> Sequence[RowResult]:
    async with PostgresJobs(how.place) as jobs:
        return await jobs.page(planned, after, limit)


async def _each_line(jobs: PostgresJobs, planned: Planned, write: Callable[[str], object]) -> None:
    async for results in jobs.results(planned):
        for row in results:
            write(json_line(_values(row)))


def _values(row: RowResult) -> Mapping[str, object]:
    values = {field.name: plain(getattr(row, field.name)) for field in fields(row)}
    return {name: value for name, value in values.items() if value is not None}
