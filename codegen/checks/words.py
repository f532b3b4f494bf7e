"""The vocabulary: ``x-`` words and schema keywords are known, and a ``$ref`` leads somewhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from jsonschema import Draft7Validator
from jsonschema.exceptions import ValidationError

from codegen.nodes import Document, Mistake, Node, Schema

_X_WORDS = frozenset({"x-fincard", "x-enum-varnames"})
_KEYWORDS = frozenset(
    {"$ref", "type", "properties", "required", "items", "allOf", "enum", "description", "default"}
    | {"minLength", "maxLength", "minItems", "maxItems", "pattern", "minimum", "maximum"}
    | {"exclusiveMinimum", "title", "examples", "deprecated", *_X_WORDS}
)
"""What the compiler understands; a bound that it would drop in silence is refused."""
_LONGEST = 160


def check_words(schema: Schema) -> Iterator[Mistake]:
    """Unknown words, broken ``x-fincard`` blocks, unknown keywords, references to nothing."""
    for document in schema:
        validator = Draft7Validator(schema.words)
        for error in validator.iter_errors(document.data):
            yield from _mistakes(document, error)
        for node in outside_examples(document.root):
            yield from _words(schema, node)
        for node in schemas(document):
            yield from _keywords(node)


def outside_examples(node: Node) -> Iterator[Node]:
    """Everything below ``node`` but the data in examples."""
    yield node
    for child in node.children():
        is_name = node.key in {"properties", "schemas"}
        if child.key not in {"example", "examples"} or is_name:
            yield from outside_examples(child)


def schemas(document: Document) -> Iterator[Node]:
    """Every JSON Schema of a document: components, bodies, and what lies inside them."""
    for node in document.root.children("components", "schemas"):
        yield from _inside(node)
    for node in outside_examples(document.root):
        if node.key == "application/json" and (body := node.at("schema")) is not None:
            yield from _inside(body)


def _inside(node: Node) -> Iterator[Node]:
    yield node
    for child in (*node.children("properties"), *node.children("allOf")):
        yield from _inside(child)
    if (items := node.at("items")) is not None:
        yield from _inside(items)


def _words(schema: Schema, node: Node) -> Iterator[Mistake]:
    for child in node.children() if isinstance(node.value, dict) else ():
        if child.key.startswith("x-") and child.key not in _X_WORDS:
            yield child.mistake(f"unknown word {child.key}")
    reference = node.at("$ref")
    if reference is not None and schema.target(node) is None:
        yield reference.mistake(f"$ref to nothing: {reference.value}")


def _keywords(node: Node) -> Iterator[Mistake]:
    for child in node.children() if isinstance(node.value, dict) else ():
        if child.key not in _KEYWORDS and not child.key.startswith("x-"):
            yield child.mistake(f"unknown schema keyword {child.key}")


def _mistakes(document: Document, error: ValidationError) -> Iterator[Mistake]:
    node = nearest(document.root, list(error.absolute_path))
    if error.validator == "additionalProperties" and isinstance(error.instance, dict):
        known = error.schema.get("properties", {}) if isinstance(error.schema, dict) else {}
        for child in node.children():
            if child.key not in known:
                yield child.mistake(f"unknown word {child.key}")
        return
    yield node.mistake(message_of(error))


def message_of(error: ValidationError) -> str:
    """One short line that says what is wrong."""
    rule: Any = error.validator_value
    if error.validator == "not" and isinstance(error.instance, dict):
        found = [word for word in _required(rule) if word in error.instance]
        return f"cannot be given here: {', '.join(found)}"
    text = " ".join(str(error.message).split())
    return (
        text if len(text) <= _LONGEST else f"{text[: _LONGEST // 2]} ... {text[-_LONGEST // 2 :]}"
    )


def _required(value: dict[str, Any]) -> list[str]:
    """The words that a ``not`` is about."""
    inner = (word for part in value.get("anyOf", ()) for word in _required(part))
    return [*value.get("required", ()), *inner]


def nearest(node: Node, path: list[str | int]) -> Node:
    """The node at ``path``, or as far on the way to it as there is."""
    for step in path:
        below = node.at(step)
        if below is None:
            break
        node = below
    return node
