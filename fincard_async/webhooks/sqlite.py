"""An inbox in an SQLite file: survives ``kill -9``, and several processes may share it.

Every step is one transaction, durable when it returns (``synchronous=FULL``). The journal is not
WAL, which loses writes in the SQLite of some supported Pythons. One thread at a time uses the
connection, so the event loop never waits for the disk.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeVar

import anyio
import anyio.to_thread

from fincard_async._sansio.webhook import Standing

from .store import Claim, Entry

T = TypeVar("T")

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS events (
    digest TEXT PRIMARY KEY,
    category TEXT,
    event_id TEXT,
    subject TEXT,
    body BLOB NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    token TEXT NOT NULL DEFAULT '',
    lease_until REAL NOT NULL DEFAULT 0,
    done_at REAL,
    error TEXT
) STRICT;
CREATE INDEX IF NOT EXISTS open_events ON events (subject, lease_until) WHERE done_at IS NULL;
CREATE TABLE IF NOT EXISTS subjects (
    subject TEXT PRIMARY KEY,
    step INTEGER NOT NULL,
    time INTEGER NOT NULL,
    place INTEGER NOT NULL,
    digest TEXT NOT NULL,
    status TEXT NOT NULL
) STRICT;
"""
_STANDING: Final = "step, time, place, digest, status"
_BUSY_SECONDS: Final = 10.0


class SqliteStore:
    """Keeps events in a file, made readable by its owner only. See ``InboxStore``.

    Args:
        path: The file; ``None`` for one in memory.
    """

    def __init__(self, path: str | os.PathLike[str] | None) -> None:
        self._path = None if path is None else Path(path)
        self._connection: sqlite3.Connection | None = None
        self._turn = anyio.CapacityLimiter(1)

    async def claim(self, entry: Entry, *, token: str, now: float, lease: float) -> Claim:
        """See ``InboxStore``."""

        def claim(db: sqlite3.Connection) -> Claim:
            db.execute(
                "INSERT INTO events (digest, category, event_id, subject, body)"
                " VALUES (?, ?, ?, ?, ?) ON CONFLICT (digest) DO NOTHING",
                (entry.digest, entry.category, entry.event_id, entry.subject, entry.body),
            )
            done_at, lease_until, attempts = db.execute(
                "SELECT done_at, lease_until, attempts FROM events WHERE digest = ?",
                (entry.digest,),
            ).fetchone()
            if done_at is not None:
                return Claim(state="done")
            taken = db.execute(
                "SELECT 1 FROM events WHERE subject = ? AND done_at IS NULL AND lease_until > ?",
                (entry.subject, now),
            ).fetchone()
            if lease_until > now or taken is not None:
                return Claim(state="busy")
            db.execute(
                "UPDATE events SET token = ?, lease_until = ?, attempts = attempts + 1"
                " WHERE digest = ?",
                (token, now + lease, entry.digest),
            )
            known = _known(db, entry.subject)
            return Claim(state="claimed", token=token, attempts=attempts + 1, known=known)

        return await self._run(claim)

    async def finish(
        self, digest: str, *, token: str, now: float, standing: Standing | None
    ) -> bool:
        """See ``InboxStore``."""

        def finish(db: sqlite3.Connection) -> bool:
            row = db.execute("SELECT subject FROM events WHERE digest = ?", (digest,)).fetchone()
            if standing is not None and row is not None and row[0] is not None:
                _advance(db, row[0], standing)
            done = db.execute(
                "UPDATE events SET done_at = ?, lease_until = 0, body = x'', error = NULL"
                " WHERE digest = ? AND token = ?",
                (now, digest, token),
            )
            return done.rowcount == 1

        return await self._run(finish)

    async def release(self, digest: str, *, token: str, error: str) -> None:
        """See ``InboxStore``."""

        def release(db: sqlite3.Connection) -> None:
            db.execute(
                "UPDATE events SET lease_until = 0, error = ?"
                " WHERE digest = ? AND token = ? AND done_at IS NULL",
                (error, digest, token),
            )

        await self._run(release)

    async def known(self, subject: str) -> Standing | None:
        """See ``InboxStore``."""
        return await self._run(lambda db: _known(db, subject))

    async def waiting(self, *, now: float, limit: int, below: int) -> Sequence[Entry]:
        """See ``InboxStore``."""

        def waiting(db: sqlite3.Connection) -> list[Entry]:
            rows = db.execute(
                "SELECT digest, category, event_id, subject, body, attempts FROM events"
                " WHERE done_at IS NULL AND lease_until <= ? AND attempts < ?"
                " ORDER BY attempts, rowid LIMIT ?",
                (now, below, limit),
            )
            return [
                Entry(digest=a, category=b, event_id=c, subject=d, body=e, attempts=f)
                for a, b, c, d, e, f in rows
            ]

        return await self._run(waiting)

    async def prune(self, *, before: float) -> int:
        """See ``InboxStore``."""
        sql = "DELETE FROM events WHERE done_at < ?"
        return await self._run(lambda db: db.execute(sql, (before,)).rowcount)

    async def aclose(self) -> None:
        """Close the file."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await anyio.to_thread.run_sync(connection.close, limiter=self._turn)

    async def _run(self, step: Callable[[sqlite3.Connection], T]) -> T:
        """One transaction, which a cancelled caller does not cut short."""
        return await anyio.to_thread.run_sync(self._transaction, step, limiter=self._turn)

    def _transaction(self, step: Callable[[sqlite3.Connection], T]) -> T:
        db = self._opened()
        db.execute("BEGIN IMMEDIATE")
        try:
            found = step(db)
            db.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):  # the first error says more
                db.execute("ROLLBACK")
            raise
        return found

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            if self._path is not None:
                os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))
            db = sqlite3.connect(
                ":memory:" if self._path is None else self._path,
                timeout=_BUSY_SECONDS,
                isolation_level=None,
                check_same_thread=False,
            )
            db.execute("PRAGMA synchronous=FULL")
            db.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} COMMIT;")
            self._connection = db
        return self._connection


def _known(db: sqlite3.Connection, subject: str | None) -> Standing | None:
    row = db.execute(
        f"SELECT {_STANDING} FROM subjects WHERE subject = ?",
        (subject,),
    ).fetchone()
    return None if row is None else Standing(*row)


def _advance(db: sqlite3.Connection, subject: str, standing: Standing) -> None:
    known = _known(db, subject)
    if known is None or known < standing:
        values = (standing.step, standing.time, standing.place, standing.digest, standing.status)
        db.execute("REPLACE INTO subjects VALUES (?, ?, ?, ?, ?, ?)", (subject, *values))
