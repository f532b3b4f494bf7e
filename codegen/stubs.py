"""What a stub method says: its arguments, the request that it builds, its docstring."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .ir import Enum, Field, Limits, Operation, Type

_OPTIONAL = " | None = None"
_INDENT = 8
_WIDTH = 100 - _INDENT
_INT64 = {"-9223372036854775808", "9223372036854775807"}


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
            value = _converted(field, field.required)
        parts.append(f"{name}={value}")
    return f"{operation.input.name}({', '.join(parts)})"


def _converted(field: Field, required: bool) -> str:
    name = field.name
    if field.type.kind == "money":
        made = f'to_money({name}, "{name}")'
        return made if required else f"None if {name} is None else {made}"
    if field.type.kind == "secret":
        return f"as_secret({name})"
    return f"as_enum({field.type.text}, {name})" if field.type.kind == "enum" else name


def result(operation: Operation) -> str:
    """The annotation of what a stub returns."""
    frames = {"list": "list[{}]", "page": "Paginator[{}]"}
    return frames.get(operation.shape, "{}").format(operation.output.name)


def describe(field: Field, enums: Mapping[str, Enum]) -> str:
    """Meaning and unit, the bounds unless the description names them, the server's default."""
    texts = [sentence(field.description)]
    bounds = _bounds(field.limits)
    if bounds and not all(_mentions(field.description, bound) for bound in _numbers(field.limits)):
        texts.append(f"{bounds[0].upper()}{bounds[1:]}.")
    if (choices := enums.get(field.type.component or "")) is not None:
        texts.append(f"One of {', '.join(choices.values)}, or another text.")
    if field.default is not None:
        texts.append(f"The server takes {field.default} if this is left out.")
    return " ".join(text for text in texts if text)


def sentence(text: str) -> str:
    """Text with a full stop at its end."""
    return text if not text or text.endswith((".", "!", "?")) else f"{text}."


def _numbers(limits: Limits) -> list[str]:
    found = (limits.min_length, limits.max_length, limits.minimum, limits.maximum, limits.above)
    return [str(number) for number in found if number is not None]


def _mentions(text: str, number: str) -> bool:
    return number in text.replace(",", " ").replace("..", " ").rstrip(".").split()


def _bounds(limits: Limits) -> str:
    low, high = limits.min_length, limits.max_length
    if high is not None:
        return f"exactly {high} long" if low == high else f"{low or 0} to {high} long"
    if low is not None:
        return "not empty" if low == 1 else f"at least {low} long"
    if limits.above is not None:
        upper = f" and at most {limits.maximum}" if limits.maximum is not None else ""
        return f"more than {limits.above}{upper}"
    if _INT64 & {limits.minimum, limits.maximum}:
        return ""
    if limits.minimum is not None:
        upper = f" to {limits.maximum}" if limits.maximum is not None else ""
        return f"{limits.minimum}{upper}" if upper else f"at least {limits.minimum}"
    return f"at most {limits.maximum}" if limits.maximum is not None else ""


def docstring(operation: Operation, enums: Mapping[str, Enum]) -> str:
    """The whole docstring, quotes included, for a method body."""
    sections = [_fold(sentence(operation.summary))]
    if operation.description:
        sections += [_fold(part) for part in operation.description.split("\n\n")]
    if operation.deprecated:
        sections.append(_fold(f"Deprecated: {sentence(operation.deprecated)}"))
    shown = [(found.name, found.description) for found in arguments(operation, enums)]
    shown.append(("options", "Settings of this call; None takes those of the client."))
    sections.append(_section("Args", shown))
    sections.append(_section("Returns", [("", _returns(operation))]))
    sections.append(_section("Raises", _raises(operation)))
    sections.append(_fold(f"Source: {operation.source}"))
    text = "\n\n".join(sections).replace("\\", "\\\\").replace('"""', r"\"\"\"")
    return textwrap.indent(f'"""{text}\n"""', " " * _INDENT)


def _returns(operation: Operation) -> str:
    what = sentence(" ".join(operation.output.description.split("\n\n")[0].split()))
    if operation.shape == "page":
        return f"An iterator over all rows; nothing is sent before the first is asked for. {what}"
    return f"A list, possibly empty. {what}" if operation.shape == "list" else what


def _raises(operation: Operation) -> list[tuple[str, str]]:
    rows = [("ValidationError", "An argument breaks a rule; nothing was sent.")]
    if not operation.mutates:
        return [
            *rows,
            ("ApiError", "The server refused."),
            ("TransportError", "No reply arrived."),
            ("ReplyError", "A reply arrived that cannot be trusted."),
        ]
    return [
        *rows,
        ("ConnectFailed", "Proven: nothing was sent."),
        ("ApiError", "The server refused. DuplicateOrder: the order number was used before."),
        ("OutcomeUnknown", "It may have happened: look it up by its order number first."),
    ]


def _section(title: str, rows: Iterable[tuple[str, str]]) -> str:
    texts = (f"{name}: {text}" if name else text for name, text in rows)
    folded = (
        textwrap.fill(
            text, _WIDTH, initial_indent=" " * 4, subsequent_indent=" " * 8, break_on_hyphens=False
        )
        for text in texts
    )
    return "\n".join([f"{title}:", *folded])


def _fold(text: str) -> str:
    return textwrap.fill(" ".join(text.split()), _WIDTH - 3, break_on_hyphens=False)
