"""The docstring of a stub: what the call does, takes, gives and raises."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping

from .descriptions import sentence
from .ir import Enum, Operation
from .stubs import arguments

_INDENT = 8
_WIDTH = 100 - _INDENT


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
    duplicate = " DuplicateOrder: the order number was used before."
    return [
        *rows,
        ("ConnectFailed", "Proven: nothing was sent."),
        ("ApiError", "The server refused." + (duplicate if operation.order_number else "")),
        ("OutcomeUnknown", f"It may have happened: {_first(operation)} first."),
    ]


def _first(operation: Operation) -> str:
    """What to do after an unknown outcome, before anything is sent again."""
    if operation.settled_by:
        return "look it up by its order number"
    return "no query knows it by an order number, so look what has changed"


def _section(title: str, rows: Iterable[tuple[str, str]]) -> str:
    texts = (f"{name}: {text}" if name else text for name, text in rows)
    folded = (
        textwrap.fill(
            text, _WIDTH, initial_indent=" " * 4, subsequent_indent=" " * 8, break_on_hyphens=False
        )
        for text in texts
    )
    return "\n".join([f"{title}:", *folded])


def fold(text: str, indent: int) -> str:
    """A paragraph of a docstring, indented."""
    return textwrap.indent(_fold(text), " " * indent)


def _fold(text: str) -> str:
    return textwrap.fill(" ".join(text.split()), _WIDTH - 3, break_on_hyphens=False)
