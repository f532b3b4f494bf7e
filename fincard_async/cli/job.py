"""Run a bulk job in front of a person: progress, and an orderly stop on Ctrl-C.

The first Ctrl-C (or SIGTERM) sends nothing new and waits for the rows in flight; the second stops
at once. Neither loses anything: the journal knows every row, and the same command goes on.
"""

from __future__ import annotations

import shlex
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Final

import anyio
import click
from anyio.abc import TaskGroup

from fincard_async import FincardClient
from fincard_async._generated.models.cards import CardType
from fincard_async._sansio.money import Amount
from fincard_async.bulk import (
    BulkOperation,
    Estimate,
    Progress,
    Report,
    RowResult,
    RowState,
    SqliteJournal,
)
from fincard_async.bulk.funds import wallet_funds
from fincard_async.bulk.kinds import BulkKind, operation_of
from fincard_async.bulk.planning import Rows
from fincard_async.bulk.windows import Dedupe
from fincard_async.errors import ApiError

from .advice import INTERRUPTED, NOT_FINAL, OK, PARKED, SOME_FAILED
from .output import say
from .progress import Meter, meter
from .settings import Setup, interrupts

TITLES: Final[Mapping[str, str]] = {
    "open": "Issuing",
    "deposit": "Depositing",
    "withdraw": "Withdrawing",
    "freeze": "Freezing",
    "unfreeze": "Unfreezing",
    "cancel": "Cancelling",
    "update": "Updating",
}
_WAITING: Final = frozenset(
    {RowState.PLANNED, RowState.INTENT, RowState.UNKNOWN, RowState.ACCEPTED}
)
"""States that another run can do something about."""
_SHOWN: Final = tuple(
    state for state in RowState if state not in (RowState.PLANNED, RowState.INTENT)
)
"""States that are counted under the bar."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSettings:
    """How a job is run."""

    job: str
    journal: Path
    concurrency: int
    kind: BulkKind = "open"
    wait: float = 120.0
    """Seconds to wait, after the last row was sent, for rows to be final."""
    deadline: float | None = None
    max_rows: int | None = None
    max_total: Mapping[str, Amount] | Amount | None = None
    dedupe: Dedupe | None = None
    resend_after_drain: bool = False
    check_funds: bool = True
    source: str = "rows"
    """Named in faults."""


@dataclass(slots=True)
class JobRun:
    """What came of a run."""

    report: Report | None = None
    """None if the run was stopped at once."""
    before: int | None = None
    """Rows that were done with before this run."""
    total: int = 0

    @property
    def had_finished(self) -> bool:
        """True if an earlier run had left nothing to do."""
        return self.before == self.total

    @property
    def exit_code(self) -> int:
        """As `fincard --help` documents it."""
        if self.report is None:
            return INTERRUPTED
        left = {state for state, count in self.report.counts.items() if count}
        if left & _WAITING:
            return INTERRUPTED if self.report.interrupted else NOT_FINAL
        if RowState.PARKED in left:
            return PARKED
        return OK if self.report.ok else SOME_FAILED


def make_job(
    client: FincardClient,
    how: JobSettings,
    *,
    card_types: Iterable[CardType] | None = None,
    progress: Callable[[Progress], None] | None = None,
    on_result: Callable[[RowResult], None] | None = None,
    confirm: Callable[[Estimate], bool] | None = None,
) -> BulkOperation:
    """The job of these settings."""
    return BulkOperation(
        client,
        kind=how.kind,
        journal=SqliteJournal(how.journal),
        concurrency=how.concurrency,
        progress=progress,
        on_result=on_result,
        final_timeout=how.wait,
        dedupe=how.dedupe,
        resend_after_drain=how.resend_after_drain,
        card_types=card_types,
        max_rows=how.max_rows,
        max_total=how.max_total,
        funds=partial(_funds, client, how),
        confirm=confirm,
        deadline=how.deadline,
    )


async def _funds(client: FincardClient, how: JobSettings) -> Mapping[str, Decimal] | None:
    """What the wallet has; None if it does not pay, nobody wants to know, or we may not ask."""
    if not how.check_funds or not operation_of(how.kind).wallet_pays:
        return None
    try:
        return await wallet_funds(client)
    except ApiError:
        return None


async def run_job(
    client: FincardClient,
    rows: Rows,
    how: JobSettings,
    *,
    card_types: Iterable[CardType] | None = None,
    on_result: Callable[[RowResult], None] | None = None,
    confirm: Callable[[Estimate], bool] | None = None,
) -> JobRun:
    """Carry out the rows, or what an earlier run has left of them."""
    outcome = JobRun()
    with ExitStack() as stack:
        async with anyio.create_task_group() as tasks:
            screen = _Screen(stack, tasks, how.kind, outcome)
            screen.job = make_job(
                client,
                how,
                card_types=card_types,
                progress=screen.show,
                on_result=on_result,
                confirm=confirm or (lambda _: True),
            )
            outcome.report = await screen.job.run(rows, job=how.job, source=how.source)
            tasks.cancel_scope.cancel()
    return outcome


@dataclass(slots=True)
class _Screen:
    """Shows a job from the moment at which its rows are read and the person has agreed.

    Until then Ctrl-C ends the command as it ends any other: nothing is under way yet.
    """

    stack: ExitStack
    tasks: TaskGroup
    kind: str
    run: JobRun
    job: BulkOperation | None = None
    _shown: Meter | None = None

    def show(self, progress: Progress) -> None:
        """How things stand."""
        shown = self._shown or self._begin(progress)
        shown.update(
            progress.done,
            counted(progress.counts, progress.in_flight, self.kind),
            halfway=progress.counts[RowState.ACCEPTED],
        )

    def _begin(self, progress: Progress) -> Meter:
        self.run.before, self.run.total = progress.done, progress.total
        shown = self._shown = self.stack.enter_context(meter(TITLES[self.kind], progress.total))
        received = self.stack.enter_context(interrupts())
        self.tasks.start_soon(self._listen, received, shown)
        return shown

    async def _listen(self, received: AsyncIterator[object], shown: Meter) -> None:
        assert self.job is not None
        await anext(received)
        self.job.stop()
        shown.say("stopping: waiting for the rows in flight; once more stops at once")
        await anext(received)
        self.tasks.cancel_scope.cancel()


def word_of(state: RowState, kind: str) -> str:
    """What a person calls a state: an issued deposit is done."""
    if state is RowState.INTENT:
        return "unsent"  # what a run leaves in this state was proven not to be sent
    return "done" if state is RowState.ISSUED and kind != "open" else state.value


def counted(counts: Mapping[RowState, int], in_flight: int = 0, kind: str = "open") -> str:
    """Counts by outcome, such as ``issued 120, refused 2, in flight 8``; no zeros."""
    parts = [f"{word_of(state, kind)} {counts[state]}" for state in _SHOWN if counts.get(state)]
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
    elif code == PARKED:
        say(
            "a person must decide on the parked rows: --parked FILE lists them with what to find"
            " out, and --resolve FILE takes the answers",
            err=True,
        )
        return
    else:
        return
    click.echo(f"  {resume_command(setup)}", err=True)
