"""Input files to rows, with every fault found at once, before any money moves.

A message names the line and the rule, and never quotes a value: one column may hold card numbers,
and any value may stand in the wrong column.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Final

from fincard_async._sansio.money import parse_amount
from fincard_async._sansio.secret import Secret

from .faults import Faults, InputError, InputFault
from .formats import Values, csv_records, json_records

NDJSON_SUFFIXES: Final = frozenset({".ndjson", ".jsonl"})
LONGEST_ROW_ID: Final = 200
_LONG: Final = re.compile(r"[0-9]{1,19}\Z")
_MOST_LONG: Final = (1 << 63) - 1

__all__ = ["InputError", "InputFault", "IssueRow", "read_rows"]


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueRow:
    """One card to issue."""

    row_id: str
    """Unique in the job: the order number is derived from it."""
    card_type_id: int
    amount: Decimal
    """Initial deposit; 0 for a card type that takes none."""
    holder_id: int | None = None
    account_id: int | None = None
    card_number: Secret | None = None
    """Printed number of a card that was bought offline."""
    generation: int = 0
    """Raise it to issue a second card for a row of the same id, on purpose."""
    line: int | None = None
    """Where it stands in its file."""


def read_rows(path: str | os.PathLike[str]) -> list[IssueRow]:
    """Read every row of a CSV file with a header, or of an NDJSON file (``.ndjson``, ``.jsonl``).

    Columns or keys: ``row_id``, ``card_type_id``, ``amount``, and as the card type needs them
    ``holder_id``, ``account_id``, ``card_number``.

    Raises:
        InputError: The file or any of its rows cannot be used; it lists every fault.
    """
    path = Path(path)
    faults = Faults(str(path))
    text = _read_text(path, faults)
    records = json_records if path.suffix.lower() in NDJSON_SUFFIXES else csv_records
    lines: dict[str, int] = {}
    rows: list[IssueRow] = []
    for line, values in records(text, faults):
        if (row_id := values.get("row_id")) is not None:
            first = lines.setdefault(row_id, line)
            if first != line:
                faults.add(line, f"row_id is the same as on line {first}")
        if (row := _row(line, values, faults)) is not None:
            rows.append(row)
    faults.raise_if_any()
    if not rows:
        faults.add(1, "there are no rows")
        faults.raise_if_any()
    return rows


def _read_text(path: Path, faults: Faults) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        faults.add(None, f"cannot be read: {error.strerror}")
        faults.raise_if_any()
        raise
    for number, line in enumerate(data.split(b"\n"), start=1):
        try:
            line.decode()
        except UnicodeDecodeError:
            faults.add(number, "is not UTF-8 text")
    return data.decode("utf-8-sig", errors="replace")


def _row(line: int, values: Values, faults: Faults) -> IssueRow | None:
    """The row, or None if a fault was added."""
    fields = _Fields(line, values, faults)
    row = IssueRow(
        row_id=fields.row_id(),
        card_type_id=fields.integer("card_type_id", required=True) or 0,
        amount=fields.amount(),
        holder_id=fields.integer("holder_id"),
        account_id=fields.integer("account_id"),
        card_number=fields.secret("card_number"),
        line=line,
    )
    return row if fields.sound else None


class _Fields:
    """The values of one record; a value that cannot be used is a fault, and ``sound`` is False."""

    def __init__(self, line: int, values: Values, faults: Faults) -> None:
        self.sound = True
        self._line = line
        self._values = values
        self._faults = faults

    def _fault(self, message: str) -> None:
        self.sound = False
        self._faults.add(self._line, message)

    def row_id(self) -> str:
        text = self._values.get("row_id", "")
        if not text.strip():
            self._fault("row_id is missing")
        elif not text.isprintable() or len(text) > LONGEST_ROW_ID:
            self._fault(f"row_id must be up to {LONGEST_ROW_ID} printable characters")
        return text

    def integer(self, name: str, *, required: bool = False) -> int | None:
        text = self._values.get(name)
        if text is None:
            if required:
                self._fault(f"{name} is missing")
            return None
        value = int(text) if _LONG.match(text) else -1
        if not 0 <= value <= _MOST_LONG:
            self._fault(f"{name} must be a whole number")
        return value

    def amount(self) -> Decimal:
        text = self._values.get("amount")
        if text is None:
            self._fault("amount is missing")
            return Decimal(0)
        try:
            amount = parse_amount(text)
        except ValueError:
            self._fault("amount must be a plain decimal number such as 12.50")
            return Decimal(0)
        if amount < 0:
            self._fault("amount must not be negative")
        return amount

    def secret(self, name: str) -> Secret | None:
        text = self._values.get(name)
        return None if text is None else Secret(text)
