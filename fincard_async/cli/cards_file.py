"""The ids of cards in a file: CSV, NDJSON (such as the report of an issue), or one id to a line."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from fincard_async.errors import ValidationError

_NAMES: Final = ("card_no", "cardNo")
Found = tuple[int, str]
"""Line number and id; the id is empty where the record has none."""


class CardsFile(msgspec.Struct, frozen=True):
    """What a file holds: ids in its order, each once."""

    card_nos: tuple[str, ...]
    without: int
    """Records that name no card, such as the refused rows of a report."""


def read_card_nos(path: Path) -> CardsFile:
    """Read the ids of a file, whatever its form.

    Raises:
        ValidationError: The file is not one of the three forms; the message names the line.
        OSError: The file cannot be read.
    """
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError:
        raise ValidationError(f"{path}: not UTF-8 text") from None
    found = [] if not text.strip() else list(_form(text)(path, text))
    if not found:
        raise ValidationError(f"{path}: no card in this file")
    ids = dict.fromkeys(card_no for _, card_no in found if card_no)
    return CardsFile(tuple(ids), sum(not card_no for _, card_no in found))


def _form(text: str) -> Callable[[Path, str], Iterator[Found]]:
    first = text.lstrip().partition("\n")[0].strip()
    if first.startswith("{"):
        return _ndjson
    columns = next(csv.reader([first]))
    return _csv if len(columns) > 1 or columns[0].strip() in _NAMES else _lines


def _ndjson(path: Path, text: str) -> Iterator[Found]:
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            item = msgspec.json.decode(line)
        except msgspec.MsgspecError:
            raise ValidationError(f"{path}:{number}: not JSON") from None
        if not isinstance(item, dict) or not any(name in item for name in (*_NAMES, "row_id")):
            raise ValidationError(f'{path}:{number}: an object with "card_no" is needed')
        value = next((item[name] for name in _NAMES if item.get(name)), "")
        yield number, _checked(path, number, value)


def _csv(path: Path, text: str) -> Iterator[Found]:
    rows = csv.reader(io.StringIO(text))
    header = [name.strip() for name in next(rows)]
    place = next((header.index(name) for name in _NAMES if name in header), None)
    if place is None:
        raise ValidationError(f"{path}:1: no column card_no; columns: {', '.join(header)}")
    for row in rows:
        if row:
            yield rows.line_num, row[place].strip() if place < len(row) else ""


def _lines(path: Path, text: str) -> Iterator[Found]:
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            yield number, _checked(path, number, line.strip())


def _checked(path: Path, number: int, value: object) -> str:
    if not isinstance(value, str) or any(sign.isspace() for sign in value):
        raise ValidationError(f"{path}:{number}: not the id of a card")
    return value
