"""One chunk of a job, from anywhere: what every dispatcher of work calls.

::

    planned = await plan_job(client, url, read_rows("cards.csv"), job="november")
    report = await run_chunk(client, url, job="november", chunk=7)  # of planned.chunks

``run_chunk`` holds the rows of the chunk, does what is left to do for them, and lets go. It may be
called again, by anybody, at any time, also by two at once: the second is told that the first holds
the rows. Correctness is the journal's, so a dispatcher need not be exact: PgQueuer (``worker``),
Celery, Temporal, Procrastinate or a loop in a shell are all good enough.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from fincard_async._generated.models.cards import CardType
from fincard_async._sansio.money import Amount
from fincard_async._sansio.secret import Secret
from fincard_async.client import FincardClient
from fincard_async.errors import ValidationError

from .engine import EngineSettings, run_rows
from .entry import FINAL, Header, RowState
from .guards import make_guards
from .kinds import PERMANENT, BulkKind, operation_of
from .planning import RowPlan, Rows
from .postgres import Place, Planned, PostgresJobs, PostgresJournal, SharedRate
from .postgres.lease import LEASE_SECONDS
from .postgres.planning import CHUNK_ROWS
from .postgres.rate import RowsGate
from .report import Progress, Report, RowResult
from .stopping import Stop

AT_REST: Final = FINAL | {RowState.PARKED}
"""States in which no program has anything left to do."""


@dataclass(frozen=True, slots=True)
class ChunkReport:
    """How a chunk stands after a run."""

    chunk: int
    rows: Report
    """Of the rows of this chunk."""

    @property
    def counts(self) -> Mapping[RowState, int]:
        """Rows of the chunk by state."""
        return self.rows.counts

    @property
    def at_rest(self) -> bool:
        """True if every row is final or parked: to run it again would do nothing."""
        return all(state in AT_REST for state, count in self.counts.items() if count)


async def plan_job(
    client: FincardClient,
    url: str | Secret | Place,
    rows: Rows,
    *,
    job: str,
    kind: BulkKind = "open",
    confirmed: bool = False,
    source: str = "rows",
    chunk_rows: int = CHUNK_ROWS,
    card_types: Iterable[CardType] | None = None,
    max_rows: int | None = None,
    max_total: Mapping[str, Amount] | Amount | None = None,
) -> Planned:
    """Make every row of a job durable, or compare them with those that are; nothing is sent.

    Args:
        client: For which server and tenant.
        url: The database; see ``PostgresJournal``.
        rows: The same rows, in the same order, each time.
        job: Name of the job: another name is another set of orders.
        kind: Name of the method of ``client.cards``.
        confirmed: A person agreed to what nothing can undo; needed for ``cancel``.
        source: Named in faults.
        chunk_rows: Rows of a chunk. Smaller chunks spread better, larger ones cost less.
        card_types: Where given, orders of cards are checked against them.
        max_rows: Most rows.
        max_total: Most money; see ``BulkOperation``.

    Raises:
        InputError: Rows break rules; it lists them, and nothing was written.
        GuardTripped: The rows ask for more than was allowed; nothing was written.
        ValidationError: A row needs a card number, which no shared journal holds.
        JournalMismatch: There is such a job, and it belongs to something else.
        JournalError: The database cannot be used.
    """
    if kind in PERMANENT and not confirmed:
        raise ValidationError(f"{kind} cannot be undone: ask a person, then give confirmed=True")
    types = None if card_types is None else {each.card_type_id: each for each in card_types}
    plan = RowPlan(
        rows,
        operation=operation_of(kind),
        job=job,
        source=source,
        card_types=types,
        guards=make_guards(max_rows, max_total),
    )
    header = Header(job=job, kind=kind, server=client.origin, tenant=client.tenant_id)
    async with PostgresJobs(url) as jobs:
        return await jobs.plan(header, plan, chunk_rows=chunk_rows)


async def run_chunk(
    client: FincardClient,
    url: str | Secret | Place,
    *,
    job: str,
    chunk: int,
    settings: EngineSettings | None = None,
    rate: SharedRate | None = None,
    lease: float = LEASE_SECONDS,
    progress: Callable[[Progress], None] | None = None,
    on_result: Callable[[RowResult], None] | None = None,
    stop: Stop | None = None,
) -> ChunkReport:
    """Do what is left to do for the rows of one chunk of a planned job.

    Args:
        client: Who calls; of the server and tenant of the job.
        url: The database; see ``PostgresJournal``.
        job: Name of the job.
        chunk: Its number, from 0.
        settings: How rows are carried out.
        rate: Calls per second of all machines together.
        lease: Seconds without a sign of life after which another may take the chunk over; the same
            on all machines.
        progress: Called at every change, in the event loop; it must be quick.
        on_result: Called with each row that ends in this run; a crash may repeat some.
        stop: To end the run early.

    Raises:
        JournalLocked: Another worker holds the chunk, or has taken it over; come back later.
        JournalError: There is no such job or chunk, it is of another server or tenant, or the
            database failed. Nothing was sent after that; come back later.
        Unauthenticated, PermissionDenied, UsageError: No row would fare better.
    """
    journal = PostgresJournal(url, job=job, chunk=chunk, lease=lease)
    await journal.attach()
    try:
        first, last = journal.span
        report = await run_rows(
            client.with_options(gate=RowsGate(journal.check, rate)),
            journal,
            first_seq=first,
            last_seq=last,
            settings=settings,
            progress=progress,
            on_result=on_result,
            stop=stop,
        )
    finally:
        await journal.close()
    return ChunkReport(chunk, report)
