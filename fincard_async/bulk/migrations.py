"""What stands in a journal file, version by version; ``PRAGMA user_version`` is the version.

A migration is a list of statements that is carried out in the transaction that opens the file, so
that a file has one version or the other. Numbers only grow, and what was released is not edited.

Format 1 kept no requests. A file that comes from it gets them when its rows are next read: they
must have the digest of that time, which ``DigestOfFormat1`` computes once more.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Final

from fincard_async._generated.models.cards import OpenCardRequest
from fincard_async._sansio.codec import make_decoder

from .entry import FORMAT, Entry, RowState

APPLICATION_ID: Final = 0x46434A31
"""Marks the file as a journal of this package."""
FROM_FORMAT_1: Final = "format 1: "
"""Begins the digest of a journal whose rows have no requests yet."""

BUSY: Final = ", ".join(
    f"'{state.value}'"
    for state in (RowState.INTENT, RowState.UNKNOWN, RowState.ACCEPTED, RowState.PARKED)
)
"""States in which a row is not for long; only these are indexed, so that the index stays small."""

_SCHEMA: Final = (
    "CREATE TABLE header (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    """CREATE TABLE rows (
        seq INTEGER PRIMARY KEY,
        row_id TEXT NOT NULL,
        order_no TEXT NOT NULL UNIQUE,
        payload TEXT NOT NULL,
        amount TEXT,
        target TEXT,
        generation INTEGER NOT NULL,
        withheld TEXT NOT NULL,
        state TEXT NOT NULL,
        reason TEXT,
        sends INTEGER NOT NULL,
        closed INTEGER NOT NULL,
        first_sent_at INTEGER,
        last_sent_at INTEGER,
        ended_at INTEGER,
        card_no TEXT,
        currency TEXT,
        fee TEXT,
        received_amount TEXT,
        received_currency TEXT,
        code,
        message TEXT
    )""",
    "CREATE TABLE digests (seq INTEGER PRIMARY KEY, digest TEXT NOT NULL)",
    f"CREATE INDEX rows_under_way ON rows (seq) WHERE state IN ({BUSY})",
    "CREATE INDEX rows_by_target ON rows (target, seq) WHERE target IS NOT NULL",
)

_TO_2: Final = (
    "ALTER TABLE rows RENAME TO rows_1",
    "DROP INDEX rows_by_state",
    *_SCHEMA[1:],
    """INSERT INTO rows
        SELECT seq, row_id, order_no, '', amount, NULL, 0, '', state,
            CASE state WHEN 'parked' THEN 'mismatch' END,
            sends, closed, first_sent_at, last_sent_at, NULL,
            card_no, currency, fee, received_amount, received_currency, code, message
        FROM rows_1""",
    "DROP TABLE rows_1",
    f"UPDATE header SET value = '{FROM_FORMAT_1}' || value WHERE name = 'input'",
    "INSERT INTO header VALUES ('kind', 'open'), ('format', '2')",
)

MIGRATIONS: Final[Mapping[int, Iterable[str]]] = {0: _SCHEMA, 1: _TO_2}
"""By the version that a file has: what brings it to a later one. 0 is a new file."""
LEADS_TO: Final[Mapping[int, int]] = {0: FORMAT, 1: 2}
"""By the version that a file has: the version that its migration makes."""


class DigestOfFormat1:
    """The digest of rows as format 1 had it."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self._decoder = make_decoder(OpenCardRequest)

    def add(self, entries: Iterable[Entry]) -> None:
        """The next rows."""
        for entry in entries:
            request: OpenCardRequest = self._decoder.decode(entry.payload)
            parts = (
                entry.row_id,
                request.card_type_id,
                request.amount,
                request.holder_id,
                request.account_id,
            )
            for part in parts:
                data = str(part).encode()
                self._digest.update(len(data).to_bytes(8, "big") + data)

    def value(self) -> str:
        """The digest of all rows so far."""
        return self._digest.hexdigest()
