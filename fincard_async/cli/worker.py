"""``fincard worker`` and ``fincard jobs``: work at the chunks of shared jobs, and look at them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import anyio
import click
from rich.table import Table

from fincard_async import FincardClient
from fincard_async.bulk import EngineSettings, RowState
from fincard_async.bulk.chunks import ChunkReport
from fincard_async.bulk.pgqueuer import ChunkName, check_extra
from fincard_async.bulk.postgres import JobState, Place, PostgresJobs, SharedRate
from fincard_async.bulk.windows import Dedupe
from fincard_async.bulk.worker import run_worker
from fincard_async.errors import FincardError

from .advice import FAILED, OK
from .job import counted
from .output import console, printable, say
from .postgres import postgres_option
from .settings import Setup, confirm, interrupts, on_loopback, pass_setup, run, yes_option


@click.command(short_help="Work at the jobs that were planned with --postgres.")
@postgres_option(required=True)
@click.option(
    "--concurrency",
    type=click.IntRange(2, 1000),
    default=8,
    show_default=True,
    help="Most rows under way at once on this machine.",
)
@click.option(
    "--rate",
    type=click.FloatRange(min=0, min_open=True),
    metavar="N",
    help="Most calls per second of all workers together; give the same to each.",
)
@click.option(
    "--dedupe",
    type=click.Choice(["error", "replay", "none"]),
    help="What the server does with a repeated order number; none: send each row once.",
)
@click.option("--until-empty", is_flag=True, help="End when no chunk waits any more.")
@yes_option
@pass_setup
def worker(
    setup: Setup,
    place: Place,
    concurrency: int,
    rate: float | None,
    dedupe: Dedupe | None,
    until_empty: bool,
    yes: bool,
) -> None:
    """Work at jobs that were planned by `fincard issue --postgres`, on any number of machines.

    Ctrl-C or SIGTERM takes nothing new, waits for the rows in flight and hands the rest back; once
    more stops at once. Nothing is lost either way, nor by a machine that dies.
    """
    check_extra()
    client = setup.client()
    if not on_loopback(client):
        confirm(setup, _facts(client, place, concurrency, rate), yes=yes)
    settings = EngineSettings(concurrency=concurrency, final_timeout=30.0, dedupe=dedupe)
    code = run(_work, client, place, settings, rate, until_empty)
    raise click.exceptions.Exit(code)


def _facts(
    client: FincardClient, place: Place, concurrency: int, rate: float | None
) -> Sequence[str]:
    limit = "" if rate is None else f", {rate:g} calls per second with all others"
    return (
        f"Work at whatever is planned in {place.name} for {client.origin},"
        f" tenant {client.tenant_id}",
        f"  {concurrency} rows at once{limit}",
    )


async def _work(
    client: FincardClient,
    place: Place,
    settings: EngineSettings,
    rate: float | None,
    until_empty: bool,
) -> int:
    stop = anyio.Event()
    shared = None
    if rate is not None:
        name = f"{client.origin} {client.tenant_id}"
        shared = SharedRate(place, name=name, rate=rate, burst=max(1, int(rate / 10)))
    say(f"working at jobs in {place.name} for {client.origin}", err=True)
    reason: str | None = None
    async with client:
        with interrupts() as received:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_listen, received, stop, tasks.cancel_scope)
                reason = await run_worker(
                    client,
                    place,
                    stop=stop,
                    settings=settings,
                    rate=shared,
                    until_empty=until_empty,
                    told=_tell,
                )
                tasks.cancel_scope.cancel()
    if shared is not None:
        await shared.aclose()
    if reason is not None:
        say(f"stopped: {printable(reason)}", err=True)
    return FAILED if reason is not None else OK


async def _listen(
    received: AsyncIterator[object], stop: anyio.Event, scope: anyio.CancelScope
) -> None:
    await anext(received)
    stop.set()
    say("stopping: waiting for the rows in flight; once more stops at once", err=True)
    await anext(received)
    scope.cancel()


def _tell(name: ChunkName, outcome: ChunkReport | FincardError) -> None:
    what = printable(str(outcome)) if isinstance(outcome, FincardError) else _result(outcome)
    say(f"{printable(name.job)}, chunk {name.chunk}: {what}", err=True)


def _result(report: ChunkReport) -> str:
    left = "" if report.at_rest else ", to be continued"
    return f"{counted(report.counts, kind=report.rows.kind)}{left}"


@click.command()
@postgres_option(required=True)
def jobs(place: Place) -> None:
    """Show the jobs that machines share, and how far each is."""
    found = run(_read, place)
    table = Table("job", "rows", "done", *_SHOWN, "chunks", "at work", "planned")
    for job in found:
        done = sum(count for state, count in job.counts.items() if state.final)
        table.add_row(
            printable(job.header.job),
            f"{job.rows:,}",
            f"{done / max(1, job.rows):.0%}",
            *(f"{job.counts.get(state, 0):,}" for state in _SHOWN.values()),
            f"{job.chunks:,}",
            f"{job.working:,}",
            f"{job.planned_at:%Y-%m-%d %H:%M}",
        )
    console().print(table)


async def _read(place: Place) -> list[JobState]:
    async with PostgresJobs(place) as jobs:
        return await jobs.all()


_SHOWN = {
    "issued": RowState.ISSUED,
    "refused": RowState.REFUSED,
    "failed": RowState.FAILED,
    "unknown": RowState.UNKNOWN,
    "parked": RowState.PARKED,
}
