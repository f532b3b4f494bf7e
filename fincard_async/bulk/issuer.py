"""Bulk jobs as a user starts them: lock the journal, plan, guard, carry out, report, let go."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
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
from .guards import Estimate, GuardTripped, make_guards
from .journal import SqliteJournal
from .kinds import PERMANENT, BulkKind, operation_of
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

    def __init__(
        self,
        client: FincardClient,
        *,
        kind: BulkKind,
        journal: Journal,
        concurrency: int = 8,
        progress: Callable[[Progress], None] | None = None,
        on_result: Callable[[RowResult], None] | None = None,
        final_timeout: float = 120.0,
        dedupe: Dedupe | None = None,
        resend_after_drain: bool = False,
        windows: Windows = _WINDOWS,
        card_types: Iterable[CardType] | None = None,
        max_rows: int | None = None,
        max_total: Mapping[str, Amount] | Amount | None = None,
        funds: Funds | None = None,
        confirm: Confirm | None = None,
        breaker: BreakerLimits | None = _BREAKER,
        deadline: float | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._client = client
        self._kind = kind
        self._operation = operation_of(kind)
        if kind in PERMANENT and confirm is None:
            raise ValidationError(f"{kind} cannot be undone: give confirm=, which is asked first")
        self._settings = EngineSettings(
            concurrency=concurrency,
            final_timeout=final_timeout,
            dedupe=dedupe,
            resend_after_drain=resend_after_drain,
            windows=windows,
            breaker=breaker,
            deadline=deadline,
        )
        self._journal = journal
        self._progress = progress
        self._on_result = on_result
        self._guards = make_guards(max_rows, max_total)
        self._card_types = None if card_types is None else _by_id(card_types)
        self._funds = funds
        self._confirm = confirm
        self._clock = clock or SystemClock()
        self._stop = Stop(self._clock)
        self._running = False

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
        if self._running:
            raise UsageError("this job is running")
        self._running = True
        try:
            return await self._run(self._plan(rows, job, source), job)
        finally:
            self._running = False
            self._stop = Stop(self._clock)

    async def dry_run(self, rows: Rows, *, job: str, source: str = "rows") -> Estimate:
        """Read and check the rows and add up what they ask for; no journal is left, and nothing is
        sent but one query for the card types, if they were not given.

        Raises:
            InputError, GuardTripped: As ``run`` would.
        """
        if self._card_types is None:
            self._card_types = _by_id(await self._client.cards.list_types())
        plan = self._plan(rows, job, source)
        with TemporaryDirectory() as folder:  # a plan on disk: a million rows need little memory
            journal = SqliteJournal(Path(folder) / "dry-run.journal")
            await journal.open(self._header(job), plan)
            await journal.close()
        return await self._estimate(plan, job)

    def stop(self) -> None:
        """Send nothing new, let orders in flight come to their answer, and report."""
        self._stop.ask()

    def _plan(self, rows: Rows, job: str, source: str) -> RowPlan:
        return RowPlan(
            rows,
            operation=self._operation,
            job=job,
            source=source,
            card_types=self._card_types,
            guards=self._guards,
        )

    def _header(self, job: str) -> Header:
        return Header(
            job=job, kind=self._kind, server=self._client.origin, tenant=self._client.tenant_id
        )

    async def _run(self, plan: RowPlan, job: str) -> Report:
        await self._journal.open(self._header(job), plan)
        try:
            await self._ask_first(plan, job)
            report = await run_rows(
                self._client,
                self._journal,
                secrets=plan.secrets,
                settings=self._settings,
                progress=self._progress,
                on_result=self._on_result,
                stop=self._stop,
                clock=self._clock,
            )
        finally:
            await self._journal.close()
        results = Results(reader_of(self._journal), sum(report.counts.values()))
        return replace(report, results=results)

    async def _ask_first(self, plan: RowPlan, job: str) -> None:
        """Funds and confirmation, if there is anything to send."""
        counts = await self._journal.counts()
        if all(state.final for state in counts):
            return
        estimate = await self._estimate(plan, job)
        untouched = set(counts) <= {RowState.PLANNED}  # else a part of the money has moved already
        if untouched and (gaps := estimate.lacking()):
            missing = ", ".join(f"{amount} {currency}" for currency, amount in gaps.items())
            raise GuardTripped(f"the funds lack {missing} (funds)")
        if self._confirm is not None:
            answer = self._confirm(estimate)
            if not (await answer if isawaitable(answer) else answer):
                raise GuardTripped("the job was not confirmed (confirm)")

    async def _estimate(self, plan: RowPlan, job: str) -> Estimate:
        found = plan.sum
        estimate = Estimate(
            job=job,
            kind=self._kind,
            rows=found.rows,
            amounts=found.amounts,
            prices=found.prices,
            deposit_fees=found.deposit_fees,
            sample=tuple(found.sample),
        )
        funds = None if self._funds is None else await self._funds()
        return estimate if funds is None else replace(estimate, funds=funds, note=None)


def _by_id(card_types: Iterable[CardType]) -> CardTypes:
    return {card_type.card_type_id: card_type for card_type in card_types}


class BulkIssue(BulkOperation):
    """Issues the cards of a job, each exactly once, over as many runs as it takes.

    ::

        job = BulkIssue(client, journal=SqliteJournal("cards.journal"))
        report = await job.run(rows, job="2026-11-payroll")

    It is ``BulkOperation`` with ``kind="open"``; rows are ``IssueRow`` or ``OperationRow``.
    """

    def __init__(
        self,
        client: FincardClient,
        *,
        journal: Journal,
        concurrency: int = 8,
        progress: Callable[[Progress], None] | None = None,
        on_result: Callable[[RowResult], None] | None = None,
        final_timeout: float = 120.0,
        dedupe: Dedupe | None = None,
        resend_after_drain: bool = False,
        windows: Windows = _WINDOWS,
        card_types: Iterable[CardType] | None = None,
        max_rows: int | None = None,
        max_total: Mapping[str, Amount] | Amount | None = None,
        funds: Funds | None = None,
        confirm: Confirm | None = None,
        breaker: BreakerLimits | None = _BREAKER,
        deadline: float | None = None,
        clock: Clock | None = None,
    ) -> None:
        super().__init__(
            client,
            kind="open",
            journal=journal,
            concurrency=concurrency,
            progress=progress,
            on_result=on_result,
            final_timeout=final_timeout,
            dedupe=dedupe,
            resend_after_drain=resend_after_drain,
            windows=windows,
            card_types=card_types,
            max_rows=max_rows,
            max_total=max_total,
            funds=funds,
            confirm=confirm,
            breaker=breaker,
            deadline=deadline,
            clock=clock,
        )
