"""What a property of the schema is: its kind, its component, its bounds."""

from __future__ import annotations

import json
from typing import Any

from .ir import Limits, Type
from .nodes import Node, Schema

SCALARS = {"money": "money", "long": "integer", "timestamp": "timestamp"}
_PLAIN = {"string": "text", "integer": "integer", "boolean": "boolean"}
_FRAME = frozenset({"Envelope", "Page"})
"""Components that the runtime holds by hand."""


class Property:
    """A schema with its references to scalars followed; what stands beside a ``$ref`` wins."""

    def __init__(self, schema: Schema, node: Node) -> None:
        self.node = node
        self.words: dict[str, Any] = {}
        self.fincard: dict[str, Any] = {}
        self.component: Node | None = None
        """The enum or object at the end of the references."""
        self._schema = schema
        self._merge(node)

    def _merge(self, node: Node) -> None:
        words = node.value if isinstance(node.value, dict) else {}
        self.words = {**words, **self.words}
        fincard = words.get("x-fincard")
        self.fincard = {**(fincard if isinstance(fincard, dict) else {}), **self.fincard}
        if "$ref" in words and (target := self._schema.target(node)) is not None:
            if is_struct(target) or is_enum(target):
                self.component = target
                return
            self.words.pop("$ref", None)
            self._merge(target)

    @property
    def json_type(self) -> Any:
        """``type`` without "null"; a list only if several are left."""
        found = self.words.get("type")
        if isinstance(found, list):
            found = [name for name in found if name != "null"]
            return found[0] if len(found) == 1 else found
        return found

    @property
    def items(self) -> Property | None:
        """The items of a list."""
        node = self.node
        while (items := node.at("items")) is None:
            target = self._schema.target(node) if node.get("$ref") else None
            if target is None:
                return None
            node = target
        return Property(self._schema, items)

    @property
    def type(self) -> Type | None:
        """The type in the models; None if the compiler has no way to say it."""
        if self.component is not None:
            kind = "enum" if is_enum(self.component) else "object"
            return Type(kind=kind, component=self.component.key)
        if self.fincard.get("sealed") and self.json_type == "string":
            return Type(kind="sealed")
        if self.fincard.get("sensitive") and self.json_type == "string":
            return Type(kind="secret")
        scalar = self.fincard.get("type")
        if scalar in SCALARS:
            return Type(kind=SCALARS[scalar])
        if self.json_type == "array":
            item = self.items.type if self.items is not None else None
            return None if item is None else Type(kind="list", item=item)
        if isinstance(self.json_type, str):
            plain = _PLAIN.get(self.json_type)
            return None if plain is None else Type(kind=plain)
        return Type(kind="either") if _is_either(self.json_type) else None

    @property
    def struct(self) -> Node | None:
        """The object that it is, or that its items are."""
        if self.component is not None:
            return self.component if is_struct(self.component) else None
        return self.items.struct if self.items is not None else None

    @property
    def limits(self) -> Limits:
        """The bounds that the compiler turns into rules."""
        words, kind = self.words, self.type.kind if self.type is not None else ""
        listing = kind == "list"
        return Limits(
            min_length=words.get("minItems" if listing else "minLength"),
            max_length=words.get("maxItems" if listing else "maxLength"),
            minimum=_number(words.get("minimum")),
            maximum=_number(words.get("maximum")),
            above=_number(words.get("exclusiveMinimum")),
            pattern=words.get("pattern") if kind in {"text", "secret"} else None,
        )

    @property
    def description(self) -> str:
        """Its own description, else that of the scalar or component."""
        found = self.words.get("description")
        if not found and self.component is not None:
            found = self.component.get("description")
        return " ".join(str(found or "").split())

    @property
    def default(self) -> str | None:
        """The server's default as JSON text."""
        return json.dumps(self.words["default"]) if "default" in self.words else None


def _is_either(types: object) -> bool:
    return isinstance(types, list) and set(types) == {"string", "integer"}


def is_enum(node: Node) -> bool:
    """True for a component that becomes an enumeration."""
    return isinstance(node.get("enum"), list)


def is_struct(node: Node) -> bool:
    """True for a component that becomes a struct."""
    return isinstance(node.get("properties"), dict) or node.get("type") == "object"


def is_frame(node: Node) -> bool:
    """True for the envelope and the page, which the runtime holds by hand."""
    return node.key in _FRAME


def _number(value: object) -> str | None:
    return None if value is None else str(value)
