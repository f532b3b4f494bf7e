"""Results as text: tables for people, JSON, NDJSON and CSV for programs.

Amounts are written exactly, as text, in every format. What the server says is foreign text: it
never reaches a terminal with control characters in it.
"""

from __future__ import annotations

import csv
import io
import re
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from typing import Final, TypeAlias

import click
import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from fincard_async._sansio.secret import Sealed, Secret

Row: TypeAlias = Mapping[str, object]
"""A record by its Python field names; values that JSON knows, amounts as text."""

FORMATS: Final = ("table", "json", "ndjson", "csv")
_UNLIMITED: Final = 10_000
_GAP: Final = 2
_AMOUNT: Final = re.compile(r"(^|_)(amount|balance)$")
_MONEY: Final = re.compile(r"amount|balance|fee|price|quota")


def printable(text: str) -> str:
    """Foreign text without anything that a terminal would obey."""
    return "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in text)


def plain(value: object) -> object:
    """A value as JSON knows it; a sealed or secret one only as that word."""
    if isinstance(value, msgspec.Struct):
        return {name: shown for name, shown in record(value).items() if shown is not None}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, Sealed | Secret):
        return type(value).__name__.lower()
    return value


def record(struct: msgspec.Struct) -> dict[str, object]:
    """The fields of a record in the order of the schema, absent ones as None."""
    return {name: plain(getattr(struct, name)) for name in struct.__struct_fields__}


def present(row: Row) -> dict[str, object]:
    """The fields that have a value."""
    return {name: value for name, value in row.items() if value is not None}


def json_line(row: object) -> str:
    """One line of JSON; a terminal cannot be steered by it."""
    text = msgspec.json.encode(row).decode()
    return text if text.isprintable() else printable(text)


def number_of(noun: str, count: int) -> str:
    """A number with its noun: ``1 card``, ``1,200 cards``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def default_format() -> str:
    """A table on a terminal, one JSON object to a line elsewhere."""
    return "table" if sys.stdout.isatty() else "ndjson"


def print_record(row: Row, form: str) -> None:
    """Print one record."""
    if form == "table":
        grid = Table.grid(padding=(0, _GAP))
        for name, value in present(row).items():
            grid.add_row(Text(name, "dim"), Text(cell(name, value)))
        console().print(grid)
    elif form == "json":
        click.echo(_indented(present(row)))
    else:
        click.echo(json_line(present(row)))


async def print_rows(rows: AsyncIterator[Row], columns: Sequence[str], form: str) -> int:
    """Print many records as they come (a table or a JSON list: at the end); returns how many."""
    count = 0
    if form in ("table", "json"):
        kept = [row async for row in rows]
        if form == "table":
            print_table(kept, columns)
        else:
            click.echo(_indented([present(row) for row in kept]))
        return len(kept)
    if form == "csv":
        click.echo(_csv_line(columns))
    async for row in rows:
        count += 1
        line = json_line(present(row)) if form == "ndjson" else csv_row(row, columns)
        click.echo(line)
    return count


def print_table(rows: Sequence[Row], columns: Sequence[str]) -> None:
    """Print as many columns as the window takes, and say how many it does not."""
    if not rows:
        click.echo("no rows", err=True)
        return
    filled = [name for name in columns if any(row.get(name) is not None for row in rows)]
    texts = {
        name: [cell(name, row.get(name)) for row in rows]
        for name in filled
        if not any(isinstance(row.get(name), dict | list) for row in rows)
    }
    out = console()
    shown = _fitting(texts, out.width)
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="bold")
    for name in shown:
        numbers = all(_is_amount(name, text) for text in texts[name] if text)
        table.add_column(Text(name), justify="right" if numbers else "left", no_wrap=True)
    for cells in zip(*(texts[name] for name in shown), strict=True):
        table.add_row(*(Text(text) for text in cells))
    out.print(table)
    if hidden := len(filled) - len(shown):
        verb = "is" if hidden == 1 else "are"
        columns_left = number_of("column", hidden)
        say(f"{columns_left} {verb} not shown; --format json, csv or ndjson has all", err=True)


def cell(name: str, value: object) -> str:
    """One value as a person reads it; times in UTC."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int) and name.endswith("_time"):
        return datetime.fromtimestamp(value / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, dict | list):
        return json_line(value)
    return printable(str(value))


def csv_row(row: Row, columns: Sequence[str]) -> str:
    """One line of CSV; nested values as JSON text."""
    return _csv_line([_flat(row.get(name)) for name in columns])


def say(text: str, *, err: bool = False) -> None:
    """Print prose on a line; between words it is broken as the window needs."""
    console(stderr=err).print(Text(printable(text)))


def console(*, stderr: bool = False) -> Console:
    """Where tables go: as wide as the window, or as wide as they need to be in a pipe."""
    made = Console(stderr=stderr, highlight=False, markup=False, emoji=False)
    if not made.is_terminal:
        made.width = _UNLIMITED
    return made


def _fitting(texts: Mapping[str, Sequence[str]], width: int) -> list[str]:
    """The first columns that fit, in their order; amounts are sure of a place.

    A column that is too wide is passed over.
    """
    first = next(iter(texts))
    shown: set[str] = set()
    left = width
    for name in sorted(texts, key=lambda name: (name != first, not _AMOUNT.search(name))):
        needed = max(len(name), *(Text(text).cell_len for text in texts[name])) + _GAP
        if needed <= left + _GAP or not shown:
            shown.add(name)
            left -= needed
    return [name for name in texts if name in shown]


def _is_amount(name: str, text: str) -> bool:
    """True for money, which is aligned at its end; not for ids that are made of digits."""
    return bool(_MONEY.search(name)) and text.removeprefix("-").replace(".", "", 1).isdigit()


def _indented(value: object) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


def _flat(value: object) -> object:
    if isinstance(value, bool):
        return str(value).lower()
    return json_line(value) if isinstance(value, dict | list) else value


def _csv_line(values: Sequence[object]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow(values)
    return line.getvalue().removesuffix("\r\n")
