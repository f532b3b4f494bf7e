"""Parquet files to records, batch by batch; needs the extra ``parquet`` (pyarrow).

Types are exact or refused: text, whole numbers and decimals are read; a column of floats has lost
the amount before this code sees it, and is refused before the first row.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Final

from fincard_async.errors import MissingExtraError

from .faults import Faults
from .formats import Columns, Record, check_header

if TYPE_CHECKING:
    import pyarrow  # type: ignore[import-untyped]  # pyarrow ships no types

_BATCH: Final = 4096
"""Rows in memory at once, beside what pyarrow holds of a row group."""


def parquet_records(
    path: Path, columns: Columns, faults: Faults, *, sheet: str | None = None
) -> Iterator[Record]:
    """Each record of a Parquet file with its number, from 1; null is the same as absent.

    Raises:
        MissingExtraError: pyarrow is not installed.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ModuleNotFoundError:
        raise MissingExtraError(
            'reading Parquet needs pyarrow: pip install "fincard-async[parquet]"'
        ) from None
    try:
        with parquet.ParquetFile(path, memory_map=True) as file:
            schema = file.schema_arrow
            if not check_header(None, schema.names, columns, faults):
                return
            if not _check_types(schema, columns, faults):
                return
            number = 0
            for batch in file.iter_batches(_BATCH, use_threads=False):
                for record in batch.to_pylist():
                    number += 1
                    yield number, {name: _text(v) for name, v in record.items() if v is not None}
    except (pyarrow.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        faults.add(None, "is not a Parquet file that can be read")


def _check_types(schema: pyarrow.Schema, columns: Columns, faults: Faults) -> bool:
    found = faults.count
    for field in schema:
        if (message := _type_fault(field.type, code=field.name in columns.codes)) is not None:
            faults.add(None, f"{field.name} is a column of type {field.type}: {message}")
    return faults.count == found


def _type_fault(kind: pyarrow.DataType, *, code: bool) -> str | None:
    """Why a type cannot be read; None if it can."""
    from pyarrow import types

    if types.is_dictionary(kind):
        kind = kind.value_type
    if types.is_string(kind) or types.is_large_string(kind) or types.is_null(kind):
        return None
    if types.is_floating(kind):
        return "floats are not exact; write it as decimal128 or as text"
    if not (types.is_integer(kind) or types.is_decimal(kind)):
        return "write it as text, whole numbers or decimal128"
    return "numbers lose zeros in front; write it as text" if code else None


def _text(value: object) -> str:
    return format(value, "f") if isinstance(value, Decimal) else str(value)
