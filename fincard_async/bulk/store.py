"""The journal's file: one SQLite database, held by one connection, changed in transactions.

What makes it durable (correctness, head and 3.3): a rollback journal that is truncated after each
transaction, and ``synchronous=FULL``, so that a commit returns only when the disk has it; no WAL,
whose reset bug is in the SQLite of Python 3.11. An exclusive lock is held from ``open`` to
``close``. Everything here blocks, and belongs to one thread.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, TypeAlias

from fincard_async.errors import JournalError, JournalLocked

from .plan import Entry, RowState

FORMAT: Final = 1
APPLICATION_ID: Final = 0x46434A31
"""Marks the file as a journal of this package."""

_LOCK_SECONDS: Final = 1.0
_SYNC_FULL: Final = 2

Connect: TypeAlias = Callable[..., sqlite3.Connection]

_SCHEMA: Final = (
    "CREATE TABLE header (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    """CREATE TABLE rows (
        seq INTEGER PRIMARY KEY,
        row_id TEXT NOT NULL,
        order_no TEXT NOT NULL UNIQUE,
        amount TEXT NOT NULL,
        state TEXT NOT NULL,
        sends INTEGER NOT NULL,
        closed INTEGER NOT NULL,
        first_sent_at INTEGER,
        last_sent_at INTEGER,
        card_no TEXT,
        currency TEXT,
        fee TEXT,
        received_amount TEXT,
        received_currency TEXT,
        code,
        message TEXT
    )""",
    "CREATE INDEX rows_by_state ON rows (state, seq)",
)
_COLUMNS: Final = tuple(field.name for field in fields(Entry))
_FIXED: Final = ("seq", "row_id", "order_no", "amount")
_INSERT: Final = (
    f"INSERT INTO rows ({', '.join(_COLUMNS)}) VALUES ({', '.join(':' + c for c in _COLUMNS)})"
)
_UPDATE: Final = (
    f"UPDATE rows SET {', '.join(f'{c} = :{c}' for c in _COLUMNS if c not in _FIXED)}"
    " WHERE seq = :seq"
)
_SELECT: Final = f"SELECT {', '.join(_COLUMNS)} FROM rows"

_FULL = "the disk is full; make room"
_REFUSED = "the file or its folder cannot be written; change its permissions"
_DAMAGED = "the file is damaged or not a journal; restore it, or move it away"
_ADVICE: Final = {
    sqlite3.SQLITE_FULL: _FULL,
    sqlite3.SQLITE_READONLY: _REFUSED,
    sqlite3.SQLITE_CANTOPEN: _REFUSED,
    sqlite3.SQLITE_PERM: _REFUSED,
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_NOTADB: _DAMAGED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What a journal belongs to. A journal of anything else is refused."""

    job: str
    server: str
    tenant: str
    input: str
    """Digest of the rows."""


_DIFFERENT: Final = {
    "job": "another job; use another journal file for each job",
    "server": "another server; point the client at that server, or use another journal file",
    "tenant": "another tenant; use that tenant, or another journal file",
    "input": "other rows; use the same rows as before, or another job with its own journal",
}


