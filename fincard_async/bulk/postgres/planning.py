"""B1 on PostgreSQL: every row of a job becomes durable in one transaction, or none does.

Rows stream through a table of the session, so that memory stays flat and a repeated order number
is found by the server, with the place where it stood first.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

import msgspec
from anyio.lowlevel import checkpoint

from fincard_async.bulk.entry import HEADER_DIFFERS, Entry, Header
from fincard_async.bulk.planning import batches_of
from fincard_async.bulk.ports import Plan
from fincard_async.errors import JournalError, JournalMismatch, ValidationError

from .connect import Connection, Record, translated
from .lease import WHOLE
from .records import COLUMNS, TYPES, to_entry, to_record

CHUNK_ROWS: Final = 500
_NAMES: Final = ", ".join(COLUMNS)
_ALONE: Final = "SELECT pg_advisory_xact_lock(hashtextextended($1, 1))"
_STAGE: Final = (
    "CREATE TEMPORARY TABLE staged ("
    + ", ".join(f"{name} {kind}" for name, kind in TYPES.items())
    + ") ON COMMIT DROP"
)
_MOVE: Final = (
    f"INSERT INTO fincard.rows (job_id, {_NAMES}) SELECT $1, {_NAMES} FROM staged ORDER BY seq"
    " ON CONFLICT (order_no) DO NOTHING"
)
_REPEATED: Final = f"""
    SELECT first, {_NAMES} FROM (
        SELECT *, min(seq) OVER (PARTITION BY order_no) AS first FROM staged
    ) AS found WHERE seq > first ORDER BY seq
"""
_CHUNKS: Final = f"""
    INSERT INTO fincard.chunks (job_id, chunk)
    SELECT $1::integer, {WHOLE} UNION ALL SELECT $1, generate_series(0, ($2::bigint - 1) / $3)
"""
_OTHER: Final = {
    **{name: words.replace("journal file", "job name") for name, words in HEADER_DIFFERS.items()},
    "input": "other rows; use the same rows as before, or another job name",
}


@dataclass(frozen=True, slots=True)
class Planned:
    """A job that is in the database."""

    id: int
    header: Header
    chunk_rows: int
    rows: int

    @property
    def chunks(self) -> int:
        """How many chunks it has, numbered from 0."""
        return -(-self.rows // self.chunk_rows)

    def span(self, chunk: int) -> tuple[int, int]:
        """First and last ``seq`` of a chunk."""
        if chunk == WHOLE:
            return 0, self.rows - 1
        first = chunk * self.chunk_rows
        return first, min(first + self.chunk_rows, self.rows) - 1


async def find_job(connection: Connection, job: str) -> Planned | None:
    """A job by its name."""
    found = await connection.fetchrow(
        "SELECT id, header, chunk_rows, rows FROM fincard.jobs WHERE job = $1", job
    )
    if found is None:
        return None
    number, header, chunk_rows, rows = found
    return Planned(number, msgspec.json.decode(header, type=Header), chunk_rows, rows)


async def plan_new(
    connection: Connection, name: str, header: Header, plan: Plan, chunk_rows: int
) -> Planned | None:
    """Make every row of a new job durable; None if there is such a job by now.

    Raises:
        InputError: Rows are faulty; nothing was written.
        ValidationError: A row needs a value that may not stand in a shared journal.
    """
    with translated(name):
        async with connection.transaction():
            await connection.execute(
                "SELECT pg_advisory_xact_lock(hashtextextended($1, 1))", header.job
            )
            if await find_job(connection, header.job) is not None:
                return None
            await connection.execute(_STAGE)
            await connection.copy_records_to_table(
                "staged", records=_records(plan), columns=COLUMNS, schema_name="pg_temp"
            )
            count = await connection.fetchval("SELECT count(*) FROM staged")
            for first, *record in await connection.fetch(_REPEATED) if count else ():
                plan.repeated(to_entry(record), first)
            header = msgspec.structs.replace(header, input=plan.finish())
            number = await connection.fetchval(
                "INSERT INTO fincard.jobs (job, header, chunk_rows, rows)"
                " VALUES ($1, $2, $3, $4) RETURNING id",
                header.job,
                msgspec.json.encode(header).decode(),
                chunk_rows,
                count,
            )
            moved = await connection.execute(_MOVE, number)
            if moved != f"INSERT 0 {count}":
                raise JournalError(f"the journal in {name}: an order number is in another job")
            await connection.execute(_CHUNKS, number, count, chunk_rows)
        await connection.execute("ANALYZE fincard.rows")
    return Planned(number, header, chunk_rows, count)


async def compare(found: Planned, name: str, header: Header, plan: Plan) -> None:
    """Refuse a job that is not the one wanted, down to its rows.

    Raises:
        JournalMismatch: It belongs to something else; the message says to what.
        InputError: Rows are faulty.
    """
    compare_headers(found, name, header)
    rows = 0
    async with batches_of(plan) as batches:
        async for entries in batches:
            rows += len(entries)
            await checkpoint()  # a long input must not keep the lease from being put off
    if (rows, plan.finish()) != (found.rows, found.header.input):
        raise JournalMismatch(f"the job {header.job!r} in {name} belongs to {_OTHER['input']}")


def compare_headers(found: Planned, name: str, wanted: Header) -> None:
    """The same without the rows."""
    for field, words in _OTHER.items():
        if field != "input" and getattr(found.header, field) != getattr(wanted, field):
            raise JournalMismatch(f"the job {wanted.job!r} in {name} belongs to {words}")
    if found.header.format != wanted.format:
        raise JournalError(
            f"the job {wanted.job!r} in {name} has format {found.header.format}, and this version"
            f" of the package writes {wanted.format}"
        )


async def _records(plan: Plan) -> AsyncIterator[Record]:
    async with batches_of(plan) as batches:
        async for entries in batches:
            for entry in entries:
                _refuse_secrets(entry)
                yield to_record(entry)


def _refuse_secrets(entry: Entry) -> None:
    if entry.withheld:
        raise ValidationError(
            f"row {entry.row_id!r} needs {entry.withheld}, which no shared journal may hold:"
            " do such rows from one machine, with a journal in a file"
        )
