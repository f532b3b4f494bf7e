"""Workbooks: what was typed is read exactly, and what Excel made of it is refused."""

from __future__ import annotations

import datetime
import zipfile
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("python_calamine")
pytest.importorskip("xlsxwriter")

from fincard_async._sansio.secret import Secret
from fincard_async.bulk import InputError, IssueRow, issue_rows, read_rows

HEADER = ("row_id", "card_type_id", "amount", "holder_id", "account_id", "card_number")


DAY = datetime.datetime(2026, 11, 1, tzinfo=datetime.UTC)


@pytest.fixture
def workbook(tmp_path: Path) -> Callable[..., Path]:
    """Makes a workbook of sheets; each is a list of rows, a row is a list of cells."""

    def make(*sheets: Sequence[Sequence[Any]], name: str = "cards.xlsx") -> Path:
        path = tmp_path / name
        import xlsxwriter  # type: ignore[import-untyped]  # it ships no types

        book = xlsxwriter.Workbook(str(path), {"remove_timezone": True})
        date = book.add_format({"num_format": "yyyy-mm-dd"})
        for rows in sheets:
            sheet = book.add_worksheet()
            for number, cells in enumerate(rows):
                for column, cell in enumerate(cells):
                    if isinstance(cell, datetime.datetime):
                        sheet.write_datetime(number, column, cell, date)
                    elif cell is not None:
                        sheet.write(number, column, cell)
        book.close()
        return path

    return make


def faults(path: Path, **settings: Any) -> list[str]:
    """The faults of a workbook, without its folder."""
    with pytest.raises(InputError) as caught:
        read_rows(path, **settings)
    return [str(fault).removeprefix(f"{path.parent}/") for fault in caught.value.faults]


def test_rows(workbook: Callable[..., Path]) -> None:
    """Numbers and text are the same values; empty rows and cells are nothing; lines are rows."""
    path = workbook(
        [
            [],
            HEADER,
            ["a", 111001, 50.1],
            [None, None, ""],
            ["007", "111040", "0.3", 124801, "1988214703329058817", "0012345678901234"],
            [7, 1, 0.3, None, 100000000000000],
        ]
    )
    assert read_rows(path) == [
        IssueRow(row_id="a", card_type_id=111001, amount=Decimal("50.1"), line=3),
        IssueRow(
            row_id="007",
            card_type_id=111040,
            amount=Decimal("0.3"),
            holder_id=124801,
            account_id=1988214703329058817,
            card_number=Secret("0012345678901234"),
            line=5,
        ),
        IssueRow(
            row_id="7",
            card_type_id=1,
            amount=Decimal("0.3"),
            account_id=100000000000000,
            line=6,
        ),
    ]
    assert list(issue_rows(path)) == read_rows(path)


@pytest.mark.parametrize(
    "text", ["0.01", "0.1", "33774.25", "123456789012.34", "0", "0.00001", "5"]
)
def test_amounts_are_exact(workbook: Callable[..., Path], text: str) -> None:
    """A number cell gives the digits that were typed, not the nearest float's."""
    [row] = read_rows(workbook([HEADER, ["a", 1, float(text)]]))
    assert format(row.amount, "f") == text


@pytest.mark.parametrize(
    "cell, told",
    [
        (1e15, "amount has more than the 15 digits that a number cell keeps"),
        (1 / 3, "amount has more than the 15 digits that a number cell keeps"),
        (12345678.12345678, "amount has more than the 15 digits that a number cell keeps"),
        (True, "amount is a bool, not text or a number"),
        (
            datetime.datetime(2026, 11, 1, tzinfo=datetime.UTC),
            "amount is a date, not text or a number",
        ),
    ],
)
def test_cells_that_lost_what_was_typed(
    workbook: Callable[..., Path], cell: Any, told: str
) -> None:
    """A cell that is no exact number is a fault that says what to do, and quotes nothing."""
    advice = "format the cell as text and type it again"
    assert faults(workbook([HEADER, ["a", 1, cell]])) == [f"cards.xlsx:2: {told}; {advice}"]


