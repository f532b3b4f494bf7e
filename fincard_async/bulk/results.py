"""Reading a SQLite journal at rest: one result after the other, in flat memory."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from .journal import SqliteJournal
from .ports import Journal
from .report import Reader, RowResult, to_result
from .store import Store

_PAGE: Final = 1000


def read_results(path: str | os.PathLike[str]) -> Iterator[RowResult]:
    """The result of each row of a journal, in the order of the input.

    The journal is locked while results are being read; close the iterator, or read it to its end.

    Raises:
        JournalLocked: A run holds the journal.
        JournalError: There is none, or it cannot be used.
    """
    store = Store(Path(path), sqlite3.connect)
    try:
        store.open(make=False)
        after = -1
        while entries := store.read((), after, _PAGE):
            after = entries[-1].seq
            yield from map(to_result, entries)
    finally:
        store.close()


def reader_of(journal: Journal) -> Reader | None:
    """Reads results of a journal that a run has closed; None if it is no file."""
    if not isinstance(journal, SqliteJournal):
        return None
    path = journal.path

    def read(after: int, limit: int) -> Sequence[RowResult]:
        store = Store(path, sqlite3.connect, any_file_system=True)
        try:
            store.open(make=False)
            return [to_result(entry) for entry in store.read((), after, limit)]
        finally:
            store.close()

    return read
