"""Operations: names, shapes, and that every field which ``x-fincard`` names exists."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from codegen.names import RESERVED_ARGUMENTS, RESERVED_METHODS, snake
from codegen.nodes import Document, Mistake, Node, Schema
from codegen.parts import Parts, operations
from codegen.properties import Property

_NAME = re.compile(r"[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*\Z")


def check_operations(schema: Schema) -> Iterator[Mistake]:
    """Every operation of every document."""
    names: dict[str, Node] = {}
    paths: dict[str, Node] = {}
    for document in schema:
        yield from _document(schema, document)
        for parts in operations(schema, document):
            for kind, key, seen in (
                ("operationId", parts.name, names),
                ("path", parts.full_path, paths),
            ):
                if key in seen:
                    yield parts.node.mistake(
                        f"{kind} {key} exists in line {seen[key].line} of {seen[key].document.name}"
                    )
                seen[key] = parts.node
            yield from _operation(parts, document)
    yield from _settled(schema)


def _settled(schema: Schema) -> Iterator[Mistake]:
    """A mutation is settled by a paged query that takes its order number."""
    found = {parts.name: parts for document in schema for parts in operations(schema, document)}
    for parts in found.values():
        word = parts.node.at("x-fincard", "settled-by")
        number = parts.node.at("x-fincard", "order-number")
        if word is None or number is None:
            continue
        query = found.get(str(word.value))
        if query is None or query.answer[0] != "page" or query.request is None:
            yield word.mistake(f"settled-by names {word.value}, which is no paged query")
        elif query.request.at("properties", str(number.value)) is None:
            yield word.mistake(f"{word.value} cannot be asked for {number.value}")


def _document(schema: Schema, document: Document) -> Iterator[Mistake]:
    resource = document.root.at("x-fincard", "resource")
    if resource is not None and resource.value != document.module:
        yield resource.mistake(f"resource {resource.value} must be called like its file")
    for path in document.root.children("paths"):
        if path.at("post") is None:
            yield path.mistake("every endpoint is a POST")


def _operation(parts: Parts, document: Document) -> Iterator[Mistake]:
    node = parts.node
    resource, _, method = parts.name.partition(".")
    if not _NAME.match(parts.name) or resource != document.module:
        yield node.mistake(f"operationId {parts.name!r} must be {document.module}.<method>")
    if method in RESERVED_METHODS or method.startswith("_"):
        yield node.mistake(f"a method cannot be called {method}")
    if node.at("responses", "default") is None:
        yield node.mistake(f"{parts.name} needs a default response")
    yield from _request(parts)
    yield from _answer(parts)


def _request(parts: Parts) -> Iterator[Mistake]:
    node, request = parts.node, parts.request
    if request is None:
        yield node.mistake(f"{parts.name} needs a request body that refers to an object component")
        return
    word = node.at("x-fincard") or node
    for child in request.children("properties"):
        if snake(child.key) in RESERVED_ARGUMENTS:
            yield child.mistake(f"an argument cannot be called {snake(child.key)}")
    number = word.at("order-number")
    yield from _named(parts, number, [request], kind="text")
    if number is not None and number.value not in request.get("required", default=[]):
        yield number.mistake(f"order-number {number.value} must be required in {request.key}")
    yield from _named(parts, word.at("leading"), [request])
    for place in (("pagination", "page"), ("pagination", "size")):
        yield from _named(parts, word.at(*place), [request], kind="integer")
    for place in (("time-window", "start"), ("time-window", "end")):
        yield from _named(parts, word.at(*place), [request], kind="timestamp")
    yield from _one_way(parts, request)


def _one_way(parts: Parts, request: Node) -> Iterator[Mistake]:
    """What is for answers does not belong into a request."""
    for child in request.children("properties"):
        found = Property(parts.schema, child).type
        if found is not None and found.kind == "either":
            yield child.mistake(f"{child.key} must have one type, for it is sent")
        for word in ("sealed", "aliases"):
            if word in Property(parts.schema, child).fincard:
                yield child.mistake(f"{word} is for answers, and {request.key} is a request")


def _answer(parts: Parts) -> Iterator[Mistake]:
    node, (shape, result) = parts.node, parts.answer
    word = node.at("x-fincard") or node
    place = parts.response or node
    if shape != word.get("shape"):
        yield place.mistake(
            f"the response has the shape {shape}, x-fincard says {word.get('shape')}"
        )
    if result is None:
        yield place.mistake(f"the result of {parts.name} must refer to an object component")
        return
    for child in word.children("echo"):
        yield from _named(parts, child, [result, *([parts.request] if parts.request else [])])
    for child in word.children("natural-key"):
        yield from _named(parts, child, [result])
    yield from _named(parts, word.at("time-window", "field"), [result], kind="timestamp")
    for key, fixed in (("items", "records"), ("total", "total")):
        named = word.at("pagination", key)
        if named is not None and named.value != fixed:
            yield named.mistake(f"{key} is always {fixed}: the runtime holds the page by hand")
    yield from _kind(parts, word, result)
    yield from _or_true(word, result)


def _or_true(word: Node, result: Node) -> Iterator[Mistake]:
    """Where the answer may be no more than true, nothing can be required but the order number."""
    mark, number = word.at("or-true"), word.at("order-number")
    if mark is None:
        return
    if word.get("shape") != "object" or result.get("required", default=[]):
        yield mark.mistake(f"or-true is for an object without required fields, not {result.key}")
    if number is not None and result.at("properties", str(number.value)) is None:
        yield mark.mistake(f"{result.key} needs {number.value}, which true does not tell")


def _kind(parts: Parts, word: Node, result: Node) -> Iterator[Mistake]:
    kind, field = word.at("kind"), result.at("properties", "type")
    if kind is None or field is None:
        return
    component = Property(parts.schema, field).component
    if component is not None and kind.value not in component.get("enum", default=[]):
        yield kind.mistake(f"kind {kind.value} is no value of {component.key}")


def _named(
    parts: Parts, word: Node | None, owners: Iterable[Node], kind: str | None = None
) -> Iterator[Mistake]:
    """A word that names a field: each owner must have it, and it must be of that kind."""
    if word is None:
        return
    for owner in owners:
        field = owner.at("properties", str(word.value))
        if field is None:
            yield word.mistake(f"{_key(word)} names {word.value}, which {owner.key} does not have")
            continue
        found = Property(parts.schema, field).type
        if kind is not None and found is not None and found.kind != kind:
            yield word.mistake(
                f"{_key(word)} names {word.value}, which is {found.kind}, not {kind}"
            )


def _key(node: Node) -> str:
    """The word, for a member of its list too."""
    return str(next(step for step in reversed(node.pointer) if isinstance(step, str)))
