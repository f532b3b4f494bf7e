"""From a row to the request that it stands for, as the schema describes it.

Every value is converted before anything is sent: text becomes what its field is, a float is
refused, a field that the operation does not know is an error. A message names the field and the
rule and never quotes the value, which may be a card number in the wrong column.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from operator import attrgetter
from typing import Any, Final, TypeAlias

import msgspec

from fincard_async._generated.operations.cards import OPEN
from fincard_async._sansio.codec import decode_any, encode
from fincard_async._sansio.model import Model
from fincard_async._sansio.money import to_money
from fincard_async._sansio.operation import Rule
from fincard_async._sansio.responses import scrub
from fincard_async._sansio.secret import Secret
from fincard_async.errors import ArgumentTypeError, ValidationError

from .kinds import BulkOperationType, secret_rules
from .rows import IssueRow

replace = msgspec.structs.replace


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationRow:
    """One operation to carry out, for any kind of bulk job."""

    row_id: str
    """Unique in the job: the order number is derived from it."""
    values: Mapping[str, object] = field(repr=False)
    """Fields of the request by Python name, such as ``card_no`` and ``amount``; the order number is
    not among them. Numbers, amounts and flags may be text, lists and objects may be JSON text."""
    generation: int = 0
    """Raise it to repeat a row of the same id, on purpose."""
    line: int | None = None
    """Where it stands in its file."""


BulkRow: TypeAlias = IssueRow | OperationRow

_ISSUE_FIELDS: Final = tuple(
    rule.name for rule in OPEN.rules if rule.name in IssueRow.__dataclass_fields__
)
_issue_values: Final = attrgetter(*_ISSUE_FIELDS)


def to_request(operation: BulkOperationType, row: BulkRow) -> Model:
    """The request of a row, without its order number; its rules are not checked yet.

    Raises:
        ValidationError: A field is unknown, or its value has a wrong type.
    """
    if isinstance(row, OperationRow):
        return _from_values(operation, row.values)
    if operation is not OPEN:
        raise ValidationError("is a card to issue, which this job does not do")
    values: dict[str, Any] = dict(zip(_ISSUE_FIELDS, _issue_values(row), strict=True))
    values["amount"] = to_money(row.amount)
    request: Model = operation.input(**values)
    return request


def _from_values(operation: BulkOperationType, values: Mapping[str, object]) -> Model:
    rules = _rules(operation)
    if unknown := [name for name in values if name not in rules]:
        raise ValidationError(f"unknown field: {', '.join(scrub(name) for name in unknown)}")
    given = {name: value for name, value in values.items() if value is not None and value != ""}
    secrets = {name: given.pop(name) for name in list(given) if rules[name].kind == "secret"}
    if plain := [name for name, value in secrets.items() if not isinstance(value, Secret)]:
        raise ArgumentTypeError(f"{plain[0]} must be a Secret, not {type(plain[0]).__name__}")
    wire = {rules[name].wire: _read(rules[name], value) for name, value in given.items()}
    try:
        return replace(_decode(operation, wire), **secrets)
    except msgspec.MsgspecError as error:
        raise ValidationError(scrub(str(error))) from None


def _decode(operation: BulkOperationType, wire: Mapping[str, object]) -> Model:
    """Text as its type: the way of every request that arrives at the sandbox."""
    try:
        found: Model = operation.input_decoder.decode(encode(wire))
    except UnicodeEncodeError:
        raise ValidationError("a value holds text that cannot be written as UTF-8") from None
    return found


@cache
def _rules(operation: BulkOperationType) -> Mapping[str, Rule]:
    """What a row may give: everything but the order number."""
    assert operation.order_number is not None
    number = operation.order_number.name
    return {rule.name: rule for rule in operation.rules if rule.name != number}


def _read(rule: Rule, value: object) -> object:
    reader = _READERS.get(rule.kind)
    return value if reader is None else reader(rule, value)


def _money(rule: Rule, value: object) -> object:
    return to_money(value, rule.name)


def _boolean(rule: Rule, value: object) -> object:
    return {"true": True, "false": False}.get(str(value).lower(), value)


def _integer(rule: Rule, value: object) -> object:
    if isinstance(value, float):
        raise ArgumentTypeError(f"{rule.name} must be an int, not float")
    return value


def _nested(rule: Rule, value: object) -> object:
    """A list or an object; its keys may be Python names or those of the wire."""
    if isinstance(value, str):
        try:
            value = decode_any(value.encode())
        except (msgspec.MsgspecError, UnicodeEncodeError):
            raise ValidationError(f"{rule.name} is not JSON") from None
    return _renamed(rule, value)


def _renamed(rule: Rule, value: object) -> object:
    if isinstance(value, float):
        raise ArgumentTypeError(f"{rule.name} holds a float, which is not exact")
    if isinstance(value, msgspec.Struct):
        return value
    if isinstance(value, list | tuple):
        return [_renamed(rule, item) for item in value]
    if not isinstance(value, dict):
        return value
    by_name = {name: inner for inner in rule.fields for name in (inner.name, inner.wire) if name}
    if unknown := [str(name) for name in value if name not in by_name]:
        raise ValidationError(f"{rule.name} has an unknown field: {scrub(', '.join(unknown))}")
    return {by_name[name].wire: _renamed(by_name[name], item) for name, item in value.items()}


_READERS: Final[Mapping[str, Callable[[Rule, object], object]]] = {
    "money": _money,
    "boolean": _boolean,
    "integer": _integer,
    "list": _nested,
    "object": _nested,
}


def payload_of(operation: BulkOperationType, request: Model) -> tuple[str, dict[str, Secret]]:
    """What a journal keeps of a request, and what it must not keep."""
    secrets = {
        rule.name: value
        for rule in secret_rules(operation)
        if (value := getattr(request, rule.name)) is not None
    }
    if secrets:
        request = replace(request, **dict.fromkeys(secrets))
    try:
        return encode(request).decode(), secrets
    except UnicodeEncodeError:
        raise ValidationError("a value holds text that cannot be written as UTF-8") from None


def from_payload(
    operation: BulkOperationType, payload: str, order_no: str, secrets: Mapping[str, Secret]
) -> Model:
    """The other way round: the request of every attempt of a row, always the same."""
    assert operation.order_number is not None
    request = operation.input_decoder.decode(payload.encode())
    found: Model = replace(request, **{operation.order_number.name: order_no}, **secrets)
    return found
