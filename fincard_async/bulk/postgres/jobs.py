"""The jobs of a database as somebody sees them who holds no rows: plan, watch, report."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Final

import msgspec

from fincard_async._sansio.secret import Secret
from fincard_async.bulk.entry import FINAL, Entry, Header, RowState
from fincard_async.bulk.ports import Plan
from fincard_async.bulk.report import Report, RowResult, Summary, to_result
from fincard_async.errors import JournalError

from .connect import Connection, Place, as_place, translated
from .planning import CHUNK_ROWS, Planned, compare, find_job, plan_new
from .records import to_entry
from .schema import migrate
from .statements import COUNT, READ

READ_AT_ONCE: Final = 1000
_AT_REST: Final = sorted(state.value for state in (*FINAL, RowState.PARKED))
_UNFINISHED: Final = """
    SELECT c.chunk FROM fincard.chunks c
    WHERE c.job_id = $1 AND c.chunk >= 0 AND EXISTS (
        SELECT FROM fincard.rows r
        WHERE r.job_id = $1 AND r.state <> ALL ($3::text[])
            AND r.seq >= c.chunk * $2::bigint AND r.seq < (c.chunk + 1) * $2::bigint
    )
    ORDER BY c.chunk
"""
_ALL: Final = """
    SELECT j.header, j.rows, j.chunk_rows, j.planned_at,
        (SELECT count(*) FROM fincard.chunks c
            WHERE c.job_id = j.id AND c.lease_until > clock_timestamp()),
        (SELECT json_object_agg(s.state, s.rows) FROM (
            SELECT r.state, count(*) AS rows FROM fincard.rows r
            WHERE r.job_id = j.id GROUP BY r.state) s)
    FROM fincard.jobs j ORDER BY j.id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobState:
    """A job at one moment."""

    header: Header
    rows: int
    chunks: int
    working: int
    """Chunks that somebody works at."""
    counts: dict[RowState, int]
    """Rows by state, without zeros."""
    planned_at: datetime


class PostgresJobs:
    """Plans jobs and looks at them; use it as ``async with PostgresJobs(url) as jobs``.

    Args:
        url: The database; see ``PostgresJournal``.
    """

    def __init__(self, url: str | Secret | Place) -> None:
        self._place = as_place(url)
        self._connection: Connection | None = None

    async def __aenter__(self) -> PostgresJobs:
        self._connection = await self._place.connect()
        try:
            await migrate(self._connection, self._place.name)
        except BaseException:
            self._connection.terminate()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._connection is not None:
            self._connection.terminate()

    async def plan(self, header: Header, plan: Plan, *, chunk_rows: int = CHUNK_ROWS) -> Planned:
        """Make every row of a job durable (B1), or compare them with those that are; no lock.

        Raises:
            InputError, ValidationError: Rows are faulty; nothing was written.
            JournalMismatch: There is such a job, and it belongs to something else.
        """
        name = self._place.name
        with translated(name):
            found = await find_job(self._open, header.job)
        if found is None:
            found = await plan_new(self._open, name, header, plan, chunk_rows)
            if found is None:
                raise JournalError(
                    f"the journal in {name}: another process has just planned this job; run it"
                    " again"
                )
        else:
            await compare(found, name, header, plan)
        return found

    async def find(self, job: str) -> Planned:
        """A job by its name.

        Raises:
            JournalError: There is none.
        """
        with translated(self._place.name):
            found = await find_job(self._open, job)
        if found is None:
            raise JournalError(f"the journal in {self._place.name} has no job {job!r}")
        return found

    async def unfinished(self, planned: Planned) -> list[int]:
        """Chunks with rows that are neither final nor parked."""
        with translated(self._place.name):
            found = await self._open.fetch(_UNFINISHED, planned.id, planned.chunk_rows, _AT_REST)
        return [chunk for (chunk,) in found]

    async def counts(self, planned: Planned) -> dict[RowState, int]:
        """Rows by state, without zeros."""
        with translated(self._place.name):
            found = await self._open.fetch(COUNT, planned.id, -1, planned.rows)
        return {RowState(state): count for state, count in found}

    async def entries(
        self, planned: Planned, states: Iterable[RowState] = ()
    ) -> AsyncIterator[Sequence[Entry]]:
        """The rows in these states, or all, in order; a thousand at once."""
        after, names = -1, [state.value for state in states]
        while entries := await self._page(planned, names, after, READ_AT_ONCE):
            after = entries[-1].seq
            yield entries

    async def page(self, planned: Planned, after: int, limit: int) -> Sequence[RowResult]:
        """How the rows after a seq ended, at most so many."""
        return [to_result(entry) for entry in await self._page(planned, [], after, limit)]

    async def results(
        self, planned: Planned, states: Iterable[RowState] = ()
    ) -> AsyncIterator[Sequence[RowResult]]:
        """How the rows in these states ended, or all, in order; a thousand at once."""
        async for entries in self.entries(planned, states):
            yield [to_result(entry) for entry in entries]

    async def report(self, planned: Planned) -> Report:
        """Counts and sums of the whole job, read row by row; without ``results``."""
        counts, summary = Counter[RowState](), Summary()
        async for entries in self.entries(planned):
            counts.update(entry.state for entry in entries)
            summary.add(entries)
        return Report(
            job=planned.header.job,
            kind=planned.header.kind,
            counts={state: counts[state] for state in RowState},
            codes=summary.codes,
            received=summary.received,
            amounts=summary.amounts,
            fees=summary.fees,
            timings=summary.timings(),
            interrupted=False,
        )

    async def all(self) -> list[JobState]:
        """Every job, the oldest first."""
        with translated(self._place.name):
            found = await self._open.fetch(_ALL)
        return [
            JobState(
                header=msgspec.json.decode(header, type=Header),
                rows=rows,
                chunks=-(-rows // chunk_rows),
                working=working,
                counts={
                    RowState(state): count
                    for state, count in msgspec.json.decode(counts or "{}").items()
                },
                planned_at=planned_at,
            )
            for header, rows, chunk_rows, planned_at, working, counts in found
        ]

    async def _page(
        self, planned: Planned, names: Sequence[str], after: int, limit: int
    ) -> list[Entry]:
        with translated(self._place.name):
            found = await self._open.fetch(READ, planned.id, after, planned.rows, names, limit)
            return [to_entry(record) for record in found]

    @property
    def _open(self) -> Connection:
        if self._connection is None:
            raise JournalError("use it as: async with PostgresJobs(url) as jobs")
        return self._connection
