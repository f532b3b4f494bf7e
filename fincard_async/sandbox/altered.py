"""Answers whose form is right and whose content is wrong: functions of bytes.

Each takes a body and the name of a field, and gives the altered body, or None if the field is not
there. Numbers that are not altered keep their digits.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

from fincard_async._sansio.codec import rewrite

_DIGITS: Final = b"9" * 100_000
_NUMBER = re.compile(rb'("\w*(?:[aA]mount|total|[pP]rice|[fF]ee)":)"?-?[0-9.]+"?')
_DATA = re.compile(rb'"data":.*\Z', re.DOTALL)


def huge_number(body: bytes, name: str = "") -> bytes | None:
    """A hundred thousand digits in place of the first amount, or of all data."""
    for pattern, text in ((_NUMBER, rb"\g<1>%b"), (_DATA, b'"data":%b}')):
        changed, count = pattern.subn(text % _DIGITS, body, count=1)
        if count:
            return changed
    return None


def another_value(body: bytes, name: str) -> bytes | None:
    """Of the same form and length, so that only a comparison tells."""

    def change(row: dict[str, Any]) -> None:
        value = str(row[name])
        row[name] = value[:-1] + ("1" if value.endswith("0") else "0")

    return _with_rows(body, name, change)


def unknown_value(body: bytes, name: str) -> bytes | None:
    """A word that no enumeration has."""
    return _with_rows(body, name, lambda row: row.update({name: "reviewing"}))


def no_value(body: bytes, name: str) -> bytes | None:
    """Without the field."""
    return _with_rows(body, name, lambda row: row.pop(name))


def _with_rows(body: bytes, name: str, change: Callable[[dict[str, Any]], object]) -> bytes | None:
    """Change ``data``, or each of its rows, where the field is there."""
    changed = 0

    def alter(answer: Any) -> Any:
        nonlocal changed
        for row in _rows_of(answer.get("data")):
            if name in row:
                change(row)
                changed += 1
        return answer

    altered = rewrite(body, alter)
    return altered if changed else None


def _rows_of(data: Any) -> Iterator[dict[str, Any]]:
    """The object, the items of a list, or the rows of a page."""
    if isinstance(data, dict):
        yield from data.get("records", [data])
    elif isinstance(data, list):
        yield from data
