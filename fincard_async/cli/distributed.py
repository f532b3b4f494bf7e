"""Bulk commands with ``--postgres``: plan a job for any number of machines, queue it, and watch.

Nothing is sent from here: `fincard worker` does that. Ctrl-C only ends the watching.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Final, NoReturn

import anyio
import click

from fincard_async import FincardClient
from fincard_async.bulk import (
    BulkOperation,
    Estimate,
    Report,
    ReportFile,
    Results,
    RowResult,
    RowState,
    resolve,
)
from fincard_async.bulk.chunks import AT_REST, plan_job
from fincard_async.bulk.kinds import PERMANENT, BulkKind
from fincard_async.bulk.pgqueuer import Line, enqueue
from fincard_async.bulk.planning import Rows
from fincard_async.bulk.postgres import Place, Planned, PostgresJobs, PostgresJournal
from fincard_async.bulk.report_file import line_of

from .bulk_options import BulkOptions
from .job import TITLES, JobRun, counted, say_resume
from .output import number_of, printable, say
from .parked import read_decisions, write_parked
from .postgres import was_given
from .progress import meter
from .settings import Setup, confirm, interrupts, on_loopback, run
from .summary import print_report

LOOK_SECONDS: Final = 1.0
QUEUE_AGAIN_SECONDS: Final = 30.0
"""While somebody watches, what has dropped out of the queue is put back so often."""
_OF_WORKERS: Final = ("concurrency", "deadline", "dedupe", "resend_after_drain")

Facts = Callable[[FincardClient, Estimate], Iterable[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedJob:
    """What shall be done, and where it is kept."""

    kind: BulkKind
    rows: Callable[[], Rows]
    """The rows, read anew each time."""
    source: str
    place: Place


def work_shared(setup: Setup, job: SharedJob, options: BulkOptions, facts: Facts) -> NoReturn:
    """Plan, queue, and with ``--wait`` watch and report; ends the command with its exit code."""
    _check(options)
    if options.resolve is not None:
        journal = PostgresJournal(job.place, job=options.job)
        decided = run(resolve, journal, read_decisions(options.resolve))
        say(f"{len(decided)} decisions taken from {options.resolve}", err=True)
    client = setup.client()
    if job.kind in PERMANENT or not on_loopback(client):
        estimate = run(_estimate, setup, job, options)
        word = str(estimate.rows) if job.kind in PERMANENT else None
        lines = [*facts(client, estimate), f"  job       {options.job}, in {job.place.name}"]
        confirm(setup, lines, yes=options.yes, word=word)
    planned = run(_plan, client, job, options)
    if not was_given("wait"):
        raise click.exceptions.Exit(0)
    outcome = JobRun()
    if run(_watch, client, planned, job, options):
        outcome.report = run(_report, job, planned)
        _show(outcome.report, options)
    say_resume(setup, outcome.exit_code)
    raise click.exceptions.Exit(outcome.exit_code)


def _check(options: BulkOptions) -> None:
    if options.journal is not None:
        raise click.UsageError("a job has one journal: --journal or --postgres")
    for name in _OF_WORKERS:
        if was_given(name):
            option = f"--{name.replace('_', '-')}"
            raise click.UsageError(f"with --postgres nothing is sent from here: no {option}")


async def _estimate(setup: Setup, job: SharedJob, options: BulkOptions) -> Estimate:
    async with setup.client() as client:
        types = await client.cards.list_types() if job.kind == "open" else []
        bulk = BulkOperation(
            client,
            kind=job.kind,
            journal=PostgresJournal(job.place),
            card_types=types,
            max_rows=options.max_rows,
            max_total=options.total,
            confirm=lambda _: False,
        )
        return await bulk.dry_run(job.rows(), job=options.job, source=job.source)


async def _plan(client: FincardClient, job: SharedJob, options: BulkOptions) -> Planned:
    async with client:
        planned = await plan_job(
            client,
            job.place,
            job.rows(),
            job=options.job,
            kind=job.kind,
            confirmed=True,
            source=job.source,
            card_types=await client.cards.list_types() if job.kind == "open" else None,
            chunk_rows=options.chunk_rows,
            max_rows=options.max_rows,
            max_total=options.total,
        )
    name = printable(options.job)
    text = f"{name}: {number_of('row', planned.rows)} in {number_of('chunk', planned.chunks)}"
    if options.no_queue:
        say(text, err=True)
        return planned
    put = await _queue(client, planned, job)
    say(f"{text}, {put:,} of them queued now", err=True)
    say("  fincard worker --postgres ...   on any number of machines works at them", err=True)
    return planned


async def _queue(client: FincardClient, planned: Planned, job: SharedJob) -> int:
    async with PostgresJobs(job.place) as jobs:
        unfinished = await jobs.unfinished(planned)
    line = Line(client.origin, client.tenant_id)
    return await enqueue(job.place, line, planned.header.job, unfinished)


async def _watch(
    client: FincardClient, planned: Planned, job: SharedJob, options: BulkOptions
) -> bool:
    """Show how far the job is until every row is at rest; False if somebody stopped watching."""
    ended = False
    async with PostgresJobs(job.place) as jobs:
        with ExitStack() as stack:
            shown = stack.enter_context(meter(TITLES[job.kind], planned.rows))
            received = stack.enter_context(interrupts())
            async with anyio.create_task_group() as group:

                async def listen() -> None:
                    await anext(received)
                    group.cancel_scope.cancel()

                async def keep_queued() -> None:
                    while not options.no_queue:
                        await anyio.sleep(QUEUE_AGAIN_SECONDS)
                        await _queue(client, planned, job)

                group.start_soon(listen)
                group.start_soon(keep_queued)
                with anyio.move_on_after(options.wait):
                    while True:
                        counts = dict.fromkeys(RowState, 0) | await jobs.counts(planned)
                        done = sum(count for state, count in counts.items() if state.final)
                        note = counted(counts, kind=job.kind)
                        shown.update(done, note, halfway=counts[RowState.ACCEPTED])
                        if all(state in AT_REST for state, count in counts.items() if count):
                            break
                        await anyio.sleep(LOOK_SECONDS)
                ended = True
                group.cancel_scope.cancel()
    return ended


async def _report(job: SharedJob, planned: Planned) -> Report:
    async with PostgresJobs(job.place) as jobs:
        report = await jobs.report(planned)

    def read(after: int, limit: int) -> Sequence[RowResult]:
        return run(_page, job, planned, after, limit)

    return replace(report, results=Results(read, planned.rows))


async def _page(job: SharedJob, planned: Planned, after: int, limit: int) -> Sequence[RowResult]:
    async with PostgresJobs(job.place) as jobs:
        return await jobs.page(planned, after, limit)


def _show(report: Report, options: BulkOptions) -> None:
    if options.report is not None:
        with ReportFile(options.report, options.job) as file:
            file.complete(report.results)
    if options.parked is not None:
        count = write_parked(options.parked, report.results)
        say(f"{number_of('parked row', count)} written to {options.parked}", err=True)
    if options.as_json:
        for row in report.results:
            text = line_of(report.job, row).decode()
            click.echo(text if text.isprintable() else printable(text))
    print_report(report, err=options.as_json)
