"""What a stub method takes and does: its arguments, the request that it builds, its result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .descriptions import describe
from .ir import Enum, Field, Operation, Type

_OPTIONAL = " | None = None"


@dataclass(frozen=True, slots=True, kw_only=True)
class Argument:
    """One argument of a stub."""

    name: str
    declaration: str
    description: str
    positional: bool = False


def arguments(operation: Operation, enums: Mapping[str, Enum]) -> list[Argument]:
    """Required first, then optional, the order number, what belongs to paging."""
    found = [
        Argument(
            name=field.name,
            declaration=_declaration(field),
            description=describe(field, enums),
            positional=field.name == operation.leading,
        )
        for field in ordered(operation)
    ]
    number, paging = operation.order_number, operation.paging
    if number is not None:
        text = f"{describe(number, enums)} One is minted if this is None; the result names it."
        found.append(
            Argument(
                name=number.name, declaration=f"{number.name}: str{_OPTIONAL}", description=text
            )
        )
    if paging is not None:
        size = f"Rows to a page, up to {paging.max_size}, which is also the default."
        found += [
            Argument(
                name=paging.size, declaration=f"{paging.size}: int{_OPTIONAL}", description=size
            ),
            Argument(
                name="prefetch",
                declaration="prefetch: int = 0",
                description="How many pages to read ahead.",
            ),
        ]
    return found


def ordered(operation: Operation) -> list[Field]:
    """The fields that a caller names: the leading one, the required ones, the optional ones."""
    hidden = {operation.order_number.name} if operation.order_number is not None else set[str]()
    if operation.paging is not None:
        hidden |= {operation.paging.page, operation.paging.size}
    shown = [field for field in operation.input.fields if field.name not in hidden]
    return sorted(shown, key=lambda field: (field.name != operation.leading, not field.required))


def _declaration(field: Field) -> str:
    text = f"{field.name}: {_accepted(field.type)}"
    return text if field.required else text + _OPTIONAL


def _accepted(kind: Type) -> str:
    if kind.kind == "money":
        return "Amount"
    return f"{kind.text} | str" if kind.kind in {"secret", "enum"} else kind.text


def request(operation: Operation) -> str:
    """The expression that builds the input struct."""
    parts: list[str] = []
    paging = operation.paging
    for field in operation.input.fields:
        name = field.name
        if paging is not None and name == paging.page:
            value = "1"
        elif paging is not None and name == paging.size:
            value = f"{paging.max_size} if {name} is None else {name}"
        else:
            value = _converted(field)
        parts.append(f"{name}={value}")
    return f"{operation.input.name}({', '.join(parts)})"


def concealed(operation: Operation) -> list[str]:
    """Arguments that become secrets first of all, because tracebacks show a frame's variables."""
    return [field.name for field in operation.input.fields if field.type.kind == "secret"]


def _converted(field: Field) -> str:
    name = field.name
    if field.type.kind == "money":
        made = f'to_money({name}, "{name}")'
        return made if field.required else f"(None if {name} is None else {made})"
    return f"as_enum({field.type.text}, {name})" if field.type.kind == "enum" else name


def result(operation: Operation) -> str:
    """The annotation of what a stub returns."""
    frames = {"list": "list[{}]", "page": "Paginator[{}]"}
    return frames.get(operation.shape, "{}").format(operation.output.name)


def answer(operation: Operation) -> str:
    """The annotation of what a handler of a server returns."""
    text = result(operation).replace("Paginator[", "PageData[")
    return f"{text} | Literal[True]" if operation.or_true else text
