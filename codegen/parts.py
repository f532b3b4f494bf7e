"""Where the parts of an operation lie in its document."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from .nodes import Document, Node, Schema
from .properties import is_frame, is_struct

_BODY = ("content", "application/json")


@dataclass(frozen=True, slots=True)
class Parts:
    """One operation, with the ways to what the checks and the compiler need."""

    schema: Schema
    node: Node
    path: str

    @property
    def name(self) -> str:
        """``cards.open``."""
        return str(self.node.get("operationId", default=""))

    @property
    def request(self) -> Node | None:
        """The component of the request body."""
        body = self.node.at("requestBody", *_BODY, "schema")
        return None if body is None else self._component(body)

    @property
    def full_path(self) -> str:
        """The path on the host, prefix included."""
        return url_path(self.node) + self.path

    def request_examples(self) -> Iterator[Node]:
        """Full request bodies."""
        yield from self.node.children("requestBody", *_BODY, "examples")

    def response_examples(self) -> Iterator[Node]:
        """Full bodies of HTTP 200 answers."""
        yield from self.node.children("responses", "200", *_BODY, "examples")

    @property
    def response(self) -> Node | None:
        """Schema of the whole HTTP 200 body."""
        return self.node.at("responses", "200", *_BODY, "schema")

    @property
    def answer(self) -> tuple[str, Node | None]:
        """The shape that the response schema has, and the component of its result."""
        response = self.response
        if response is None:
            return "missing", None
        data = self._inside(response, "Envelope", "data")
        if data is None:
            return "bare", self._component(response)
        records = self._inside(data, "Page", "records")
        if records is not None:
            return "page", self._item(records)
        if data.get("type") == "array":
            return "list", self._item(data)
        return "object", self._component(data)

    def _inside(self, node: Node, frame: str, key: str) -> Node | None:
        """What ``allOf: [frame, {properties: {key: ...}}]`` says about ``key``."""
        parts = list(node.children("allOf"))
        targets = [self.schema.target(part) for part in parts if part.get("$ref")]
        if not any(target is not None and target.key == frame for target in targets):
            return None
        found = [part.at("properties", key) for part in parts]
        return next((node for node in found if node is not None), None)

    def _item(self, node: Node) -> Node | None:
        items = node.at("items")
        return None if items is None else self._component(items)

    def _component(self, node: Node) -> Node | None:
        target = self.schema.target(node) if node.get("$ref") else None
        if target is None or is_frame(target) or not is_struct(target):
            return None
        return target


def operations(schema: Schema, document: Document) -> Iterator[Parts]:
    """The operations of a document, in its order."""
    for path in document.root.children("paths"):
        post = path.at("post")
        if post is not None:
            yield Parts(schema, post, path.key)


def url_path(node: Node) -> str:
    """Path of the first server that counts for ``node``: its own, its path's, its document's."""
    root = node.document.root
    bases = (node, root.at(*node.pointer[:-1]), root)
    urls = (base.get("servers", 0, "url") for base in bases if base is not None)
    return urlsplit(str(next((url for url in urls if url is not None), ""))).path.rstrip("/")


def one_line(text: object) -> str:
    """Text without line breaks."""
    return " ".join(str(text or "").split())
