"""Webhooks: every event has a payload, an example, and only names fields that exist."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from codegen.build_events import events, examples, payload
from codegen.nodes import Mistake, Node, Schema
from codegen.parts import Parts, operations
from codegen.properties import Property, is_struct

from .examples import undescribed


def check_events(schema: Schema) -> Iterator[Mistake]:
    """Every event of every document."""
    queries = {parts.name: parts for document in schema for parts in operations(schema, document)}
    for document in schema:
        found = events(document)
        if found and document.root.at("x-fincard", "events") is None:
            yield document.root.mistake("a document with webhooks needs x-fincard.events")
        names = Counter(event.get("x-fincard", "event") for event in found)
        for event in found:
            if names[event.get("x-fincard", "event")] > 1:
                yield event.mistake(f"two events are called {event.get('x-fincard', 'event')}")
            yield from _event(schema, event, queries)


def _event(schema: Schema, event: Node, queries: dict[str, Parts]) -> Iterator[Mistake]:
    struct = payload(schema, event)
    if struct is None or not is_struct(struct):
        yield event.mistake("the body of an event must refer to an object component")
        return
    if not examples(event):
        yield event.mistake(f"{event.pointer[-2]} needs an example")
    for example in examples(event):
        yield from undescribed(schema, struct, example.at("value"))
    word = event.at("x-fincard") or event
    fields = [word.at(name) for name in ("state", "time", "order-number", "card")]
    for node in (*fields, *word.children("natural-key")):
        if node is not None and struct.at("properties", str(node.value)) is None:
            yield node.mistake(f"{struct.key} has no {node.value}")
    yield from _signs(word, struct, examples(event))
    yield from _time(schema, word, struct)
    yield from _confirmation(word, struct, queries)


def _signs(word: Node, struct: Node, shown: list[Node]) -> Iterator[Mistake]:
    """The signs of a category fit its own examples."""
    for sign in word.children("signs"):
        for name in sign.children():
            text = str(name.value)
            if not text.startswith("!") and struct.at("properties", text) is None:
                yield name.mistake(f"{struct.key} has no {text}")
    for example in shown:
        there = {key for key, value in example.get("value").items() if value is not None}
        if not any(_fits(sign, there) for sign in word.get("signs", default=[])):
            yield example.mistake(f"example {example.key} shows none of the signs")


def _fits(sign: list[str], there: set[str]) -> bool:
    return all((name[1:] not in there) if name[:1] == "!" else (name in there) for name in sign)


def _time(schema: Schema, word: Node, struct: Node) -> Iterator[Mistake]:
    time = word.at("time")
    field = struct.at("properties", str(time.value)) if time is not None else None
    if time is None or field is None:
        return
    found = Property(schema, field).type
    if found is not None and found.kind != "timestamp":
        yield time.mistake(f"time names {time.value}, which is {found.kind}, not timestamp")


def _confirmation(word: Node, struct: Node, queries: dict[str, Parts]) -> Iterator[Mistake]:
    asked = word.at("confirmed-by")
    if asked is None:
        return
    parts, name = queries.get(str(asked.get("query"))), str(asked.get("filter"))
    if parts is None or parts.answer[0] != "page" or parts.request is None:
        yield asked.mistake(f"confirmed-by names {asked.get('query')}, which is no paged query")
    elif struct.at("properties", name) is None or parts.request.at("properties", name) is None:
        yield asked.mistake(f"{parts.name} cannot be asked for {name}")
    elif parts.answer[1] != struct:
        yield asked.mistake(f"the rows of {parts.name} are no {struct.key}")
