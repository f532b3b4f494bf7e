"""Rows of files of any size: memory, repeated ids, changed files, odd bytes."""

from __future__ import annotations

import os
import sys
import tracemalloc
from decimal import Decimal
from pathlib import Path

import pytest

from fincard_async.bulk import InputError, issue_rows, read_rows
from fincard_async.bulk.duplicates import Marks, mark
from fincard_async.bulk.faults import MOST_KEPT
from fincard_async.bulk.text_files import LONGEST_LINE
from fincard_async.errors import MissingExtraError

HEADER = b"row_id,card_type_id,amount\n"


def write(folder: Path, content: bytes, name: str = "cards.csv") -> Path:
    """Make an input file."""
    path = folder / name
    path.write_bytes(content)
    return path


def faults(path: Path) -> list[str]:
    """The faults of a file, without its folder."""
    with pytest.raises(InputError) as caught:
        read_rows(path)
    return [str(fault).removeprefix(f"{path.parent}/") for fault in caught.value.faults]


def test_a_file_can_be_iterated_again(tmp_path: Path) -> None:
    """Every iteration reads the file anew, and gives the same rows."""
    rows = issue_rows(write(tmp_path, HEADER + b"a,1,5\nb,2,6\n"))
    assert [row.row_id for row in rows] == ["a", "b"]
    assert list(rows) == list(rows)


def test_many_rows_need_little_memory(tmp_path: Path) -> None:
    """Twenty thousand rows go through less than a megabyte, the check of their ids included."""
    lines = b"".join(b"row-%d,111001,50.25\n" % n for n in range(20_000))
    rows = issue_rows(write(tmp_path, HEADER + lines))
    tracemalloc.start()
    try:
        total = sum((row.amount for row in rows), Decimal(0))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert total == 20_000 * Decimal("50.25")
    assert peak < 1_000_000


def test_sound_rows_come_before_the_fault_is_told(tmp_path: Path) -> None:
    """An iteration ends with the faults: nothing may be done with its rows before."""
    rows = iter(issue_rows(write(tmp_path, HEADER + b"a,1,5\nb,1,x\nc,1,5\n")))
    assert [next(rows).row_id, next(rows).row_id] == ["a", "c"]
    with pytest.raises(InputError):
        next(rows)


def test_only_the_first_faults_are_kept(tmp_path: Path) -> None:
    """Of many faults the first fifty are listed and all are counted."""
    path = write(tmp_path, HEADER + b"".join(b"r%d,x,5\n" % n for n in range(500)))
    with pytest.raises(InputError) as caught:
        read_rows(path)
    assert [fault.line for fault in caught.value.faults] == list(range(2, 2 + MOST_KEPT))
    assert caught.value.count == 500
    assert str(caught.value).endswith("\nand 450 more")


def test_repeated_ids_are_counted_too(tmp_path: Path) -> None:
    """Of many repeated ids the first fifty are listed, and all are counted."""
    lines = [b"r%d,1,5\n" % n for n in range(300)]
    with pytest.raises(InputError) as caught:
        read_rows(write(tmp_path, HEADER + b"".join(lines + lines + lines[:5])))
    assert str(caught.value.faults[0]).endswith("cards.csv:302: row_id is the same as on line 2")
    assert (len(caught.value.faults), caught.value.count) == (MOST_KEPT, 305)


def test_an_id_is_repeated_even_on_a_faulty_row(tmp_path: Path) -> None:
    """The ids of rows that have other faults count."""
    path = write(tmp_path, HEADER + b"a,x,5\na,1,5\n")
    assert faults(path) == [
        "cards.csv:2: card_type_id must be a whole number",
        "cards.csv:3: row_id is the same as on line 2",
    ]


def test_marks() -> None:
    """Marks tell what came twice, and how often more."""
    marks = Marks()
    for text in ("a", "b", "a", "a", "c"):
        marks.add(text)
    assert marks.repeated() == {mark("a"): 2}


def test_a_file_that_changes(tmp_path: Path) -> None:
    """Another content than at the first time is a fault, even if every row of it is sound."""
    path = write(tmp_path, HEADER + b"a,1,5\n")
    rows = issue_rows(path)
    list(rows)
    write(tmp_path, HEADER + b"a,1,50\n")
    with pytest.raises(InputError, match="has changed since it was read first"):
        list(rows)


def test_a_file_that_changes_while_it_is_read(tmp_path: Path) -> None:
    """A row that is added behind the reader's back does not go unnoticed."""
    path = write(tmp_path, HEADER + b"a,1,5\nb,1,5\n")
    rows = iter(issue_rows(path))
    next(rows)
    with path.open("ab") as file:
        file.write(b"c,1,5\n")
        os.fsync(file.fileno())
    with pytest.raises(InputError, match="has changed"):
        list(rows)


def test_a_line_that_does_not_end(tmp_path: Path) -> None:
    """A line of any length is not read into memory."""
    for name in ("cards.csv", "cards.ndjson"):
        path = write(tmp_path, b"x" * (LONGEST_LINE + 1), name)
        assert faults(path)[-1] == f"{name}:1: is longer than 1,048,576 characters"


def test_a_huge_field(tmp_path: Path) -> None:
    """A field that goes over more lines than any value does ends the reading."""
    path = write(tmp_path, HEADER + b'"' + b"x\n" * 70_000 + b'",1,5\n')
    assert faults(path) == ["cards.csv:2: is not CSV: field larger than field limit (131072)"]


def test_line_ends(tmp_path: Path) -> None:
    """Unix, Windows and old Mac line ends are line ends, and a last line needs none."""
    for end in (b"\n", b"\r\n", b"\r"):
        path = write(tmp_path, end.join([HEADER.strip(), b"a,1,5", b"", b'"b",1,6']))
        assert [(row.row_id, row.line) for row in read_rows(path)] == [("a", 2), ("b", 4)]


@pytest.mark.parametrize(
    "start, told",
    [
        (b"\xff\xfea\x00", "is UTF-16 text; save it as UTF-8"),
        (b"\xfe\xff\x00a", "is UTF-16 text; save it as UTF-8"),
        (b"PK\x03\x04", "is not text; the name of a workbook must end in .xlsx"),
        (b"PAR1", "is not text; the name of a Parquet file must end in .parquet"),
        (b"\xd0\xcf\x11\xe0", "is not text; save the workbook as .xlsx or as CSV"),
        (b"\x1f\x8b\x08", "is compressed; unpack it first"),
    ],
)
def test_what_is_no_text(tmp_path: Path, start: bytes, told: str) -> None:
    """A file of another kind is told in one sentence, not in one for every line."""
    assert faults(write(tmp_path, start + b"\xff\n" * 100)) == [f"cards.csv: {told}"]


@pytest.mark.parametrize(
    "name, module, extra",
    [("cards.xlsx", "python_calamine", "excel"), ("cards.parquet", "pyarrow", "parquet")],
)
def test_an_extra_that_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, module: str, extra: str
) -> None:
    """Without its library a format says what to install."""
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=rf"fincard-async\[{extra}\]"):
        read_rows(write(tmp_path, b"", name))
