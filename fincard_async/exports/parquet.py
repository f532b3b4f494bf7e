"""Parquet files. Needs the extra ``parquet``. Amounts are ``decimal128``, so every digit stays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from fincard_async.errors import MissingExtraError

from .columns import Column, Kind, Row

try:
    import pyarrow as arrow  # type: ignore[import-untyped]  # has no types
    from pyarrow import parquet
except ImportError:
    text = 'writing Parquet needs pyarrow: pip install "fincard-async[parquet]"'
    raise MissingExtraError(text) from None

DIGITS, PLACES = 38, 18
"""Of an amount: more than the API's grammar allows, 18 before and 18 after the point."""
_ROWS_TO_A_GROUP: Final = 20_000
_TYPES: Final[Mapping[Kind, Any]] = {
    "text": arrow.string(),
    "json": arrow.string(),
    "integer": arrow.int64(),
    "boolean": arrow.bool_(),
    "money": arrow.decimal128(DIGITS, PLACES),
}


class ParquetWriter:
    """Writes one row group after the other."""

    def __init__(self, path: Path, columns: Sequence[Column]) -> None:
        path.touch(mode=0o600)
        self._columns = columns
        self._schema = arrow.schema([(column.name, _TYPES[column.kind]) for column in columns])
        self._writer: Any = parquet.ParquetWriter(path, self._schema)
        self._rows: list[Row] = []

    def write(self, rows: Sequence[Row]) -> None:
        """Add rows; a group is written when it is full."""
        self._rows += rows
        if len(self._rows) >= _ROWS_TO_A_GROUP:
            self._flush()

    def close(self) -> None:
        """Finish the file."""
        if self._rows:
            self._flush()
        self._writer.close()

    def _flush(self) -> None:
        arrays = [
            arrow.array([_value(row, column) for row in self._rows], type=_TYPES[column.kind])
            for column in self._columns
        ]
        self._writer.write_table(arrow.Table.from_arrays(arrays, schema=self._schema))
        self._rows = []


def _value(row: Row, column: Column) -> object:
    value = row.get(column.name)
    return Decimal(value) if column.kind == "money" and isinstance(value, str) else value