def test_codes_must_be_text(workbook: Callable[..., Path]) -> None:
    """A card number in a number cell may have lost zeros in front."""
    [told] = faults(workbook([HEADER, ["a", 1, 5, None, None, 12345678]]))
    assert "card_number is a number cell, which loses zeros in front" in told
    assert "12345678" not in told


def test_formulas_and_errors(workbook: Callable[..., Path]) -> None:
    """A formula looks like its last result, an error like an empty cell: both are refused."""
    path = workbook([HEADER, ["a", 1, "=25*2"], ["b", 1, 5], ["c", 1, 5, "=1/0"]])
    told = "has a formula; format the cell as text and type it again, or paste the value"
    assert faults(path) == [f"cards.xlsx:2: {told}", f"cards.xlsx:4: {told}"]
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(path.with_name("e.xlsx"), "w") as new:
        for name in old.namelist():
            content = old.read(name).replace(b"<f>25*2</f>", b"")
            error = content.replace(b'"D4"><f>1/0</f><v>0<', b'"D4" t="e"><v>#REF!<')
            new.writestr(name, error)
    assert faults(path.with_name("e.xlsx")) == ["e.xlsx:4: has an error such as #REF! in a cell"]


def test_a_value_beside_the_header(workbook: Callable[..., Path]) -> None:
    """A value in a column without a name is not passed over."""
    path = workbook([HEADER, ["a", 1, 5, None, None, None, "note"]])
    assert faults(path) == ["cards.xlsx:2: has a value beside the columns of the header"]


def test_wrong_columns(workbook: Callable[..., Path]) -> None:
    """The columns are checked as those of a CSV file are."""
    path = workbook([["row_id", "card_type_id", 5, "amonut"], ["a", 1, 5, 5]])
    assert faults(path) == [
        "cards.xlsx:1: unknown column: (empty), amonut",
        "cards.xlsx:1: missing column: amount",
    ]


def test_one_of_several_sheets(workbook: Callable[..., Path]) -> None:
    """With several sheets one must be named; an empty one does not count."""
    first, second = [HEADER, ["a", 1, 5]], [HEADER, ["b", 1, "=1+1"]]
    path = workbook(first, second, [])
    assert faults(path) == ["cards.xlsx: has several sheets, name one of them: Sheet1, Sheet2"]
    assert [row.row_id for row in read_rows(path, sheet="Sheet1")] == ["a"]
    assert "cards.xlsx:2: has a formula" in faults(path, sheet="Sheet2")[0]
    assert faults(path, sheet="x") == [
        "cards.xlsx: has no sheet of that name; its sheets: Sheet1, Sheet2, Sheet3"
    ]
    assert [row.row_id for row in read_rows(workbook(first, []))] == ["a"]


def test_no_rows(workbook: Callable[..., Path]) -> None:
    """A workbook without rows is a fault."""
    for rows in ([], [HEADER]):
        assert faults(workbook(rows)) == ["cards.xlsx:1: there are no rows"]


def test_what_is_no_workbook(workbook: Callable[..., Path], tmp_path: Path) -> None:
    """A damaged file, or one with a document type in its XML, is a fault and no crash."""
    told = "is not a workbook that can be read; save it as .xlsx again, or as CSV"
    bad = tmp_path / "bad.xlsx"
    bad.write_bytes(b"PK\x03\x04 nothing else")
    assert faults(bad) == [f"bad.xlsx: {told}"]
    path = workbook([HEADER, ["a", 1, 5]])
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(bad, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if "worksheets" in name:
                content = content.replace(
                    b"<worksheet", b'<!DOCTYPE a [<!ENTITY b "c">]><worksheet'
                )
            new.writestr(name, content)
    assert faults(bad) == [f"bad.xlsx: {told}"]
    assert faults(tmp_path / "none.xlsx") == [
        "none.xlsx: cannot be read: No such file or directory"
    ]
