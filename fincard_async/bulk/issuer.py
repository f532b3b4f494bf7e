"""Bulk jobs as a user starts them: lock the journal, plan, guard, carry out, report, let go."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import KW_ONLY, dataclass, field, replace
from decimal import Decimal
from inspect import isawaitable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, TypeAlias

from fincard_async._generated.models.cards import CardType
from fincard_async._runtime.ports import Clock, SystemClock
from fincard_async._sansio.money import Amount
from fincard_async.client import FincardClient
from fincard_async.errors import UsageError, ValidationError

from .breaker import BreakerLimits
from .engine import EngineSettings, run_rows
from .entry import Header, RowState
from .guards import Estimate, Guards, GuardTripped, make_guards
from .journal import SqliteJournal
from .kinds import PERMANENT, BulkKind, BulkOperationType, operation_of
from .planning import CardTypes, RowPlan, Rows
from .ports import Journal
from .report import Progress, Report, Results, RowResult
from .results import reader_of
from .stopping import Stop
from .windows import Dedupe, Windows

Funds: TypeAlias = Callable[[], Awaitable[Mapping[str, Decimal] | None]]
Confirm: TypeAlias = Callable[[Estimate], bool | Awaitable[bool]]
_BREAKER: Final = BreakerLimits()
_WINDOWS: Final = Windows()


@dataclass(slots=True, kw_only=True)
class _Inner:
    """What the settings of a job come to, and the run that is going on."""

    operation: BulkOperationType
    settings: EngineSettings
    guards: Guards
    card_types: CardTypes | None
    clock: Clock
    stop: Stop
    running: bool = False


@dataclass(frozen=True, eq=False, repr=False)
class BulkOperation:
    """Carries out one kind of operation for many rows, each exactly once, over as many runs as it
    takes.

    ::

        job = BulkOperation(client, kind="deposit", journal=SqliteJournal("top-up.journal"))
        rows = [OperationRow(row_id="1", values={"card_no": "...", "amount": "25.50"}), ...]
        report = await job.run(rows, job="2026-11-top-up")

    Run it again with the same rows, job and journal to go on after an interruption or a crash:
    final rows are skipped, rows whose outcome is unknown are looked up, the rest is sent. The order
    number of a row depends on the names of the job, the operation and the row only, so even a run
    whose journal was lost finds the orders of the run before: the server refuses the numbers, and
    the look-up adopts the orders.

    Rows about the same card are carried out one after the other, in the order of the input. If one
    of them ends unknown or parked, the later ones of its card wait for a later run.

    Args:
        client: Who calls. Its limits and time-outs hold.
        kind: Name of the method of ``client.cards``: ``open``, ``deposit``, ``withdraw``,
            ``freeze``, ``unfreeze``, ``cancel`` or ``update``.
        journal: What is remembered between runs; one for each job.
        concurrency: Rows under way at once.
        progress: Called at every change, in the event loop; it must be quick.
        on_result: Called with each row that ends (final or parked) in a run, in order of
            completion. A crash may repeat some in the next run. If it raises, the run ends in good
            order and the error is raised.
        final_timeout: Seconds to wait, after the last row was sent, for accepted orders to become
            final. Rows that are not final by then are followed by the next run.
        dedupe: What the server does with a repeated order number; None takes the client's
            ``RetryPolicy.dedupe``. With ``"none"`` a row is sent once; if its outcome stays
            unknown and the server has no such order after everything has drained, it is parked.
        resend_after_drain: With ``dedupe="none"``: send such a row again instead of parking it.
        windows: How long the server remembers numbers, and requests and queries take at worst.
        card_types: Of ``client.cards.list_types()``. Where given, orders of cards are checked
            against them before anything is sent, and the estimate knows prices.
        max_rows: Most rows; more end the run before anything is sent.
        max_total: Most money over all rows, as one amount or by currency.
        funds: Asked before the first run for what the merchant has, by currency; ``wallet_funds``
            does. None, or an answer of None: funds are not checked.
        confirm: Asked once before the first row of a run is sent; required for ``cancel``, which
            nothing can undo. It may be async.
        breaker: When to stop because rows go wrong; None for never.
        deadline: Seconds after which a run sends nothing new.
        clock: Time; for tests.

    Raises:
        ValidationError: The kind cannot be done in bulk, or a setting cannot be used.
    """

    client: FincardClient
    _: KW_ONLY
    kind: BulkKind
    journal: Journal
    concurrency: int = 8
    progress: Callable[[Progress], None] | None = None
    on_result: Callable[[RowResult], None] | None = None
    final_timeout: float = 120.0
    dedupe: Dedupe | None = None
    resend_after_drain: bool = False
    windows: Windows = _WINDOWS
    card_types: Iterable[CardType] | None = None
    max_rows: int | None = None
    max_total: Mapping[str, Amount] | Amount | None = None
    funds: Funds | None = None
    confirm: Confirm | None = None
    breaker: BreakerLimits | None = _BREAKER
    deadline: float | None = None
    clock: Clock | None = None
    _inner: _Inner = field(init=False)

    def __post_init__(self) -> None:
        if self.kind in PERMANENT and self.confirm is None:
            raise ValidationError(
                f"{self.kind} cannot be undone: give confirm=, which is asked first"
            )
        clock = self.clock or SystemClock()
        inner = _Inner(
            operation=operation_of(self.kind),
            settings=EngineSettings(
                concurrency=self.concurrency,
                final_timeout=self.final_timeout,
                dedupe=self.dedupe,
                resend_after_drain=self.resend_after_drain,
                windows=self.windows,
                breaker=self.breaker,
                deadline=self.deadline,
            ),
            guards=make_guards(self.max_rows, self.max_total),
            card_types=None if self.card_types is None else _by_id(self.card_types),
            clock=clock,
            stop=Stop(clock),
        )
        object.__setattr__(self, "_inner", inner)  # the one thing here that changes

    async def run(self, rows: Rows, *, job: str, source: str = "rows") -> Report:
        """Carry out what is not done yet, and report on the whole job.

        Every row is read and checked before the first is sent; memory does not grow with their
        number, but for the secrets in them (card numbers of physical cards).

        Args:
            rows: The same rows, in the same order, in every run of the job.
            job: Name of the job: another name is another set of orders.
            source: Named in faults, such as the path of the file that the rows are from.

        Raises:
            InputError: Rows break rules; it lists them, and nothing was sent.
            GuardTripped: The rows ask for more than was allowed; nothing was sent.
            JournalLocked: Another run holds the journal.
            JournalMismatch: It belongs to another job, server or tenant, or to other rows; nothing
                was sent.
            JournalError: The journal cannot be used, or could not be written any more; rows that
                were under way then are looked up by the next run.
            Unauthenticated, PermissionDenied, UsageError: No row would fare better.
        """
        if self._inner.running:
            raise UsageError("this job is running")
        self._inner.running = True
        try:
            return await self._run(self._plan(rows, job, source), job)
        finally:
            self._inner.running = False
            self._inner.stop = Stop(self._inner.clock)

    async def dry_run(self, rows: Rows, *, job: str, source: str = "rows") -> Estimate:
        """Read and check the rows and add up what they ask for; no journal is left, and nothing is
        sent but one query for the card types, if they were not given.

        Raises:
            InputError, GuardTripped: As ``run`` would.
        """
        if self._inner.card_types is None:
            self._inner.card_types = _by_id(await self.client.cards.list_types())
        plan = self._plan(rows, job, source)
        with TemporaryDirectory() as folder:  # a plan on disk: a million rows need little memory
            journal = SqliteJournal(Path(folder) / "dry-run.journal")
            await journal.open(self._header(job), plan)
            await journal.close()
        return await self._estimate(plan, job)

    def stop(self) -> None:
        """Send nothing new, let orders in flight come to their answer, and report."""
        self._inner.stop.ask()

    def _plan(self, rows: Rows, job: str, source: str) -> RowPlan:
        return RowPlan(
            rows,
            operation=self._inner.operation,
            job=job,
            source=source,
            card_types=self._inner.card_types,
            guards=self._inner.guards,
        )

    def _header(self, job: str) -> Header:
        return Header(
            job=job, kind=self.kind, server=self.client.origin, tenant=self.client.tenant_id
        )

    async def _run(self, plan: RowPlan, job: str) -> Report:
        await self.journal.open(self._header(job), plan)
        try:
            await self._ask_first(plan, job)
            report = await run_rows(
                self.client,
                self.journal,
                secrets=plan.secrets,
                settings=self._inner.settings,
                progress=self.progress,
                on_result=self.on_result,
                stop=self._inner.stop,
                clock=self._inner.clock,
            )
        finally:
            await self.journal.close()
        results = Results(reader_of(self.journal), sum(report.counts.values()))
        return replace(report, results=results)

    async def _ask_first(self, plan: RowPlan, job: str) -> None:
        """Funds and confirmation, if there is anything to send."""
        counts = await self.journal.counts()
        if all(state.final for state in counts):
            return
        estimate = await self._estimate(plan, job)
        untouched = set(counts) <= {RowState.PLANNED}  # else a part of the money has moved already
        if untouched and (gaps := estimate.lacking()):
            missing = ", ".join(f"{amount} {currency}" for currency, amount in gaps.items())
            raise GuardTripped(f"the funds lack {missing} (funds)")
        if self.confirm is not None:
            answer = self.confirm(estimate)
            if not (await answer if isawaitable(answer) else answer):
                raise GuardTripped("the job was not confirmed (confirm)")

    async def _estimate(self, plan: RowPlan, job: str) -> Estimate:
        found = plan.sum
        estimate = Estimate(
            job=job,
            kind=self.kind,
            rows=found.rows,
            amounts=found.amounts,
            prices=found.prices,
            deposit_fees=found.deposit_fees,
            sample=tuple(found.sample),
        )
        funds = None if self.funds is None else await self.funds()
        return estimate if funds is None else replace(estimate, funds=funds, note=None)


def _by_id(card_types: Iterable[CardType]) -> CardTypes:
    return {card_type.card_type_id: card_type for card_type in card_types}


@dataclass(frozen=True, eq=False, repr=False)
class BulkIssue(BulkOperation):
    """Issues the cards of a job, each exactly once, over as many runs as it takes.

    ::

        job = BulkIssue(client, journal=SqliteJournal("cards.journal"))
        report = await job.run(rows, job="2026-11-payroll")

    It is ``BulkOperation`` with ``kind="open"``; rows are ``IssueRow`` or ``OperationRow``.
    """

    kind: BulkKind = field(default="open", init=False)
