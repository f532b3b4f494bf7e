"""Run a bulk job in front of a person: progress, and an orderly stop on Ctrl-C.

The first Ctrl-C (or SIGTERM) sends nothing new and waits for the rows in flight; the second stops
at once. Neither loses anything: the journal knows every row, and the same command goes on.
"""

from __future__ import annotations

import shlex
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import anyio
import click

from fincard_async import FincardClient
from fincard_async.bulk import BulkIssue, IssueRow, Progress, Report, RowState, SqliteJournal

from .advice import INTERRUPTED, NOT_FINAL, OK, SOME_FAILED
from .output import say
from .progress import Meter, meter
from .settings import Setup, interrupts

_WORDS: Final = {
    RowState.ISSUED: "issued",
    RowState.ACCEPTED: "accepted",
    RowState.REFUSED: "refused",
    RowState.FAILED: "failed",
    RowState.UNKNOWN: "unknown",
    RowState.PARKED: "parked",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSettings:
    """How a job is run."""

    job: str
    journal: Path
    concurrency: int
    wait: float = 120.0
    """Seconds to wait, after the last row was sent, for rows to be final."""


@dataclass(slots=True)
class JobRun:
    """What came of a run."""

    total: int
    report: Report | None = None
    """None if the run was stopped at once."""
    before: int | None = None
    """Rows that were done with before this run."""

    @property
    def had_finished(self) -> bool:
        """True if an earlier run had left nothing to do."""
        return self.before == self.total

    @property
    def exit_code(self) -> int:
        """As `fincard --help` documents it."""
        if self.report is None or (self.report.interrupted and not self.report.complete):
            return INTERRUPTED
        if not self.report.complete:
            return NOT_FINAL
        return OK if self.report.ok else SOME_FAILED


async def run_job(
    client: FincardClient,
    rows: Sequence[IssueRow],
    how: JobSettings,
) -> JobRun:
    """Issue the rows, or what an earlier run has left of them."""
    outcome = JobRun(len(rows))

    def show(progress: Progress) -> None:
        if outcome.before is None:
            outcome.before = progress.done
        shown.update(
            progress.done,
            counted(progress.counts, progress.in_flight),
            halfway=progress.counts[RowState.ACCEPTED],
        )

    bulk = BulkIssue(
        client,
        journal=SqliteJournal(how.journal),
        concurrency=how.concurrency,
        progress=show,
        final_timeout=how.wait,
    )
    with meter("Issuing", len(rows)) as shown, interrupts() as received:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_listen, received, bulk, shown, tasks.cancel_scope)
            outcome.report = await bulk.run(rows, job=how.job)
            tasks.cancel_scope.cancel()
    return outcome


async def _listen(
    received: AsyncIterator[object], bulk: BulkIssue, shown: Meter, scope: anyio.CancelScope
) -> None:
    await anext(received)
    bulk.stop()
    shown.say("stopping: waiting for the rows in flight; once more stops at once")
    await anext(received)
    scope.cancel()


def counted(counts: Mapping[RowState, int], in_flight: int = 0) -> str:
    """Counts by outcome, such as ``issued 120, refused 2, in flight 8``; no zeros."""
    parts = [f"{word} {counts[state]}" for state, word in _WORDS.items() if counts.get(state)]
    return ", ".join([*parts, f"in flight {in_flight}"] if in_flight else parts)


def resume_command(setup: Setup) -> str:
    """This command again, as it would be typed."""
    return shlex.join(["fincard", *setup.argv])


def say_resume(setup: Setup, code: int) -> None:
    """Where a run did not come to its end, say how to go on."""
    if code == INTERRUPTED:
        say("interrupted; nothing is lost. Go on with:", err=True)
    elif code == NOT_FINAL:
        say("some rows are not final yet; ask again later with:", err=True)
    else:
        return
    click.echo(f"  {resume_command(setup)}", err=True)
