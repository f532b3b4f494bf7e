"""A copy of the server's ledger over a window of time, on disk: a million rows need no memory.

The copy is an SQLite database without a name: SQLite removes its file itself. Every order of the
platform is in it once for each query that lists it, however often a moving list repeated it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterable, Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal
from types import TracebackType
from typing import Any, Final, TypeVar

from anyio import to_thread

from fincard_async._generated.models.common import OperationStatus
from fincard_async._generated.models.transactions import OperationRecord, PurchaseRecord
from fincard_async._sansio.paging import Page

T = TypeVar("T")

_SCHEMA: Final = """
    CREATE TABLE booked (
        number TEXT, platform TEXT, query TEXT, kind TEXT, status TEXT, card_no TEXT,
        amount TEXT, currency TEXT, at INTEGER, claimed INTEGER DEFAULT 0,
        PRIMARY KEY (query, platform)
    ) WITHOUT ROWID
"""
_INDEX: Final = "CREATE INDEX booked_by_number ON booked (number, query)"
_COLUMNS: Final = "number, platform, query, kind, status, card_no, amount, currency, at"


@dataclass(frozen=True, slots=True, kw_only=True)
class Booked:
    """One order, as one query of the server lists it."""

    number: str | None
    """The client's number; None for what the platform did by itself."""
    platform: str
    """The platform's own number."""
    query: str
    """Name of the query."""
    kind: str
    status: OperationStatus
    card_no: str | None
    amount: Decimal | None
    currency: str | None
    at: int | None
    """When it was made, in epoch milliseconds."""


def of_operation(record: OperationRecord) -> Booked:
    """An order in the list of operations."""
    return Booked(
        number=record.merchant_order_no,
        platform=record.order_no,
        query="operations",
        kind=record.type.value,
        status=record.status,
        card_no=record.card_no,
        amount=record.amount,
        currency=record.currency,
        at=record.transaction_time,
    )


def of_purchase(record: PurchaseRecord, kind: str) -> Booked:
    """An order in the list of purchases, which does not name the card."""
    return Booked(
        number=record.merchant_order_no,
        platform=record.order_no,
        query="purchases",
        kind=kind,
        status=record.status,
        card_no=None,
        amount=record.deposit_amount,
        currency=record.currency,
        at=record.transaction_time,
    )


class Books:
    """The copy; a context manager. Its calls come from one task."""

    def __enter__(self) -> Books:
        self._db = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=OFF")
        self._db.execute(_SCHEMA)
        self._db.execute(_INDEX)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._db.close()

    async def add(self, rows: Sequence[Booked]) -> None:
        """Copy rows; one that is there already is replaced by what is newer."""
        await to_thread.run_sync(self._add, rows)

    def _add(self, rows: Sequence[Booked]) -> None:
        records = [_to_record(row) for row in rows]
        self._db.execute("BEGIN")
        self._db.executemany(
            f"INSERT OR REPLACE INTO booked ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            records,
        )
        self._db.execute("COMMIT")

    async def claim(self, numbers: Sequence[str]) -> dict[str, list[Booked]]:
        """The rows of these numbers, by number; from now on they are somebody's."""
        return await to_thread.run_sync(self._claim, numbers)

    def _claim(self, numbers: Sequence[str]) -> dict[str, list[Booked]]:
        marks = ", ".join("?" * len(numbers))
        found: dict[str, list[Booked]] = {}
        records = self._db.execute(
            f"SELECT {_COLUMNS} FROM booked WHERE number IN ({marks})", numbers
        ).fetchall()
        self._db.execute(f"UPDATE booked SET claimed = 1 WHERE number IN ({marks})", numbers)
        for record in records:
            found.setdefault(record[0], []).append(_to_booked(record))
        return found

    def unclaimed(self) -> Iterator[Booked]:
        """The rows of numbers that nobody claimed, in order of time."""
        sql = f"SELECT {_COLUMNS} FROM booked WHERE NOT claimed ORDER BY at, platform, query"
        with closing(self._db.execute(sql)) as cursor:
            yield from map(_to_booked, cursor)


async def copy_pages(
    books: Books, pages: AsyncIterable[Page[T]], read: Callable[[T], Booked]
) -> None:
    """Copy page by page."""
    async for page in pages:
        await books.add([read(record) for record in page.records])


def _to_record(row: Booked) -> tuple[object, ...]:
    amount = None if row.amount is None else str(row.amount)
    return (
        *(row.number, row.platform, row.query, row.kind, row.status.value),
        *(row.card_no, amount, row.currency, row.at),
    )


def _to_booked(record: Sequence[Any]) -> Booked:
    number, platform, query, kind, status, card_no, amount, currency, at = record
    return Booked(
        number=number,
        platform=platform,
        query=query,
        kind=kind,
        status=OperationStatus(status),
        card_no=card_no,
        amount=None if amount is None else Decimal(amount),
        currency=currency,
        at=at,
    )
