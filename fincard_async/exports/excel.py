"""Excel files. Needs the extra ``excel``.

A cell of a number is binary and has fifteen digits. An amount is written as a number where that
keeps every digit, and as text where it would not. Text is never taken for a formula or a link.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from fincard_async.errors import MissingExtraError

from .columns import Column, Row, Value

try:
    import xlsxwriter  # type: ignore[import-untyped]  # has no types
except ImportError:
    text = 'writing .xlsx needs XlsxWriter: pip install "fincard-async[excel]"'
    raise MissingExtraError(text) from None

MOST_ROWS: Final = 1_048_576
"""Rows of a sheet, its header included; further rows go to further sheets."""
_MOST_DIGITS: Final = 15


class ExcelWriter:
    """Writes row after row, and keeps none of them.

    Args:
        path: The file.
        columns: What it holds.
        most_rows: Rows of a sheet; for tests.
    """

    def __init__(self, path: Path, columns: Sequence[Column], most_rows: int = MOST_ROWS) -> None:
        options = {
            "constant_memory": True,
            "strings_to_formulas": False,
            "strings_to_urls": False,
            "strings_to_numbers": False,
        }
        path.touch(mode=0o600)
        self._book: Any = xlsxwriter.Workbook(str(path), options)
        self._columns = columns
        self._most = most_rows
        self._sheet: Any = None
        self._at = most_rows
        self._next_sheet()

    def write(self, rows: Sequence[Row]) -> None:
        """Add rows, on a new sheet where one is full."""
        for row in rows:
            if self._at >= self._most:
                self._next_sheet()
            for place, column in enumerate(self._columns):
                self._cell(place, column, row.get(column.name))
            self._at += 1

    def close(self) -> None:
        """Finish the file."""
        self._book.close()

    def _next_sheet(self) -> None:
        self._sheet = self._book.add_worksheet()
        self._sheet.freeze_panes(1, 0)
        for place, column in enumerate(self._columns):
            self._sheet.write_string(0, place, column.name)
        self._at = 1

    def _cell(self, place: int, column: Column, value: Value) -> None:
        if value is None:
            return
        if isinstance(value, bool):
            self._sheet.write_boolean(self._at, place, value)
        elif column.kind in ("money", "integer") and fits_a_cell(str(value)):
            self._sheet.write_number(self._at, place, float(value))
        else:
            self._sheet.write_string(self._at, place, str(value))


def fits_a_cell(digits: str) -> bool:
    """True if a number comes back out of a cell as it went in."""
    exact = Decimal(digits)
    return len(exact.normalize().as_tuple().digits) <= _MOST_DIGITS and (
        Decimal(repr(float(digits))) == exact
    )
