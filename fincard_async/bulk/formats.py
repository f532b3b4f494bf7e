"""CSV and NDJSON to records of text; numbers keep their digits exactly as they stood."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NoReturn, TypeAlias

from fincard_async._sansio.responses import scrub

from .faults import Faults

REQUIRED: Final = ("row_id", "card_type_id", "amount")
COLUMNS: Final = (*REQUIRED, "holder_id", "account_id", "card_number")

Values: TypeAlias = Mapping[str, str]
"""One record, by column; empty and absent columns are left out."""


def csv_records(text: str, faults: Faults) -> Iterator[tuple[int, Values]]:
    """Each record of a CSV file with the line where it begins. Source: RFC 4180."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
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
            if not _check_header(line, header, faults):
                return
        elif len(fields) != len(header):
            faults.add(line, f"has {len(fields)} fields, but the header has {len(header)}")
        else:
            pairs = zip(header, fields, strict=True)
            yield line, {name: value for name, value in pairs if value}


def _check_header(line: int, header: Sequence[str], faults: Faults) -> bool:
    problems = {
        "unknown": [name for name in header if name not in COLUMNS],
        "missing": [name for name in REQUIRED if name not in header],
        "repeated": [name for name in COLUMNS if header.count(name) > 1],
    }
    for word, names in problems.items():
        if names:
            faults.add(line, f"{word} column: {_listed(names)}")
    return not any(problems.values())


def _listed(names: Sequence[str]) -> str:
    return ", ".join(scrub(name) or "(empty)" for name in names)


class _Fault(ValueError):
    """A line that is JSON, but not a record; the message quotes no value."""


class _Digits(str):
    """A JSON number."""

    __slots__ = ()


def json_records(text: str, faults: Faults) -> Iterator[tuple[int, Values]]:
    """Each object of an NDJSON file with its line; null is the same as absent."""
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            yield number, _json_record(line)
        except _Fault as fault:
            faults.add(number, str(fault))
        except (ValueError, RecursionError):
            faults.add(number, "is not JSON")


def _json_record(line: str) -> Values:
    record: object = json.loads(
        line,
        parse_float=_Digits,
        parse_int=_Digits,
        parse_constant=_refuse_constant,
        object_pairs_hook=_unique,
    )
    if not isinstance(record, dict):
        raise _Fault("is not a JSON object")
    if unknown := [name for name in record if name not in COLUMNS]:
        raise _Fault(f"unknown key: {_listed(unknown)}")
    wrong = [name for name, value in record.items() if not isinstance(value, str | None)]
    if wrong:
        raise _Fault(f"{_listed(wrong)} must be text or a number")
    return {name: str(value) for name, value in record.items() if value}


def _refuse_constant(_: str) -> NoReturn:
    raise _Fault("has a number that is not JSON, such as NaN")


def _unique(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    record = dict(pairs)
    if len(record) < len(pairs):
        raise _Fault("has a key twice")
    return record
