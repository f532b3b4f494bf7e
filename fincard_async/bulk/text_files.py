"""CSV and NDJSON to records, line by line."""

from __future__ import annotations

import csv
import json
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final, NoReturn

from .faults import Faults
from .formats import Columns, Record, Values, check_header, listed

LONGEST_LINE: Final = 1 << 20
"""Characters; a longer line is no row, and must not be read into memory."""
_NO_TEXT: Final = {
    b"\xff\xfe": "is UTF-16 text; save it as UTF-8",
    b"\xfe\xff": "is UTF-16 text; save it as UTF-8",
    b"PK\x03\x04": "is not text; the name of a workbook must end in .xlsx",
    b"PAR1": "is not text; the name of a Parquet file must end in .parquet",
    b"\xd0\xcf\x11\xe0": "is not text; save the workbook as .xlsx or as CSV",
    b"\x1f\x8b": "is compressed; unpack it first",
}


def csv_records(
    path: Path, columns: Columns, faults: Faults, *, sheet: str | None = None
) -> Iterator[Record]:
    """Each record of a CSV file with the line where it begins. Source: RFC 4180."""
    with _opened(path, faults, newline="") as file:
        reader = csv.reader(_lines(file, faults), strict=True)
        header: Sequence[str] | None = None
        while True:
            line = reader.line_num + 1
            try:
                fields = next(reader, None)
            except csv.Error as error:
                faults.add(line, f"is not CSV: {error}")
                return
            if fields is None:
                return
            if not any(fields):
                continue
            if header is None:
                header = fields
                if not check_header(line, header, columns, faults):
                    return
            elif len(fields) != len(header):
                faults.add(line, f"has {len(fields)} fields, but the header has {len(header)}")
            else:
                pairs = zip(header, fields, strict=True)
                yield line, {name: value for name, value in pairs if value}


def json_records(
    path: Path, columns: Columns, faults: Faults, *, sheet: str | None = None
) -> Iterator[Record]:
    """Each object of an NDJSON file with its line; null is the same as absent."""
    with _opened(path, faults, newline="\n") as file:
        for number, line in enumerate(_lines(file, faults), start=1):
            if not line.strip():
                continue
            try:
                yield number, _json_record(line, columns)
            except _Fault as fault:
                faults.add(number, str(fault))
            except (ValueError, RecursionError):
                faults.add(number, "is not JSON")


@contextmanager
def _opened(path: Path, faults: Faults, newline: str) -> Generator[IO[str]]:
    """The text of a file; bytes that are no UTF-8 become lone surrogates, for ``_lines``."""
    with path.open("rb") as file:
        start = file.read(4)
    wrong = next((text for sign, text in _NO_TEXT.items() if start.startswith(sign)), None)
    if wrong is not None:
        faults.add(None, wrong)
        faults.raise_if_any()
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline=newline) as text:
        yield text


def _lines(file: IO[str], faults: Faults) -> Iterator[str]:
    number = 0
    while line := file.readline(LONGEST_LINE):
        number += 1
        if len(line) == LONGEST_LINE and not line.endswith("\n"):
            faults.add(number, f"is longer than {LONGEST_LINE:,} characters")
            return
        if not line.isascii() and (sound := _without_surrogates(line)) != line:
            faults.add(number, "is not UTF-8 text")
            line = sound
        yield line


def _without_surrogates(line: str) -> str:
    return line.encode("utf-8", "replace").decode()


class _Fault(ValueError):
    """A line that is JSON, but not a record; the message quotes no value."""


class _Digits(str):
    """A JSON number."""

    __slots__ = ()


def _json_record(line: str, columns: Columns) -> Values:
    record: object = json.loads(
        line,
        parse_float=_Digits,
        parse_int=_Digits,
        parse_constant=_refuse_constant,
        object_pairs_hook=_unique,
    )
    if not isinstance(record, dict):
        raise _Fault("is not a JSON object")
    if unknown := [name for name in record if name not in columns.names]:
        raise _Fault(f"unknown key: {listed(unknown)}")
    for name in columns.nested & record.keys():
        if isinstance(record[name], dict | list):
            record[name] = json.dumps(record[name])
    wrong = [name for name, value in record.items() if not isinstance(value, str | None)]
    if wrong:
        raise _Fault(f"{listed(wrong)} must be text or a number")
    return {name: str(value) for name, value in record.items() if value}


def _refuse_constant(_: str) -> NoReturn:
    raise _Fault("has a number that is not JSON, such as NaN")


def _unique(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    record = dict(pairs)
    if len(record) < len(pairs):
        raise _Fault("has a key twice")
    return record
