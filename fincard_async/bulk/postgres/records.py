"""A row of a job as PostgreSQL keeps it, and back: both directions side by side."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, Final

import msgspec

from fincard_async.bulk.entry import FIXED, Entry, Reason, RowState

from .connect import Record

TYPES: Final = {
    "seq": "bigint",
    "row_id": "text",
    "order_no": "text",
    "payload": "text",
    "amount": "numeric",
    "target": "text",
    "generation": "integer",
    "state": "text",
    "reason": "text",
    "sends": "integer",
    "closed": "integer",
    "first_sent_at": "bigint",
    "last_sent_at": "bigint",
    "ended_at": "bigint",
    "card_no": "text",
    "currency": "text",
    "fee": "numeric",
    "received_amount": "numeric",
    "received_currency": "text",
    "code": "text",
    "message": "text",
}
"""Columns, by the name of the field. ``withheld`` has none: such rows are refused."""
COLUMNS: Final = tuple(TYPES)
CHANGING: Final = tuple(name for name in COLUMNS if name not in FIXED)
WITH_SEQ: Final = ("seq", *CHANGING)


def to_record(entry: Entry, columns: Sequence[str] = COLUMNS) -> Record:
    """Values in the order of ``columns``."""
    return [_to_column(getattr(entry, name), name) for name in columns]


def to_arrays(entries: Iterable[Entry]) -> list[list[Any]]:
    """One list for each column of ``WITH_SEQ``; of several changes of one row the last counts."""
    latest = {entry.seq: entry for entry in entries}
    records = [to_record(latest[seq], WITH_SEQ) for seq in sorted(latest)]
    return [list(column) for column in zip(*records, strict=True)] or [[] for _ in WITH_SEQ]


def to_entry(record: Record) -> Entry:
    """The row of a record with ``COLUMNS``.

    Raises:
        ValueError: A value that no journal holds.
    """
    found = dict(zip(COLUMNS, record, strict=True))
    found["state"] = RowState(found["state"])
    found["reason"] = None if found["reason"] is None else Reason(found["reason"])
    if found["code"] is not None:
        found["code"] = msgspec.json.decode(found["code"], type=int | str)
    return Entry(**found)


def _to_column(value: object, name: str) -> object:
    if name == "code" and value is not None:
        return msgspec.json.encode(value).decode()
    if isinstance(value, RowState | Reason):
        return value.value
    if isinstance(value, Decimal) and not value.is_finite():
        raise ValueError("an amount must be finite")
    # PostgreSQL keeps no NUL in a text; the server's words may hold one, the rows' own may not.
    return value.replace("\0", "") if isinstance(value, str) else value
