"""``fincard issue``: issue the cards of a file, and go on after any interruption."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import click

from fincard_async import FincardClient
from fincard_async._generated.models.cards import CardType
from fincard_async.bulk import IssueRow, Report, check_rows, read_rows
from fincard_async.bulk.postgres import Place

from .distributed import Shared, issue_shared
from .job import JobRun, JobSettings, run_job, say_resume
from .output import json_line, plain, printable, say
from .postgres import shared_options, was_given
from .settings import Setup, confirm, on_loopback, pass_setup, run
from .summary import print_report, sums

_PLAIN_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\Z")
_FIELDS: Final = (
    "row_id",
    "order_no",
    "state",
    "card_no",
    "currency",
    "amount",
    "fee",
    "received_amount",
    "received_currency",
    "code",
    "message",
    "attempts",
)


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--job",
    required=True,
    metavar="NAME",
    help="Name of the job: with it, every row has one order number for ever.",
)
@click.option(
    "--journal",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Where the state of every row is kept. Default: NAME.journal in this folder.",
)
@click.option(
    "--concurrency",
    type=click.IntRange(1, 1000),
    default=8,
    show_default=True,
    help="Most cards being issued at once.",
)
@click.option(
    "--wait",
    type=click.FloatRange(min=0),
    default=120.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait, after the last row was sent, for cards to be final.",
)
@click.option(
    "--report",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write the result of every row to this file, as NDJSON.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result of every row as NDJSON.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask before money moves.")
@shared_options
@pass_setup
def issue(
    setup: Setup,
    file: Path,
    job: str,
    journal: Path | None,
    concurrency: int,
    wait: float,
    report: Path | None,
    as_json: bool,
    yes: bool,
    place: Place | None,
    chunk_rows: int,
    no_queue: bool,
) -> None:
    """Issue the cards of FILE, one row each.

    FILE is CSV with a header, or NDJSON (.ndjson, .jsonl). Columns: row_id (unique), card_type_id,
    amount, and as the card type needs holder_id, account_id, card_number. All rows are checked
    before any money moves.

    Run the same command again after Ctrl-C, a crash or an outage: it goes on where it stopped, and
    no card is issued twice. The first Ctrl-C waits for the rows in flight, the second does not.
    """
    if place is not None:
        if journal is not None:
            raise click.UsageError("a job has one journal: --journal or --postgres")
        shared = Shared(
            file=file,
            job=job,
            place=place,
            chunk_rows=chunk_rows,
            queue=not no_queue,
            wait=wait if was_given("wait") else None,
        )
        issue_shared(setup, shared, yes=yes, report=report, as_json=as_json)
    rows = read_rows(file)
    journal = journal or _default_journal(job)
    types = run(_card_types, setup)
    check_rows(rows, types, str(file))
    client = setup.client()
    if not on_loopback(client):
        confirm(setup, _facts(client, rows, types, job, journal), yes=yes)
    try:
        how = JobSettings(job=job, journal=journal, concurrency=concurrency, wait=wait)
        outcome = run(_issue, client, rows, how)
    except KeyboardInterrupt:
        outcome = JobRun(len(rows))
    if outcome.report is not None:
        _show(outcome, outcome.report, report, as_json=as_json)
    say_resume(setup, outcome.exit_code)
    raise click.exceptions.Exit(outcome.exit_code)


async def _card_types(setup: Setup) -> list[CardType]:
    async with setup.client() as client:
        return await client.cards.list_types()


async def _issue(client: FincardClient, rows: Sequence[IssueRow], how: JobSettings) -> JobRun:
    async with client:
        return await run_job(client, rows, how)


def _default_journal(job: str) -> Path:
    if not _PLAIN_NAME.match(job):
        raise click.UsageError("this job's name cannot be the name of a file: give --journal FILE")
    return Path(f"{job}.journal")


def _facts(
    client: FincardClient,
    rows: Sequence[IssueRow],
    types: Iterable[CardType],
    job: str,
    journal: Path,
) -> Iterator[str]:
    currency = {kind.card_type_id: kind.recharge_currency or kind.fiat_currency for kind in types}
    yield f"Issue {len(rows):,} cards at {client.origin}, tenant {client.tenant_id}"
    yield f"  deposits  {sums((currency.get(row.card_type_id), row.amount) for row in rows)}"
    yield f"  job       {job}, journal {journal}" + (
        " (goes on where it stopped)" if journal.exists() else ""
    )


def _show(outcome: JobRun, report: Report, target: Path | None, *, as_json: bool) -> None:
    if outcome.had_finished:
        say("this job had finished; nothing was sent", err=True)
    if report.reason is not None:
        say(f"stopped: {printable(report.reason)}", err=True)
    if target is not None:
        _write(target, report)
    if as_json:
        for line in _lines(report):
            click.echo(line)
    print_report(report, err=as_json)


def _lines(report: Report) -> Iterator[str]:
    for row in report.results:
        values = ((name, plain(getattr(row, name))) for name in _FIELDS)
        yield json_line({name: value for name, value in values if value is not None})


def _write(target: Path, report: Report) -> None:
    """Written beside and then moved, so that a report is never half a report."""
    made = target.with_name(f"{target.name}.{os.getpid()}.tmp")
    with made.open("w", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in _lines(report))
    made.replace(target)
