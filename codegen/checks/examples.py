"""Examples: enough of them, valid, and in pairs that belong together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

from codegen.nodes import Mistake, Node, Schema
from codegen.parts import Parts, operations
from codegen.properties import Property

from .words import message_of, nearest, outside_examples, schemas

_BASE = "https://schema.invalid/"
_ACCEPTED = (200, 0, "200", "0")


def check_examples(schema: Schema) -> Iterator[Mistake]:
    """Examples of every operation, and of the shared responses."""
    validity = _Validity(schema)
    for document in schema:
        for parts in operations(schema, document):
            yield from _complete(parts)
            yield from _pairs(parts)
            yield from _strangers(parts)
        for node in outside_examples(document.root):
            body = node.at("schema") if node.key == "application/json" else None
            if body is not None:
                for example in node.children("examples"):
                    yield from validity.mistakes(body, example)


def _complete(parts: Parts) -> Iterator[Mistake]:
    node = parts.node
    if not any(parts.request_examples()):
        yield (node.at("requestBody") or node).mistake(f"{parts.name} needs a request example")
    answers = [refused(example.get("value")) for example in parts.response_examples()]
    for kind, missing in (("success", False not in answers), ("refusal", True not in answers)):
        if missing:
            yield (parts.response or node).mistake(f"{parts.name} needs a {kind} example")


def _pairs(parts: Parts) -> Iterator[Mistake]:
    """An answer belongs to the request of the same name, and repeats what it must repeat."""
    requests = {example.key: example for example in parts.request_examples()}
    for answer in parts.response_examples():
        request = requests.get(answer.key)
        if request is None:
            yield answer.mistake(f"no request example is called {answer.key}")
            continue
        for wire in parts.node.get("x-fincard", "echo", default=[]):
            asked, said = request.get("value", wire), answer.get("value", "data", wire)
            if asked is not None and said is not None and asked != said:
                yield answer.mistake(f"{wire} differs from the request example {answer.key}")


def _strangers(parts: Parts) -> Iterator[Mistake]:
    """Keys of examples that no schema describes: forgotten in the schema, or misspelt."""
    for example in parts.request_examples():
        yield from undescribed(parts.schema, parts.request, example.at("value"))
    shape, result = parts.answer
    below = {"bare": (), "page": ("data", "records")}.get(shape, ("data",))
    for example in parts.response_examples():
        yield from undescribed(parts.schema, result, example.at("value", *below))


def undescribed(schema: Schema, struct: Node | None, value: Node | None) -> Iterator[Mistake]:
    """Keys of a body that no property describes."""
    if struct is None or value is None:
        return
    if isinstance(value.value, list):
        for item in value.children():
            yield from undescribed(schema, struct, item)
        return
    known = {child.key: Property(schema, child) for child in struct.children("properties")}
    aliases = {other: name for name in known for other in known[name].fincard.get("aliases", ())}
    for child in value.children():
        found = known.get(aliases.get(child.key, child.key))
        if found is None:
            yield child.mistake(f"{struct.key} does not describe {child.key}")
        elif (inner := found.struct) is not None:
            yield from undescribed(schema, inner, child)


def refused(body: Any) -> bool:
    """True for the body of a refusal."""
    if not isinstance(body, dict):
        return False
    success = body.get("success")
    return success is False if success is not None else body.get("code", 200) not in _ACCEPTED


class _Validity:
    """Validates bodies as the runtime reads them: null is absent, aliases are resolved."""

    def __init__(self, schema: Schema) -> None:
        resources = [(_BASE + d.name, DRAFT202012.create_resource(d.data)) for d in schema]
        self._registry: Registry[Any] = Registry().with_resources(resources)
        self._aliases = dict(_aliases(schema))

    def mistakes(self, body: Node, example: Node) -> Iterator[Mistake]:
        value = example.at("value")
        if value is None:
            yield example.mistake(f"example {example.key} needs a value")
            return
        steps = (quote(str(step).replace("~", "~0").replace("/", "~1")) for step in body.pointer)
        reference = f"{_BASE}{body.document.name}#/{'/'.join(steps)}"
        validator = Draft202012Validator({"$ref": reference}, registry=self._registry)
        try:
            for error in validator.iter_errors(_as_read(value.value, self._aliases)):
                place = nearest(value, list(error.absolute_path))
                yield place.mistake(f"example {example.key}: {message_of(error)}")
        except Unresolvable:
            return  # the broken reference is reported where it stands


def _aliases(schema: Schema) -> Iterator[tuple[str, str]]:
    for document in schema:
        for node in schemas(document):
            for child in node.children("properties"):
                for other in Property(schema, child).fincard.get("aliases", ()):
                    yield str(other), child.key


def _as_read(value: Any, aliases: Mapping[str, str]) -> Any:
    if isinstance(value, list):
        return [_as_read(item, aliases) for item in value]
    if not isinstance(value, dict):
        return value
    read = {key: _as_read(item, aliases) for key, item in value.items() if item is not None}
    for other, name in aliases.items():
        if other in read and name not in read:
            read[name] = read[other]
    return read
