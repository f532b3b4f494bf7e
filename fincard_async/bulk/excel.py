"""Workbooks (``.xlsx``) to records; needs the extra ``excel`` (python-calamine).

A workbook is the one format that loses digits before this package sees it: Excel keeps 15 of a
number, drops zeros in front, turns what looks like a date into one, and stores for a formula
whatever it gave when the file was last saved by a program that can calculate. So whole numbers and
fractions of up to 15 digits are taken exactly as typed; everything else is a fault that says to
format the cell as text.

python-calamine reads the values and hides two things that matter here: a formula looks like its
last result, and an error such as ``#REF!`` looks like an empty cell. ``_formulas`` finds both in
the XML. A workbook's values are held in memory while it is read; for millions of rows take CSV,
NDJSON or Parquet.
"""

from __future__ import annotations

import posixpath
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias
from xml.parsers import expat

from fincard_async.errors import MissingExtraError

from .faults import Faults
from .formats import Columns, Record, check_header, listed

if TYPE_CHECKING:
    from python_calamine import CalamineWorkbook

Cell: TypeAlias = object
_MOST_DIGITS: Final = 15
_CHUNK: Final = 1 << 16
_AS_TEXT: Final = "format the cell as text and type it again"


def excel_records(
    path: Path, columns: Columns, faults: Faults, *, sheet: str | None = None
) -> Iterator[Record]:
    """Each record of one sheet with the row's number; the first row with values is the header.

    Raises:
        MissingExtraError: python-calamine is not installed.
    """
    try:
        import python_calamine
    except ModuleNotFoundError:
        raise MissingExtraError(
            'reading .xlsx needs python-calamine: pip install "fincard-async[excel]"'
        ) from None
    try:
        with python_calamine.CalamineWorkbook.from_path(path) as workbook:
            name = _sheet_name(workbook, sheet, faults)
            if name is None or not _is_plain(path, name, faults):
                return
            rows = workbook.get_sheet_by_name(name).iter_rows()
            yield from _records(enumerate(rows, start=1), columns, faults)
    except (python_calamine.CalamineError, zipfile.BadZipFile, expat.ExpatError, KeyError):
        faults.add(None, "is not a workbook that can be read; save it as .xlsx again, or as CSV")


def _sheet_name(workbook: CalamineWorkbook, sheet: str | None, faults: Faults) -> str | None:
    """The sheet to read: the one named, or the only one that has anything in it."""
    names = workbook.sheet_names
    if sheet is not None:
        if sheet in names:
            return sheet
        faults.add(None, f"has no sheet of that name; its sheets: {listed(names)}")
        return None
    filled = [name for name in names if workbook.get_sheet_by_name(name).start is not None]
    if len(filled) > 1:
        faults.add(None, f"has several sheets, name one of them: {listed(filled)}")
        return None
    return filled[0] if filled else names[0]


def _records(
    rows: Iterable[tuple[int, Sequence[Cell]]], columns: Columns, faults: Faults
) -> Iterator[Record]:
    header: Sequence[str] | None = None
    for number, cells in rows:
        filled = _trimmed(cells)
        if not filled:
            continue
        if header is None:
            header = [cell if isinstance(cell, str) else "" for cell in filled]
            if not check_header(number, header, columns, faults):
                return
        elif len(filled) > len(header):
            faults.add(number, "has a value beside the columns of the header")
        elif (values := _values(number, header, filled, columns, faults)) is not None:
            yield number, values


def _trimmed(cells: Sequence[Cell]) -> Sequence[Cell]:
    """Without the empty cells at the end: formatting alone makes a sheet wider than its rows."""
    count = len(cells)
    while count and cells[count - 1] == "":
        count -= 1
    return cells[:count]


def _values(
    number: int, header: Sequence[str], cells: Sequence[Cell], columns: Columns, faults: Faults
) -> dict[str, str] | None:
    values: dict[str, str] = {}
    sound = True
    for name, cell in zip(header, cells, strict=False):
        try:
            text = _text(cell, code=name in columns.codes)
        except ValueError as error:
            faults.add(number, f"{name} {error}; {_AS_TEXT}")
            sound = False
        else:
            if text:
                values[name] = text
    return values if sound else None


def _text(cell: Cell, *, code: bool) -> str:
    """What was typed into a cell; raises ValueError with the reason why that cannot be known."""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, bool) or not isinstance(cell, int | float):
        raise ValueError(f"is a {type(cell).__name__}, not text or a number")
    if code:
        raise ValueError("is a number cell, which loses zeros in front")
    text = f"{cell:.{_MOST_DIGITS}f}".rstrip("0").rstrip(".") if abs(cell) < 1 else repr(cell)
    text = text.removesuffix(".0")
    digits = text.lstrip("-0.").replace(".", "")
    if "e" in text or len(digits) > _MOST_DIGITS or float(text) != cell:
        raise ValueError(f"has more than the {_MOST_DIGITS} digits that a number cell keeps")
    return text


def _is_plain(path: Path, sheet: str, faults: Faults) -> bool:
    """Whether the sheet has neither formulas nor errors; each is a fault of its row."""
    found = faults.count
    with zipfile.ZipFile(path) as archive, archive.open(_part_of(archive, sheet)) as file:
        for number, message in _formulas(iter(lambda: file.read(_CHUNK), b"")):
            faults.add(number, message)
    return faults.count == found


def _formulas(chunks: Iterable[bytes]) -> Iterator[tuple[int | None, str]]:
    found: list[tuple[int | None, str]] = []
    row: int | None = None

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal row
        match name.rpartition(" ")[2]:
            case "row":
                row = int(attributes["r"]) if "r" in attributes else (row or 0) + 1
            case "f":
                found.append((row, f"has a formula; {_AS_TEXT}, or paste the value"))
            case "c" if attributes.get("t") == "e":
                found.append((row, "has an error such as #REF! in a cell"))
            case _:
                pass

    parser = _parser()
    parser.StartElementHandler = start
    for chunk in chunks:
        parser.Parse(chunk)
        yield from found
        found.clear()
    parser.Parse(b"", True)
    yield from found


def _parser() -> expat.XMLParserType:
    """A parser that takes no document type: a workbook has none, and entities can be a bomb."""

    def refuse(*_: object) -> None:
        raise expat.ExpatError("a document type")

    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartDoctypeDeclHandler = refuse
    return parser


def _part_of(archive: zipfile.ZipFile, sheet: str) -> str:
    """Where in the archive a sheet is. Source: ECMA-376 part 1, 12.3.23 and 12.3.24."""
    relation = next(
        value
        for attributes in _elements(archive.read("xl/workbook.xml"), "sheet")
        if attributes["name"] == sheet
        for name, value in attributes.items()
        if name.endswith(" id")
    )
    target = next(
        attributes["Target"]
        for attributes in _elements(archive.read("xl/_rels/workbook.xml.rels"), "Relationship")
        if attributes["Id"] == relation
    )
    return posixpath.normpath(posixpath.join("xl", target)).lstrip("/")


def _elements(xml: bytes, wanted: str) -> list[dict[str, str]]:
    """The attributes of each element of this name, ``namespace name`` by value."""
    found: list[dict[str, str]] = []

    def start(name: str, attributes: dict[str, str]) -> None:
        if name.rpartition(" ")[2] == wanted:
            found.append(attributes)

    parser = _parser()
    parser.StartElementHandler = start
    parser.Parse(xml, True)
    return found
