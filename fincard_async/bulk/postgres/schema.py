"""The tables of all jobs, as numbered migrations; never changed, only added to.

::

    jobs     one row for each job: what it belongs to
    chunks   who works at which rows, and its epoch; see ``lease``
    rows     the rows themselves: order number, request, and how far they are
    rates    how fast all machines together may go; see ``rate``

No card number, CVV, PIN or token stands in any of them.
"""

from __future__ import annotations

from typing import Final

from fincard_async.errors import JournalError

from .connect import Connection, translated

SCHEMA: Final = "fincard"
_LOCK: Final = 0x46434A31  # as the application id of the SQLite journal
"""Key of the lock under which the tables are made; two who begin at once wait for each other."""

MIGRATIONS: Final = (
    """
    CREATE TABLE fincard.jobs (
        id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        job text NOT NULL UNIQUE,
        header jsonb NOT NULL,
        chunk_rows bigint NOT NULL CHECK (chunk_rows > 0),
        rows bigint NOT NULL,
        planned_at timestamptz NOT NULL DEFAULT clock_timestamp()
    );
    CREATE TABLE fincard.chunks (
        job_id integer NOT NULL REFERENCES fincard.jobs ON DELETE CASCADE,
        chunk integer NOT NULL,
        epoch bigint NOT NULL DEFAULT 0,
        holder text,
        pid integer,
        lease_until timestamptz,
        PRIMARY KEY (job_id, chunk)
    ) WITH (fillfactor = 40);
    CREATE TABLE fincard.rows (
        job_id integer NOT NULL REFERENCES fincard.jobs ON DELETE CASCADE,
        seq bigint NOT NULL,
        row_id text NOT NULL,
        order_no text NOT NULL UNIQUE,
        payload text NOT NULL,
        amount numeric,
        target text,
        generation integer NOT NULL,
        state text NOT NULL,
        reason text,
        sends integer NOT NULL,
        closed integer NOT NULL,
        first_sent_at bigint,
        last_sent_at bigint,
        ended_at bigint,
        card_no text,
        currency text,
        fee numeric,
        received_amount numeric,
        received_currency text,
        code text,
        message text,
        PRIMARY KEY (job_id, seq)
    ) WITH (fillfactor = 70);
    CREATE INDEX rows_by_target ON fincard.rows (job_id, target, seq) WHERE target IS NOT NULL;
    CREATE TABLE fincard.rates (
        name text PRIMARY KEY,
        next_at double precision NOT NULL
    );
    """,
)


async def migrate(connection: Connection, name: str) -> None:
    """Bring the tables up to date, however many begin at once.

    Raises:
        JournalError: They were made by a later version of this package.
    """
    with translated(name):
        if await _version(connection) == len(MIGRATIONS):
            return
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
            await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
            await connection.execute(
                "CREATE TABLE IF NOT EXISTS fincard.migrations (number integer PRIMARY KEY,"
                " applied_at timestamptz NOT NULL DEFAULT clock_timestamp())"
            )
            version = await _version(connection)
            if version > len(MIGRATIONS):
                raise JournalError(
                    f"the journal in {name} has format {version}, and this version of the package"
                    f" reads up to {len(MIGRATIONS)}; use the later version"
                )
            for number in range(version + 1, len(MIGRATIONS) + 1):
                await connection.execute(MIGRATIONS[number - 1])
                await connection.execute("INSERT INTO fincard.migrations VALUES ($1)", number)


async def _version(connection: Connection) -> int:
    if await connection.fetchval("SELECT to_regclass('fincard.migrations')") is None:
        return 0
    found = await connection.fetchval("SELECT coalesce(max(number), 0) FROM fincard.migrations")
    assert isinstance(found, int)
    return found
