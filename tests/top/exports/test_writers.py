"""The writers of optional formats at their edges."""

from __future__ import annotations

import sys
from decimal import Decimal
from pathlib import Path

import pytest

from fincard_async.errors import MissingExtraError
from fincard_async.exports import FORMATS, Column
from fincard_async.exports.columns import Row
from fincard_async.exports.formats import CsvWriter

COLUMNS = [
    Column("id", "text"),
    Column("amount", "money"),
    Column("time", "integer"),
    Column("flag", "boolean"),
]
EXACT = "123456789012345678.123456789012345678"


def test_csv_values(tmp_path: Path) -> None:
    """Nothing for what is absent, lower case for what is true, quotes where they are needed."""
    writer = CsvWriter(tmp_path / "a", COLUMNS)
    writer.write([{"id": 'a,"b"\nc', "amount": EXACT, "flag": True}, {}])
    writer.close()
    text = (tmp_path / "a").read_bytes().decode()
    assert text == f'id,amount,time,flag\n"a,""b""\nc",{EXACT},,true\n,,,\n'


def test_sheets_and_cells(tmp_path: Path) -> None:
    """A full sheet is followed by another; formulas, and numbers too long for a cell, are text."""
    calamine = pytest.importorskip("python_calamine")
    pytest.importorskip("xlsxwriter")
    from fincard_async.exports.excel import ExcelWriter, fits_a_cell

    writer = ExcelWriter(tmp_path / "a.xlsx", COLUMNS, most_rows=3)
    rows: list[Row] = [
        {"id": "=1+1", "amount": EXACT, "time": 1_795_342_500_120},
        {"id": "http://example.com", "amount": "12.50", "flag": True},
        {"id": "007", "amount": "-0.01"},
    ]
    writer.write(rows[:1])
    writer.write(rows[1:])
    writer.close()
    book = calamine.CalamineWorkbook.from_path(tmp_path / "a.xlsx")
    first, second = (book.get_sheet_by_index(number).to_python() for number in range(2))
    header = [column.name for column in COLUMNS]
    assert first[0] == second[0] == header
    assert first[1][:3] == ["=1+1", EXACT, 1_795_342_500_120]
    assert first[2] == ["http://example.com", 12.5, "", True]
    assert second[1][:2] == ["007", -0.01]
    for digits, fits in (
        ("0", True),
        ("12.50", True),
        ("999999999999999", True),
        ("0.123456789012345", True),
        ("9007199254740993", False),
        ("0.1234567890123456", False),
        (EXACT, False),
    ):
        assert fits_a_cell(digits) is fits


def test_row_groups(tmp_path: Path) -> None:
    """Rows beyond a group go to the next one, and every digit of an amount stays."""
    parquet = pytest.importorskip("pyarrow.parquet")
    from fincard_async.exports.parquet import ParquetWriter

    writer = ParquetWriter(tmp_path / "a", COLUMNS)
    for start in range(0, 25_000, 1_000):
        writer.write([{"id": str(start + n), "amount": EXACT, "time": n} for n in range(1_000)])
    writer.write([{"id": "last", "flag": False}])
    writer.close()
    file = parquet.ParquetFile(tmp_path / "a")
    assert file.num_row_groups == 2
    table = file.read()
    assert table.num_rows == 25_001
    assert table["amount"][0].as_py() == Decimal(EXACT)
    assert table.to_pylist()[-1] == {"id": "last", "amount": None, "time": None, "flag": False}


@pytest.mark.parametrize(
    "form, package, extra", [("xlsx", "xlsxwriter", "excel"), ("parquet", "pyarrow", "parquet")]
)
def test_an_extra_that_is_not_installed(
    monkeypatch: pytest.MonkeyPatch, form: str, package: str, extra: str
) -> None:
    """It is named before anything is read."""
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, f"fincard_async.exports.{extra}", raising=False)
    with pytest.raises(MissingExtraError, match=rf"fincard-async\[{extra}\]"):
        FORMATS[form]()
