"""Writers, one for each format: they take rows in batches and keep none of them."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol, TextIO, TypeAlias

import msgspec

from .columns import Column, Row, Value


class Writer(Protocol):
    """Writes one file."""

    def write(self, rows: Sequence[Row]) -> None:
        """Add rows."""
        ...

    def close(self) -> None:
        """Finish the file."""
        ...


class CsvWriter:
    """CSV with a header, in UTF-8."""

    def __init__(self, path: Path, columns: Sequence[Column]) -> None:
        self._file = open_private(path)
        self._names = [column.name for column in columns]
        self._csv = csv.writer(self._file, lineterminator="\n")
        self._csv.writerow(self._names)

    def write(self, rows: Sequence[Row]) -> None:
        """One line for each row; what a row does not have is empty."""
        self._csv.writerows([_text(row.get(name)) for name in self._names] for row in rows)

    def close(self) -> None:
        """Finish the file."""
        self._file.close()


class NdjsonWriter:
    """A JSON object to a line; what a row does not have is left out."""

    def __init__(self, path: Path, columns: Sequence[Column]) -> None:
        self._file = open_private(path)

    def write(self, rows: Sequence[Row]) -> None:
        """One line for each row."""
        self._file.writelines(f"{msgspec.json.encode(row).decode()}\n" for row in rows)

    def close(self) -> None:
        """Finish the file."""
        self._file.close()


Open: TypeAlias = Callable[[Path, Sequence[Column]], Writer]
"""Begins a file."""


def _csv() -> Open:
    return CsvWriter


def _ndjson() -> Open:
    return NdjsonWriter


def _excel() -> Open:
    from .excel import ExcelWriter

    return ExcelWriter


def _parquet() -> Open:
    from .parquet import ParquetWriter

    return ParquetWriter


FORMATS: Final[Mapping[str, Callable[[], Open]]] = {
    "csv": _csv,
    "ndjson": _ndjson,
    "xlsx": _excel,
    "parquet": _parquet,
}
"""Every format of a file by its name, which is also the usual end of the file's name.

Asked for its writer, one whose extra is not installed raises ``MissingExtraError``.
"""


def open_private(path: Path) -> TextIO:
    """A new text file that only its owner may read."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    return os.fdopen(os.open(path, flags, 0o600), "w", encoding="utf-8", newline="")


def _text(value: Value) -> str | int | None:
    return str(value).lower() if isinstance(value, bool) else value
