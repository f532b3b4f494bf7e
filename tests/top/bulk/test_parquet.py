"""Parquet files: exact types are read, floats are refused before the first row."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pyarrow")

import pyarrow as pa  # type: ignore[import-untyped]  # pyarrow ships no types
import pyarrow.parquet as pq  # type: ignore[import-untyped]  # likewise

from fincard_async._sansio.secret import Secret
from fincard_async.bulk import InputError, IssueRow, read_rows

AMOUNTS = [Decimal("50.10"), Decimal("0.01"), Decimal(7), Decimal(8)]


def write(folder: Path, **columns: Any) -> Path:
    """Make a file of these columns."""
    path = folder / "cards.parquet"
    pq.write_table(pa.table(columns), path, row_group_size=3)
    return path


def faults(path: Path) -> list[str]:
    """The faults of a file, without its folder."""
    with pytest.raises(InputError) as caught:
        read_rows(path)
    return [str(fault).removeprefix(f"{path.parent}/") for fault in caught.value.faults]


def test_rows(tmp_path: Path) -> None:
    """Text, whole numbers and decimals are read exactly; null is the same as absent."""
    path = write(
        tmp_path,
        row_id=pa.array(["a", "b", "c", "d"]).dictionary_encode(),
        card_type_id=pa.array([1, 2, 3, 1988214703329058817], pa.int64()),
        amount=pa.array(AMOUNTS, pa.decimal128(38, 2)),
        holder_id=pa.array([None, 124801, None, None], pa.uint32()),
        account_id=pa.nulls(4),
        card_number=pa.array([None, "0012", None, None], pa.large_string()),
    )
    rows = read_rows(path)
    assert rows[:2] == [
        IssueRow(row_id="a", card_type_id=1, amount=Decimal("50.10"), line=1),
        IssueRow(
            row_id="b",
            card_type_id=2,
            amount=Decimal("0.01"),
            holder_id=124801,
            card_number=Secret("0012"),
            line=2,
        ),
    ]
    assert [str(row.amount) for row in rows] == ["50.10", "0.01", "7.00", "8.00"]
    assert rows[3].card_type_id == 1988214703329058817


def test_types_that_are_not_exact(tmp_path: Path) -> None:
    """Floats, dates and numbers where codes belong are refused, with what to do."""
    path = write(
        tmp_path,
        row_id=pa.array(["a"]),
        card_type_id=pa.array([1.0]),
        amount=pa.array([50.1], pa.float32()),
        holder_id=pa.array([5], pa.date32()),
        card_number=pa.array([12]),
    )
    inexact = "floats are not exact; write it as decimal128 or as text"
    assert [told.removeprefix("cards.parquet: ") for told in faults(path)] == [
        f"card_type_id is a column of type double: {inexact}",
        f"amount is a column of type float: {inexact}",
        "holder_id is a column of type date32[day]: write it as text, whole numbers or decimal128",
        "card_number is a column of type int64: numbers lose zeros in front; write it as text",
    ]


def test_wrong_columns_and_rows(tmp_path: Path) -> None:
    """Columns and rows are checked as those of a CSV file are; rows are named by number."""
    path = write(tmp_path, row_id=["a"], card_type_id=[1], colour=["red"])
    assert faults(path) == [
        "cards.parquet: unknown column: colour",
        "cards.parquet: missing column: amount",
    ]
    path = write(tmp_path, row_id=["a"] * 5, card_type_id=[1] * 5, amount=["1"] * 4 + ["x"])
    assert faults(path) == [
        *(f"cards.parquet:{n}: row_id is the same as on line 1" for n in (2, 3, 4)),
        "cards.parquet:5: amount must be a plain decimal number such as 12.50",
        "cards.parquet:5: row_id is the same as on line 1",
    ]


def test_no_rows(tmp_path: Path) -> None:
    """A file without rows is a fault."""
    none = pa.array([], pa.string())
    path = write(tmp_path, row_id=none, card_type_id=none, amount=none)
    assert faults(path) == ["cards.parquet:1: there are no rows"]


def test_what_is_no_parquet(tmp_path: Path) -> None:
    """A damaged file is a fault and no crash."""
    path = tmp_path / "cards.parquet"
    path.write_bytes(b"PAR1 nothing else")
    assert faults(path) == ["cards.parquet: is not a Parquet file that can be read"]
    path.unlink()
    assert faults(path) == ["cards.parquet: cannot be read: No such file or directory"]
