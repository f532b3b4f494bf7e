"""Python expressions for records of the runtime, as the templates print them."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping

from .ir import Event, Field, Limits, Operation, Struct, Type

_LONGEST = 70
_PIECES = textwrap.TextWrapper(
    _LONGEST,
    expand_tabs=False,
    replace_whitespace=False,
    drop_whitespace=False,
    break_on_hyphens=False,
)
_RULE_KINDS = {"timestamp": "integer"}


class Code(str):
    """Text that is already Python."""

    __slots__ = ()


def call(function: str, **arguments: object) -> Code:
    """``function(name=value, ...)`` without the arguments that say nothing."""
    said = (
        f"{name}={literal(value)}"
        for name, value in arguments.items()
        if value is not None and value is not False and value != ()
    )
    return Code(f"{function}({', '.join(said)})")


def literal(value: object) -> Code:
    """One value; tuples item by item."""
    if isinstance(value, Code):
        return value
    if isinstance(value, tuple):
        items = ", ".join(literal(item) for item in value)
        return Code(f"({items},)" if len(value) == 1 else f"({items})")
    if isinstance(value, str) and len(value) > _LONGEST:
        pieces = _PIECES.wrap(value)
        return Code(f"({' '.join(map(repr, pieces))})")
    return Code(repr(value))


def rules(struct: Struct, structs: Mapping[str, Struct]) -> tuple[Code, ...]:
    """The rules of a request, or of an object inside it."""
    return tuple(_rule(field, structs) for field in struct.fields)


def _rule(field: Field, structs: Mapping[str, Struct]) -> Code:
    below = structs.get(field.type.component or "")
    fields: tuple[Code, ...] = ()
    if below is not None:
        fields = rules(below, structs)
    elif field.type.item is not None:
        fields = _item_rules(field.type.item, field.item_limits, structs)
    return call(
        "Rule",
        name=field.name,
        wire=field.wire,
        kind=_RULE_KINDS.get(field.type.kind, field.type.kind),
        required=field.required,
        **_limits(field.limits),
        check=field.check,
        at_most_one=below.at_most_one if below is not None else (),
        fields=fields,
    )


def _item_rules(item: Type, limits: Limits, structs: Mapping[str, Struct]) -> tuple[Code, ...]:
    below = structs.get(item.component or "")
    if below is not None:
        return rules(below, structs)
    kind = _RULE_KINDS.get(item.kind, item.kind)
    return (call("Rule", name="", wire="", kind=kind, **_limits(limits)),)


def _limits(limits: Limits) -> dict[str, object]:
    return {name: getattr(limits, name) for name in Limits.__slots__}


def operation(found: Operation, structs: Mapping[str, Struct]) -> Code:
    """The constant of one endpoint."""
    number, paging = found.order_number, found.paging
    return call(
        "Operation",
        name=found.name,
        path=found.path,
        input=Code(found.input.name),
        output=Code(found.output.name),
        shape=found.shape,
        or_true=found.or_true,
        wallet_pays=found.wallet_pays,
        safety=Code(f"Safety.{found.safety.replace('-', '_').upper()}"),
        rules=Code(literal(rules(found.input, structs))),
        order_number=number and call("OrderNumber", name=number.name, wire=number.wire),
        kind=found.kind,
        settled_by=found.settled_by,
        echo=found.echo,
        paging=paging and call("Paging", **{n: getattr(paging, n) for n in paging.__slots__}),
        sealed=found.sealed,
        times=found.times,
        aliases=found.aliases,
        deprecated=found.deprecated,
    )


def event(found: Event) -> Code:
    """The constant of one category of webhooks."""
    asked = found.confirmed_by
    return call(
        "EventKind",
        category=found.category,
        event=Code(found.class_name),
        payload=Code(found.payload.name),
        key=found.key,
        signs=found.signs,
        state=found.state,
        states=found.states,
        time=found.time,
        confirmed_by=asked and call("Confirmation", query=asked[0], filter=asked[1]),
        order_number=found.order_number,
        card=found.card,
        secrets=found.secrets,
        aliases=tuple(
            (other, field.wire) for field in found.payload.fields for other in field.aliases
        ),
    )
