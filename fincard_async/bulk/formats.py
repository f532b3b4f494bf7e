"""Files to records of text: which format a file has, and what every format shares.

A record is what stands in one row, by column, as the text that the row's type is read from. No
format may change a value on the way: a number keeps its digits exactly as they stood, and where a
format has lost some of them already, that is a fault.

Layout: ``text_files`` (CSV, NDJSON) | ``excel`` | ``parquet``, each a function like ``Reader``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, TypeAlias

from fincard_async._sansio.responses import scrub

from .faults import Faults

NDJSON: Final = frozenset({".ndjson", ".jsonl"})
EXCEL: Final = frozenset({".xlsx", ".xlsm"})
PARQUET: Final = frozenset({".parquet", ".pq"})

Values: TypeAlias = Mapping[str, str]
"""One record, by column; empty and absent columns are left out."""
Record: TypeAlias = tuple[int, Values]
"""The line, or the row of a sheet, where a record begins, and its values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Which columns a file has."""

    required: tuple[str, ...]
    optional: tuple[str, ...] = ()
    codes: frozenset[str] = frozenset()
    """Columns of codes: digits, perhaps, but no numbers, because zeros in front count."""
    nested: frozenset[str] = frozenset()
    """Columns of lists and objects, as JSON text."""

    @property
    def names(self) -> tuple[str, ...]:
        """All of them."""
        return (*self.required, *self.optional)


class Reader(Protocol):
    """Reads the records of one format."""

    def __call__(
        self, path: Path, columns: Columns, faults: Faults, *, sheet: str | None
    ) -> Iterator[Record]:
        """Yield record by record; what cannot be one is added to ``faults`` and left out."""
        ...


def is_text(path: Path) -> bool:
    """True for CSV and NDJSON."""
    return path.suffix.lower() not in EXCEL | PARQUET


def reader_of(path: Path) -> Reader:
    """The reader of a file, by the end of its name; anything unknown is CSV."""
    suffix = path.suffix.lower()
    if suffix in EXCEL:
        from .excel import excel_records

        return excel_records
    if suffix in PARQUET:
        from .parquet import parquet_records

        return parquet_records
    from .text_files import csv_records, json_records

    return json_records if suffix in NDJSON else csv_records


def check_header(line: int | None, header: Sequence[str], columns: Columns, faults: Faults) -> bool:
    """Whether these are the columns; if not, that is a fault of this line, or of the file."""
    names = columns.names
    problems = {
        "unknown": [name for name in header if name not in names],
        "missing": [name for name in columns.required if name not in header],
        "repeated": [name for name in names if header.count(name) > 1],
    }
    for word, wrong in problems.items():
        if wrong:
            faults.add(line, f"{word} column: {listed(wrong)}")
    return not any(problems.values())


def listed(names: Sequence[str]) -> str:
    """Names for a message; what may be no name at all is cut and made harmless."""
    return ", ".join(scrub(name) or "(empty)" for name in names)
