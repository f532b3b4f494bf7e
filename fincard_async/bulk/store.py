"""The journal's file: one SQLite database, held by one connection, changed in transactions.

What makes it durable (correctness, head and 3.3): a rollback journal that is truncated after each
transaction, and ``synchronous=FULL``, so that a commit returns only when the disk has it; no WAL,
whose reset bug is in the SQLite of Python 3.11. An exclusive lock is held from ``open`` to
``close``. Everything here blocks, and belongs to one thread.

``statements`` has what is asked of it, and why rows go in and out in groups.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, TypeAlias

import msgspec

from fincard_async.errors import JournalError, JournalLocked

from .entry import FORMAT, Entry, Header, RowState
from .lock import MOUNTS, Lock, network_file_system
from .migrations import APPLICATION_ID, LEADS_TO, MIGRATIONS
from .statements import (
    FILL_IN,
    FIRST_INTENT,
    MOST_AT_ONCE,
    UPDATE,
    fixed_values,
    insert,
    is_first_intent,
    select,
    select_states,
    to_entries,
)

_LOCK_SECONDS: Final = 1.0
_SYNC_FULL: Final = 2

Connect: TypeAlias = Callable[..., sqlite3.Connection]

_FULL = "the disk is full; make room"
_REFUSED = "the file or its folder cannot be written; change its permissions"
_DAMAGED = "the file is damaged or not a journal; restore it, or move it away"
_BROKEN = "disk I/O error: the disk is full or fails; make room or repair it, and run again"
_ADVICE: Final = {
    sqlite3.SQLITE_IOERR: _BROKEN,
    sqlite3.SQLITE_FULL: _FULL,
    sqlite3.SQLITE_READONLY: _REFUSED,
    sqlite3.SQLITE_CANTOPEN: _REFUSED,
    sqlite3.SQLITE_PERM: _REFUSED,
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_NOTADB: _DAMAGED,
}


class Store:
    """One journal file.

    Args:
        path: Where it is, or will be.
        connect: Makes the connection, as ``sqlite3.connect`` does; a test passes its own.
        any_file_system: Do not refuse a network file system.
        mounts: The system's list of mounts; a test passes its own.
    """

    def __init__(
        self,
        path: Path,
        connect: Connect,
        *,
        any_file_system: bool = False,
        mounts: Path = MOUNTS,
    ) -> None:
        self._path = path
        self._mounts = mounts
        self._connect = connect
        self._any_file_system = any_file_system
        self._db: sqlite3.Connection | None = None
        self._lock = Lock(path)
        self._fresh = False
        """True if this object made the file, and no plan is durable in it yet."""

    # -- Opening -----------------------------------------------------------------------------------

    def open(self, *, make: bool) -> Header | None:
        """Lock the file and bring it to the present format; None if it has no rows yet.

        Args:
            make: Make the file if there is none.

        Raises:
            JournalLocked: Another process, or another run in this one, holds it.
            JournalError: It cannot be used.
        """
        if not make and not self._path.exists():
            raise self._error("there is no such file")
        kind = network_file_system(self._path.parent, self._mounts)
        if kind is not None and not self._any_file_system:
            raise self._error(
                f"is on a network file system ({kind}), where neither locks nor syncs can be relied"
                " on; put it on a local disk"
            )
        self._lock.acquire()
        try:
            return self._open()
        except BaseException:
            self.close()
            raise

    def _open(self) -> Header | None:
        self._fresh = created = self._create_file()
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
            header = None if new else self._check(db)
        if not created:
            self._restrict()
        return header

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

    def _check(self, db: sqlite3.Connection) -> Header:
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if not 1 <= version <= FORMAT:
            raise self._error(
                f"has format {version}, and this version of the package reads up to {FORMAT}"
            )
        if db.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
            raise self._error(_DAMAGED)
        if version < FORMAT:
            db.execute("BEGIN")
            self._migrate(db, version)
            db.execute("COMMIT")
        return self.header()

    def header(self) -> Header:
        """What the file belongs to."""
        with self._translated() as db:
            found = dict(db.execute("SELECT name, value FROM header"))
            return msgspec.convert(found, Header, strict=False)

    def _migrate(self, db: sqlite3.Connection, version: int) -> None:
        while version < FORMAT:
            for statement in MIGRATIONS[version]:
                db.execute(statement)
            version = LEADS_TO[version]
        db.execute(f"PRAGMA user_version={version}")

    # -- Planning ----------------------------------------------------------------------------------

    def begin_plan(self) -> None:
        """Begin the one transaction that makes the whole plan durable (B1)."""
        with self._translated() as db:
            db.execute("BEGIN")
            db.execute(f"PRAGMA application_id={APPLICATION_ID}")
            self._migrate(db, 0)

    def plan(self, entries: Sequence[Entry], mark: str) -> list[tuple[Entry, int]]:
        """Add rows; returned are those whose order number was there before, and at which seq."""
        with self._translated() as db:
            before = db.total_changes
            for start in range(0, len(entries), MOST_AT_ONCE):
                few = entries[start : start + MOST_AT_ONCE]
                db.execute(insert(len(few)), fixed_values(few))
            added = db.total_changes - before
            if entries:
                db.execute("INSERT INTO digests VALUES (?, ?)", (entries[-1].seq, mark))
            if added == len(entries):
                return []
            return [
                (entry, seq)
                for entry in entries
                for (seq,) in db.execute(
                    "SELECT seq FROM rows WHERE order_no = ? AND seq != ?",
                    (entry.order_no, entry.seq),
                )
                if seq < entry.seq
            ]

    def finish_plan(self, header: Header) -> None:
        """Make the plan durable."""
        with self._translated() as db:
            values = msgspec.structs.asdict(header).items()
            db.executemany("INSERT INTO header VALUES (?, ?)", [(n, str(v)) for n, v in values])
            db.execute("COMMIT")
        self._fresh = False
        self._sync_folder()

    def marks(self) -> dict[int, str]:
        """The marks of the batches of the plan, by their last seq."""
        with self._translated() as db:
            return dict(db.execute("SELECT seq, digest FROM digests"))

    def size(self) -> tuple[int, int]:
        """How many rows there are, and the last seq."""
        with self._translated() as db:
            count, last = db.execute("SELECT count(*), max(seq) FROM rows").fetchone()
            return count, -1 if last is None else last

    def begin_filling_in(self) -> None:
        """Begin the transaction that gives the rows of format 1 their requests."""
        with self._translated() as db:
            db.execute("BEGIN")

    def fill_in(self, entries: Sequence[Entry], mark: str) -> None:
        """Give rows of format 1 their requests."""
        with self._translated() as db:
            db.execute(FILL_IN.sql, FILL_IN.parameters(entries))
            db.execute("INSERT INTO digests VALUES (?, ?)", (entries[-1].seq, mark))

    def finish_filling_in(self, digest: str) -> None:
        """All rows of format 1 have their requests now."""
        with self._translated() as db:
            db.execute("UPDATE header SET value = ? WHERE name = 'input'", (digest,))
            db.execute("COMMIT")

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

    # -- Rows --------------------------------------------------------------------------------------

    def write(self, entries: Sequence[Entry]) -> None:
        """Bring entries up to date in one transaction; durable when this returns."""
        with self._translated() as db:
            db.execute("BEGIN")
            first = [entry for entry in entries if is_first_intent(entry)]
            if first:
                db.execute(FIRST_INTENT.sql, FIRST_INTENT.parameters(first))
            if len(first) < len(entries):
                others = [entry for entry in entries if not is_first_intent(entry)]
                db.execute(UPDATE.sql, UPDATE.parameters(others))
            db.execute("COMMIT")

    def read(
        self,
        states: Iterable[RowState],
        after: int,
        limit: int,
        until: int | None = None,
        in_turn: bool = False,
    ) -> list[Entry]:
        """Entries with ``after < seq <= until``, in order; see ``ports.Journal.read``."""
        return self._entries(*select_states(list(states), after, limit, until, in_turn))

    def find(self, order_nos: Sequence[str]) -> list[Entry]:
        """Entries with any of these order numbers."""
        marks = ", ".join("?" * len(order_nos))
        return self._entries(select(f"order_no IN ({marks})"), order_nos)

    def _entries(self, sql: str, values: Sequence[object]) -> list[Entry]:
        with self._translated() as db:
            return to_entries(db.execute(sql, values).fetchone()[0])

    def counts(self, after: int = -1, until: int | None = None) -> dict[RowState, int]:
        """How many rows of a range are in each state."""
        sql = "SELECT state, count(*) FROM rows WHERE seq > ? AND seq <= ? GROUP BY state"
        last = (1 << 62) if until is None else until
        with self._translated() as db:
            return {RowState(state): count for state, count in db.execute(sql, (after, last))}

    def close(self) -> None:
        """Let go of the file and its lock; what is not committed is undone.

        A file whose plan did not become durable is removed: nothing was sent from it.
        """
        if self._db is not None:
            self._db.close()
            self._db = None
        if self._fresh:
            for path in (self._path, self._path.with_name(f"{self._path.name}-journal")):
                with suppress(OSError):
                    path.unlink()
        self._fresh = False
        self._lock.release()

    @contextmanager
    def _translated(self) -> Generator[Any]:
        """Yield the connection; its errors become ours."""
        try:
            yield self._db
        except sqlite3.Error as error:
            code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
            if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                message = f"the journal {self._path} is held by another program; wait for its end"
                raise JournalLocked(message) from None
            raise self._error(_ADVICE.get(code, f"failed: {error}")) from None
        except (ValueError, msgspec.MsgspecError):
            raise self._error(_DAMAGED) from None

    def _error(self, what: str) -> JournalError:
        return JournalError(f"the journal {self._path}: {what}")
