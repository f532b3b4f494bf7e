"""An inbox in PostgreSQL, for services on several machines; needs the extra ``postgres``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from importlib import import_module
from typing import Any, Final, Protocol

import anyio

from fincard_async._sansio.webhook import Standing
from fincard_async.errors import MissingExtraError

from .store import Claim, Entry


class _Database(Protocol):
    """What is used of a connection of asyncpg, which has no types of its own."""

    async def execute(self, query: str, *values: object) -> str: ...

    async def fetchrow(self, query: str, *values: object) -> Mapping[str, Any] | None: ...

    async def fetchval(self, query: str, *values: object) -> Any: ...

    def transaction(self) -> AbstractAsyncContextManager[object]: ...


class _Pool(Protocol):
    """What is used of its pool."""

    def acquire(self) -> AbstractAsyncContextManager[_Database]: ...

    async def execute(self, query: str, *values: object) -> str: ...

    async def fetch(self, query: str, *values: object) -> list[Mapping[str, Any]]: ...

    async def close(self) -> None: ...


_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS fincard_inbox (
    digest text PRIMARY KEY,
    number bigserial NOT NULL,
    category text,
    event_id text,
    subject text,
    body bytea NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    token text NOT NULL DEFAULT '',
    lease_until double precision NOT NULL DEFAULT 0,
    done_at double precision,
    error text
);
CREATE INDEX IF NOT EXISTS fincard_inbox_open
    ON fincard_inbox (subject, lease_until) WHERE done_at IS NULL;
CREATE TABLE IF NOT EXISTS fincard_inbox_subjects (
    subject text PRIMARY KEY,
    step integer NOT NULL,
    time bigint NOT NULL,
    place integer NOT NULL,
    digest text COLLATE "C" NOT NULL,
    status text NOT NULL
);
"""
_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))"
_STANDING: Final = "step, time, place, digest, status"


class PostgresStore:
    """Keeps events in two tables, which it makes. See ``InboxStore``.

    Args:
        dsn: Where the database is, such as ``postgresql://user@host/name``.

    Raises:
        MissingExtraError: asyncpg is not installed.
    """

    def __init__(self, dsn: str) -> None:
        try:
            self._asyncpg = import_module("asyncpg")
        except ModuleNotFoundError:
            raise MissingExtraError(
                'an inbox in PostgreSQL needs asyncpg: pip install "fincard-async[postgres]"'
            ) from None
        self._dsn = dsn
        self._pool: _Pool | None = None
        self._opening = anyio.Lock()

    async def claim(self, entry: Entry, *, token: str, now: float, lease: float) -> Claim:
        """See ``InboxStore``."""
        pool = await self._opened()
        async with pool.acquire() as db, db.transaction():
            # Events of one subject take turns; events without one are alone.
            await db.execute(_LOCK, entry.subject or entry.digest)
            await db.execute(
                "INSERT INTO fincard_inbox (digest, category, event_id, subject, body)"
                " VALUES ($1, $2, $3, $4, $5) ON CONFLICT (digest) DO NOTHING",
                *(entry.digest, entry.category, entry.event_id, entry.subject, entry.body),
            )
            row = await db.fetchrow(
                "SELECT done_at, lease_until FROM fincard_inbox WHERE digest = $1 FOR UPDATE",
                entry.digest,
            )
            if row is not None and row["done_at"] is not None:
                return Claim(state="done")
            taken = await db.fetchval(
                "SELECT true FROM fincard_inbox WHERE (subject = $1 OR digest = $2)"
                " AND done_at IS NULL AND lease_until > $3 LIMIT 1",
                *(entry.subject, entry.digest, now),
            )
            if taken:
                return Claim(state="busy")
            attempts: int = await db.fetchval(
                "UPDATE fincard_inbox SET token = $2, lease_until = $3, attempts = attempts + 1"
                " WHERE digest = $1 RETURNING attempts",
                *(entry.digest, token, now + lease),
            )
            known = await _known(db, entry.subject)
            return Claim(state="claimed", token=token, attempts=attempts, known=known)

    async def finish(
        self, digest: str, *, token: str, now: float, standing: Standing | None
    ) -> bool:
        """See ``InboxStore``."""
        pool = await self._opened()
        async with pool.acquire() as db, db.transaction():
            subject = await db.fetchval(
                "SELECT subject FROM fincard_inbox WHERE digest = $1", digest
            )
            if standing is not None and subject is not None:
                await _advance(db, subject, standing)
            done = await db.fetchval(
                "UPDATE fincard_inbox SET done_at = $3, lease_until = 0, body = '', error = NULL"
                " WHERE digest = $1 AND token = $2 RETURNING true",
                *(digest, token, now),
            )
            return bool(done)

    async def release(self, digest: str, *, token: str, error: str) -> None:
        """See ``InboxStore``."""
        pool = await self._opened()
        await pool.execute(
            "UPDATE fincard_inbox SET lease_until = 0, error = $3"
            " WHERE digest = $1 AND token = $2 AND done_at IS NULL",
            *(digest, token, error),
        )

    async def known(self, subject: str) -> Standing | None:
        """See ``InboxStore``."""
        pool = await self._opened()
        async with pool.acquire() as db:
            return await _known(db, subject)

    async def waiting(self, *, now: float, limit: int, below: int) -> Sequence[Entry]:
        """See ``InboxStore``."""
        pool = await self._opened()
        rows = await pool.fetch(
            "SELECT digest, category, event_id, subject, body, attempts FROM fincard_inbox"
            " WHERE done_at IS NULL AND lease_until <= $1 AND attempts < $2"
            " ORDER BY attempts, number LIMIT $3",
            *(now, below, limit),
        )
        return [Entry(**dict(row)) for row in rows]

    async def prune(self, *, before: float) -> int:
        """See ``InboxStore``."""
        pool = await self._opened()
        rows = await pool.fetch(
            "DELETE FROM fincard_inbox WHERE done_at < $1 RETURNING digest", before
        )
        return len(rows)

    async def aclose(self) -> None:
        """Close every connection."""
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.close()

    async def _opened(self) -> _Pool:
        async with self._opening:
            if self._pool is None:
                pool: _Pool = await self._asyncpg.create_pool(self._dsn, min_size=1, max_size=8)
                async with pool.acquire() as db, db.transaction():
                    await db.execute(_LOCK, "fincard_inbox")  # two makers of one table collide
                    await db.execute(_SCHEMA)
                self._pool = pool
            return self._pool


async def _known(db: _Database, subject: str | None) -> Standing | None:
    row = await db.fetchrow(
        f"SELECT {_STANDING} FROM fincard_inbox_subjects WHERE subject = $1",
        subject,
    )
    return None if row is None else Standing(*row.values())


async def _advance(db: _Database, subject: str, new: Standing) -> None:
    await db.execute(
        f"INSERT INTO fincard_inbox_subjects AS old (subject, {_STANDING})"
        " VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (subject) DO UPDATE SET"
        " step = $2, time = $3, place = $4, digest = $5, status = $6"
        " WHERE (old.step, old.time, old.place, old.digest) < ($2, $3, $4, $5)",
        *(subject, new.step, new.time, new.place, new.digest, new.status),
    )
