"""Works through a file of rows: check, ask, carry out, report. Every bulk command ends up here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

import click

from fincard_async import FincardClient
from fincard_async.bulk import (
    Estimate,
    GuardTripped,
    IssueRow,
    OperationRow,
    Report,
    ReportFile,
    RowFile,
    SqliteJournal,
    issue_rows,
    operation_rows,
    resolve,
)
from fincard_async.bulk.kinds import PERMANENT, BulkKind
from fincard_async.bulk.report_file import line_of

from .advice import OK
from .bulk_options import BulkOptions
from .distributed import SharedJob, work_shared
from .job import JobRun, JobSettings, make_job, run_job, say_resume
from .output import number_of, printable, say
from .parked import read_decisions, write_parked
from .settings import Setup, confirm, on_loopback, run
from .summary import print_report, sums

_WHAT: Final[Mapping[str, tuple[str, str]]] = {
    "open": ("Issue", "card"),
    "deposit": ("Deposit to cards in", "row"),
    "withdraw": ("Withdraw from cards in", "row"),
    "freeze": ("Freeze", "card"),
    "unfreeze": ("Unfreeze", "card"),
    "cancel": ("Cancel", "card"),
    "update": ("Update", "card"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Order:
    """A file, and what shall be done with it."""

    setup: Setup
    kind: BulkKind
    file: Path
    options: BulkOptions

    @property
    def how(self) -> JobSettings:
        """For the job."""
        options = self.options
        return JobSettings(
            job=options.job,
            journal=options.journal_path,
            kind=self.kind,
            concurrency=options.concurrency,
            wait=options.wait,
            deadline=options.deadline,
            max_rows=options.max_rows,
            max_total=options.total,
            dedupe=options.dedupe,
            resend_after_drain=options.resend_after_drain,
            check_funds=not options.ignore_funds,
            source=str(self.file),
        )

    def rows(self) -> RowFile[IssueRow] | RowFile[OperationRow]:
        """The rows, read anew each time."""
        if self.kind == "open":
            return issue_rows(self.file, sheet=self.options.sheet)
        return operation_rows(self.kind, self.file, sheet=self.options.sheet)


def work_through(setup: Setup, kind: BulkKind, file: Path, options: BulkOptions) -> NoReturn:
    """Do it, and end the command with its exit code."""
    order = _Order(setup=setup, kind=kind, file=file, options=options)
    if kind in PERMANENT and options.yes and options.max_rows is None:
        raise click.UsageError(
            f"{kind} is for good: --yes needs --max-rows with the number of cards that you mean"
        )
    if kind != "open" and isinstance(options.total, Mapping):
        raise click.UsageError(
            "--max-total takes an amount without a currency here: the rows do not say theirs"
        )
    if options.place is not None and not options.dry_run:
        work_shared(
            setup,
            SharedJob(kind=kind, rows=order.rows, source=str(file), place=options.place),
            options,
            lambda client, estimate: _facts(order, client, estimate),
        )
    how = order.how
    if options.dry_run:
        run(_dry_run, order, how)
        raise click.exceptions.Exit(OK)
    if options.resolve is not None:
        _take_decisions(how, options.resolve)
    try:
        outcome = _carried_out(order, how)
    except KeyboardInterrupt:
        outcome = JobRun()
    if outcome.report is not None:
        _show(outcome, outcome.report, options)
    say_resume(setup, outcome.exit_code)
    raise click.exceptions.Exit(outcome.exit_code)


async def _dry_run(order: _Order, how: JobSettings) -> None:
    async with order.setup.client() as client:
        job = make_job(client, how, confirm=lambda _: False)
        estimate = await job.dry_run(order.rows(), job=how.job, source=how.source)
    for line in _facts(order, client, estimate):
        click.echo(line)
    say("Dry run: nothing was sent.")


def _take_decisions(how: JobSettings, path: Path) -> None:
    decisions = read_decisions(path)
    decided = run(resolve, SqliteJournal(how.journal), decisions)
    say(f"{number_of('decision', len(decided))} taken from {path}", err=True)


def _carried_out(order: _Order, how: JobSettings) -> JobRun:
    """Run the job; a journal that nobody agreed to is taken away again."""
    new = not how.journal.exists()
    try:
        return run(_carry_out, order, how, new)
    except (click.Abort, click.UsageError, GuardTripped):
        if new:
            how.journal.unlink(missing_ok=True)
        raise


async def _carry_out(order: _Order, how: JobSettings, new: bool) -> JobRun:
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(order.setup.client())
        types = await client.cards.list_types() if order.kind == "open" else None
        report = order.options.report
        file = None if report is None else stack.enter_context(ReportFile(report, how.job))
        outcome = await run_job(
            client,
            order.rows(),
            how,
            card_types=types,
            on_result=None if file is None else file.write,
            confirm=_question(order, client, new),
        )
        if file is not None and outcome.report is not None:
            file.complete(outcome.report.results)
        return outcome


def _question(order: _Order, client: FincardClient, new: bool) -> Callable[[Estimate], bool]:
    """Asks before the first row is sent, wherever that is no sandbox; always, if it is for good."""

    def ask(estimate: Estimate) -> bool:
        facts = [*_facts(order, client, estimate), _job_line(order, new)]
        if order.kind in PERMANENT:
            word = str(estimate.rows)
            confirm(order.setup, facts, yes=order.options.yes, word=word)
        elif not on_loopback(client):
            confirm(order.setup, facts, yes=order.options.yes)
        return True

    return ask


def _facts(order: _Order, client: FincardClient, estimate: Estimate) -> Iterator[str]:
    """What is about to happen, and what it costs."""
    verb, noun = _WHAT[order.kind]
    yield f"{verb} {number_of(noun, estimate.rows)} at {client.origin}, tenant {client.tenant_id}"
    parts = {
        "deposits" if order.kind == "open" else "amounts": estimate.amounts,
        "prices": estimate.prices,
        "fees": estimate.deposit_fees,
    }
    named = {name: amounts for name, amounts in parts.items() if amounts}
    if len(named) > 1:
        named["together"] = estimate.total
    for name, amounts in named.items():
        yield f"  {name:<8}  {sums(amounts.items())}"
    if estimate.deposit_fees:
        yield "  (fees: as for deposits; whether a new card's deposit costs them is not documented)"
    if named and estimate.note is not None:
        yield f"  ({estimate.note})"
    if order.kind in PERMANENT:
        yield "  This is for good; the first rows:"
        yield from (f"    {printable(line)}" for line in estimate.sample)


def _job_line(order: _Order, new: bool) -> str:
    how = order.how
    return f"  job       {how.job}, journal {how.journal}" + (
        "" if new else " (goes on where it stopped)"
    )


def _show(outcome: JobRun, report: Report, options: BulkOptions) -> None:
    if outcome.had_finished:
        say("this job had finished; nothing was sent", err=True)
    if report.reason is not None:
        say(f"stopped: {printable(report.reason)}", err=True)
    if options.parked is not None:
        count = write_parked(options.parked, report.results)
        say(f"{number_of('parked row', count)} written to {options.parked}", err=True)
    if options.as_json:
        for row in report.results:
            text = line_of(report.job, row).decode()
            click.echo(text if text.isprintable() else printable(text))
    print_report(report, err=options.as_json)
