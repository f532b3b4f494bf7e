"""The categories of webhooks, from the document that has them."""

from __future__ import annotations

import json
from collections.abc import Callable

from . import ir
from .names import pascal, snake
from .nodes import Document, Node, Schema
from .parts import one_line

_BODY = ("content", "application/json")


def payload(schema: Schema, event: Node) -> Node | None:
    """The component that the body of an event refers to."""
    body = event.at("requestBody", *_BODY, "schema")
    return schema.target(body) if body is not None and body.get("$ref") else None


def examples(event: Node) -> list[Node]:
    """Full bodies of an event."""
    return list(event.children("requestBody", *_BODY, "examples"))


def events(document: Document) -> list[Node]:
    """The events of a document, in its order."""
    found = (category.at("post") for category in document.root.children("webhooks"))
    return [event for event in found if event is not None]


def build_callbacks(schema: Schema, struct: Callable[[Node], ir.Struct]) -> ir.Callbacks | None:
    """What the platform sends; None if no document says."""
    for document in schema:
        shared = document.root.at("x-fincard", "events")
        if shared is not None:
            made = tuple(_event(schema, event, struct) for event in events(document))
            return _callbacks(shared, made)
    return None


def _callbacks(shared: Node, made: tuple[ir.Event, ...]) -> ir.Callbacks:
    ack = shared.document.root.get(
        *("components", "responses", "Acknowledged", *_BODY, "examples", "ack", "value")
    )
    return ir.Callbacks(
        document=shared.document.name,
        signature_headers=tuple(shared.get("signature-headers")),
        category_header=str(shared.get("category-header")),
        request_id_header=str(shared.get("request-id-header")),
        envelope=tuple(shared.get("envelope", part) for part in ("id", "type", "data")),
        retry_after=tuple(shared.get("retry-after")),
        ack=json.dumps(ack, separators=(",", ":")),
        events=made,
    )


def _event(schema: Schema, node: Node, struct: Callable[[Node], ir.Struct]) -> ir.Event:
    component = payload(schema, node)
    assert component is not None, "check() lets none pass"
    word = node.get("x-fincard")
    asked = word.get("confirmed-by")
    return ir.Event(
        name=word["event"],
        category=str(node.pointer[-2]),
        class_name=f"{pascal(word['event'])}Event",
        summary=one_line(node.get("summary")),
        description=str(node.get("description") or "").strip(),
        source=one_line(word["source"]),
        payload=struct(component),
        key=tuple(map(snake, word["natural-key"])),
        state=_python(word.get("state")),
        states=tuple(tuple(step) for step in word.get("states", ())),
        time=_python(word.get("time")),
        signs=tuple(tuple(sign) for sign in word["signs"]),
        confirmed_by=(asked["query"], snake(asked["filter"])) if asked else None,
        order_number=_python(word.get("order-number")),
        card=_python(word.get("card")),
    )


def _python(wire: str | None) -> str | None:
    return None if wire is None else snake(wire)