class Store:
    """One open journal file.

    Args:
        path: Where it is, or will be.
        connect: Makes the connection, as ``sqlite3.connect`` does; a test passes its own.
    """

    def __init__(self, path: Path, connect: Connect) -> None:
        self._path = path
        self._connect = connect
        self._db: sqlite3.Connection | None = None

    def open(self, header: Header, entries: Sequence[Entry]) -> None:
        """Lock the file; a new one gets every row in one transaction (B1), an old one must fit.

        Raises:
            JournalLocked: Another process, or another run in this one, holds it.
            JournalError: It cannot be used, or belongs to something else.
        """
        created = self._create_file()
        with self._translated():
            # A lock that is asked for in exclusive mode is not let go when it is refused, so that
            # two processes that start together could keep each other out: first lock, then keep.
            self._db = db = self._connect(self._path, timeout=_LOCK_SECONDS, isolation_level=None)
            db.execute("BEGIN EXCLUSIVE")
            db.execute("PRAGMA locking_mode=EXCLUSIVE")
            new = not db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
            ours = db.execute("PRAGMA application_id").fetchone()[0] == APPLICATION_ID
            db.execute("COMMIT")
            if not (new or ours):
                raise self._error("is not a journal; name another file")
            self._set_durable(db)
            if new:
                self._plan(db, header, entries)
            else:
                self._check(db, header, len(entries))
        if not created:
            self._restrict()

    def _set_durable(self, db: sqlite3.Connection) -> None:
        mode = db.execute("PRAGMA journal_mode=TRUNCATE").fetchone()[0]
        db.execute("PRAGMA synchronous=FULL")
        if mode != "truncate" or db.execute("PRAGMA synchronous").fetchone()[0] != _SYNC_FULL:
            raise self._error("cannot be made durable; put it on a local disk")

    def _create_file(self) -> bool:
        """Make the file readable for its owner only, before anything is in it."""
        try:
            os.close(os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except FileExistsError:
            return False
        except OSError as error:
            raise self._error(f"cannot be made: {error.strerror}") from None
        return True

    def _restrict(self) -> None:
        try:
            os.chmod(self._path, 0o600)
        except OSError as error:
            raise self._error(f"cannot be made private: {error.strerror}") from None

    def _sync_folder(self) -> None:
        """Make the name of a new file durable."""
        if os.name != "posix":
            return
        try:
            folder = os.open(self._path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            raise self._error(f"cannot be made durable: {error.strerror}") from None

    def _plan(self, db: sqlite3.Connection, header: Header, entries: Iterable[Entry]) -> None:
        db.execute("BEGIN")
        db.execute(f"PRAGMA application_id={APPLICATION_ID}")
        db.execute(f"PRAGMA user_version={FORMAT}")
        for statement in _SCHEMA:
            db.execute(statement)
        names = [(field.name, getattr(header, field.name)) for field in fields(Header)]
        db.executemany("INSERT INTO header VALUES (?, ?)", names)
        db.executemany(_INSERT, (_to_record(entry) for entry in entries))
        db.execute("COMMIT")
        self._sync_folder()

    def _check(self, db: sqlite3.Connection, header: Header, count: int) -> None:
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version != FORMAT:
            raise self._error(
                f"has format {version}, and this version of the package reads {FORMAT}"
            )
        if db.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
            raise self._error(_DAMAGED)
        found = dict(db.execute("SELECT name, value FROM header"))
        for field in fields(Header):
            if found.get(field.name) != getattr(header, field.name):
                raise self._error(f"belongs to {_DIFFERENT[field.name]}")
        if db.execute("SELECT count(*) FROM rows").fetchone()[0] != count:
            raise self._error(_DAMAGED)

    def write(self, entries: Iterable[Entry]) -> None:
        """Bring entries up to date in one transaction; durable when this returns."""
        with self._translated() as db:
            db.execute("BEGIN")
            db.executemany(_UPDATE, (_to_record(entry) for entry in entries))
            db.execute("COMMIT")

    def read(self, states: Iterable[RowState], after: int, limit: int) -> list[Entry]:
        """Entries with a ``seq`` above ``after``, in order: in any of these states, or all."""
        names = [state.value for state in states]
        among = f"state IN ({', '.join('?' * len(names))}) AND" if names else ""
        sql = f"{_SELECT} WHERE {among} seq > ? ORDER BY seq LIMIT ?"
        with self._translated() as db:
            return [_to_entry(record) for record in db.execute(sql, (*names, after, limit))]

    def find(self, order_nos: Sequence[str]) -> list[Entry]:
        """Entries with any of these order numbers."""
        marks = ", ".join("?" * len(order_nos))
        with self._translated() as db:
            records = db.execute(f"{_SELECT} WHERE order_no IN ({marks})", order_nos)
            return [_to_entry(record) for record in records]

    def counts(self) -> dict[RowState, int]:
        """How many rows are in each state."""
        with self._translated() as db:
            records = db.execute("SELECT state, count(*) FROM rows GROUP BY state")
            return {RowState(state): count for state, count in records}

    def close(self) -> None:
        """Let go of the file and its lock; what is not committed is undone."""
        if self._db is not None:
            self._db.close()
            self._db = None

    @contextmanager
    def _translated(self) -> Generator[Any]:
        """Yield the connection; its errors become ours."""
        try:
            yield self._db
        except sqlite3.Error as error:
            code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
            if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                message = f"the journal {self._path} is held by another run; wait for its end"
                raise JournalLocked(message) from None
            raise self._error(_ADVICE.get(code, f"failed: {error}")) from None
        except (ValueError, ArithmeticError):
            raise self._error(_DAMAGED) from None

    def _error(self, what: str) -> JournalError:
        return JournalError(f"the journal {self._path}: {what}")


def _to_record(entry: Entry) -> dict[str, object]:
    record = {name: getattr(entry, name) for name in _COLUMNS}
    record["state"] = entry.state.value
    for name in ("amount", "fee", "received_amount"):
        if record[name] is not None:
            record[name] = str(record[name])
    return record


def _to_entry(record: Sequence[Any]) -> Entry:
    found = dict(zip(_COLUMNS, record, strict=True))
    found["state"] = RowState(found["state"])
    for name in ("amount", "fee", "received_amount"):
        if found[name] is not None:
            found[name] = Decimal(found[name])
    return Entry(**found)
