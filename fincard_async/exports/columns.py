"""What a record is in a file: its columns, from the schema, and its values as text and numbers.

Amounts are text until a format can hold them exactly; a moment is its milliseconds, as the server
gave them, and beside them the same in ISO 8601. A sealed value has no column.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum
from types import UnionType
from typing import Any, Final, Literal, TypeAlias, Union, get_args, get_origin

import msgspec

from fincard_async._sansio.model import Model
from fincard_async._sansio.money import Money
from fincard_async._sansio.operation import Operation
from fincard_async._sansio.secret import Sealed, Secret

Value: TypeAlias = str | int | bool | None
Row: TypeAlias = Mapping[str, Value]

Kind = Literal["text", "integer", "money", "boolean", "json"]

ISO: Final = "_iso"
"""Ends the name of a column that shows a moment in ISO 8601."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECRET: Final = (Sealed, Secret)


@dataclass(frozen=True, slots=True)
class Column:
    """One column."""

    name: str
    kind: Kind
    moment_of: str | None = None
    """The column whose milliseconds it shows."""


def columns_of(operation: Operation[Any, Any]) -> tuple[Column, ...]:
    """The columns of a query's records, in the order of the schema."""
    return tuple(_columns(operation))


def _columns(operation: Operation[Any, Any]) -> Iterator[Column]:
    for field in msgspec.structs.fields(operation.output):
        kinds = _kinds(field.type)
        if any(kind in _SECRET for kind in kinds):
            continue
        yield Column(field.name, _kind(kinds))
        if field.name in operation.times:
            yield Column(f"{field.name}{ISO}", "text", moment_of=field.name)


def _kinds(kind: Any) -> tuple[Any, ...]:
    if get_origin(kind) in (Union, UnionType):
        return tuple(part for part in get_args(kind) if part is not type(None))
    return (kind,)


def _kind(kinds: Sequence[Any]) -> Kind:
    if len(kinds) != 1:
        return "text"
    kind = kinds[0]
    if kind is Money:
        return "money"
    if kind is bool:
        return "boolean"
    if kind is int:
        return "integer"
    is_class = isinstance(kind, type)
    nested = not is_class or (issubclass(kind, Model) or get_origin(kind) is not None)
    return "json" if nested else "text"


def row_of(record: object, columns: Sequence[Column]) -> dict[str, Value]:
    """The values of a record that has them."""
    row: dict[str, Value] = {}
    for column in columns:
        value = (
            _value(getattr(record, column.name), column.kind)
            if column.moment_of is None
            else _iso(row.get(column.moment_of))
        )
        if value is not None:
            row[column.name] = value
    return row


def _value(value: object, kind: Kind) -> Value:
    if value is None:
        return None
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, Enum):
        return str(value.value)
    if kind == "json":
        return msgspec.json.encode(_plain(value)).decode()
    if kind == "text":
        return str(value)
    assert isinstance(value, int), "the schema knows no other kind"
    return value


def _plain(value: object) -> object:
    """A nested value as JSON; a secret inside it is left out."""
    if isinstance(value, Model):
        fields = ((name, getattr(value, name)) for name in value.__struct_fields__)
        return {
            name: _plain(item)
            for name, item in fields
            if item is not None and not isinstance(item, _SECRET)
        }
    if isinstance(value, list):
        return [_plain(item) for item in value if not isinstance(item, _SECRET)]
    if isinstance(value, Decimal):
        return format(value, "f")
    return value.value if isinstance(value, Enum) else value


def _iso(milliseconds: Value) -> str | None:
    """Such as ``2026-11-22T10:15:00.000+00:00``; None for a moment that no calendar has."""
    if milliseconds is None:
        return None
    try:
        moment = _EPOCH + timedelta(milliseconds=int(milliseconds))
    except OverflowError:
        return None
    return moment.isoformat(timespec="milliseconds")
