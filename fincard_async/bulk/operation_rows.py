"""Files of any bulk operation to rows; the columns are the fields of its request in the schema."""

from __future__ import annotations

import os
from typing import Final

from fincard_async._sansio.operation import Rule

from .formats import Columns
from .kinds import BulkKind, operation_of
from .records import OperationRow
from .rows import Fields, RowFile

_NESTED: Final = frozenset({"list", "object"})
_CODES: Final = frozenset({"secret", "text"})


def columns_of(kind: BulkKind) -> Columns:
    """``row_id`` and every field of the request, by its Python name, but the order number."""
    rules = _rules(kind)
    return Columns(
        required=("row_id", *(rule.name for rule in rules if rule.required)),
        optional=tuple(rule.name for rule in rules if not rule.required),
        # A required text names something, such as a card; a remark may be a number.
        codes=frozenset(r.name for r in rules if r.kind in _CODES and (r.required or _secret(r))),
        nested=frozenset(rule.name for rule in rules if rule.kind in _NESTED),
    )


def operation_rows(
    kind: BulkKind, path: str | os.PathLike[str], *, sheet: str | None = None
) -> RowFile[OperationRow]:
    """The rows of a file for one kind of operation, however many; see ``RowFile``.

    Args:
        kind: Name of the method of ``client.cards``, such as ``deposit``.
        path: The file, in any format that ``issue_rows`` takes. Lists and objects are JSON text; in
            NDJSON they may stand as they are.
        sheet: Which sheet of a workbook, if several have something in them.

    Raises:
        ValidationError: The operation cannot be done in bulk.
    """
    rules = _rules(kind)

    def build(fields: Fields) -> OperationRow:
        values = {rule.name: _value(fields, rule) for rule in rules}
        return OperationRow(row_id=fields.row_id(), values=values, line=fields.line)

    return RowFile(path, columns_of(kind), build, sheet=sheet, form=f"operation {kind}")


def _rules(kind: BulkKind) -> tuple[Rule, ...]:
    operation = operation_of(kind)
    assert operation.order_number is not None
    number = operation.order_number.name
    return tuple(rule for rule in operation.rules if rule.name != number)


def _value(fields: Fields, rule: Rule) -> object:
    match rule.kind:
        case "integer":
            return fields.integer(rule.name, required=rule.required)
        case "money":
            return fields.money(rule.name, required=rule.required)
        case "secret":
            return fields.secret(rule.name)
        case _:
            return fields.text(rule.name, required=rule.required)


def _secret(rule: Rule) -> bool:
    return rule.kind == "secret"
