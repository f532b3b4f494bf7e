"""Components: names, enumerations, properties that become Python fields, values that are secret."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from codegen.names import RESERVED_CLASSES, SECRET_PROPERTIES, snake
from codegen.nodes import Mistake, Node, Schema
from codegen.properties import Property, is_enum, is_frame, is_struct

_CLASS = re.compile(r"[A-Z][A-Za-z0-9]*\Z")
_MEMBER = re.compile(r"[A-Z][A-Z0-9_]*\Z")


def check_components(schema: Schema) -> Iterator[Mistake]:
    """Everything under ``components/schemas`` of every document."""
    seen: dict[str, Node] = {}
    for document in schema:
        for node in document.root.children("components", "schemas"):
            if node.key in seen:
                yield node.mistake(f"component {node.key} exists in {seen[node.key].document.name}")
            seen[node.key] = node
            yield from _component(schema, node)


def _component(schema: Schema, node: Node) -> Iterator[Mistake]:
    if not _CLASS.match(node.key):
        yield node.mistake(f"component {node.key} must be named like a class")
    if node.key in RESERVED_CLASSES and (is_enum(node) or is_struct(node)):
        yield node.mistake(f"component {node.key} has a name that generated code uses")
    if is_enum(node):
        yield from _enum(node)
    elif is_struct(node) and not is_frame(node):
        yield from _struct(schema, node)


def _enum(node: Node) -> Iterator[Mistake]:
    values, names = node.get("enum"), node.get("x-enum-varnames")
    if not isinstance(names, list):
        yield node.mistake(f"enumeration {node.key} needs x-enum-varnames")
        return
    if len(names) != len(values):
        yield node.mistake(f"{len(values)} values, but {len(names)} names in x-enum-varnames")
    for name, count in Counter(map(str, names)).items():
        if count > 1 or not _MEMBER.match(name):
            yield node.mistake(f"{name} must be upper case and unique in x-enum-varnames")
    texts = node.get("x-fincard", "values", default={})
    for value in sorted({*map(str, values)} ^ {*map(str, texts)}):
        side = "is no value of" if value in texts else "is not described by"
        yield node.mistake(f"{value} {side} enumeration {node.key}")


def _struct(schema: Schema, node: Node) -> Iterator[Mistake]:
    properties = node.get("properties", default={})
    if not node.get("description"):
        yield node.mistake(f"{node.key} needs a description")
    for word, names in (
        ("required", node.get("required", default=[])),
        ("at-most-one", node.get("x-fincard", "at-most-one", default=[])),
    ):
        for name in names:
            if name not in properties:
                yield node.mistake(f"{word} names {name}, which {node.key} does not have")
    for name, count in Counter(map(snake, properties)).items():
        if count > 1:
            yield node.mistake(f"two properties of {node.key} would both be called {name}")
    for child in node.children("properties"):
        yield from _property(schema, child)
    if _contains(schema, node, node.key, set()):
        yield node.mistake(f"{node.key} contains itself")


def _property(schema: Schema, node: Node) -> Iterator[Mistake]:
    found = Property(schema, node)
    if not found.description:
        yield node.mistake(f"{node.key} needs a description")
    if found.json_type == "number":
        yield node.mistake(f"{node.key} is a number, which loses digits: refer to Money")
    elif "enum" in found.words and found.component is None:
        yield node.mistake(f"the enumeration of {node.key} must be a component")
    elif found.json_type == "object" and found.component is None:
        yield node.mistake(f"the object {node.key} must be a component")
    elif found.type is None and _leads_somewhere(schema, node):
        yield node.mistake(f"{node.key} has a type that the compiler does not know")
    words = [word for word in ("sealed", "sensitive", "rule") if word in found.fincard]
    if words and found.json_type != "string":
        yield node.mistake(f"{', '.join(words)} is for text, and {node.key} is none")
    if node.key.lower() in SECRET_PROPERTIES and not {"sealed", "sensitive"} & {*words}:
        yield node.mistake(f"{node.key} is secret: say sealed or sensitive in x-fincard")


def _leads_somewhere(schema: Schema, node: Node) -> bool:
    """False if a reference on the way is broken, which is reported where it stands."""
    return all(
        schema.target(inner) is not None for inner in node.walk() if inner.at("$ref") is not None
    )


def _contains(schema: Schema, node: Node, name: str, seen: set[str]) -> bool:
    """True if an object, or an object inside it, has a property of component ``name``."""
    for child in node.children("properties"):
        inner = Property(schema, child).struct
        if inner is None or inner.key in seen:
            continue
        seen.add(inner.key)
        if inner.key == name or _contains(schema, inner, name, seen):
            return True
    return False
