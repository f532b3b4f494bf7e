"""Webhooks as functions of bytes and mappings: what an event is, and which of two is later.

A body is read only after its signature was found good (``fincard_async.webhooks``). Even then it
is not believed blindly: the headers are not signed, so a category that contradicts the signed body
is refused, and a body passes the same checks of depth, repeated keys and numbers as every reply.
Nothing signed carries a time, so events of one subject are put in order by their state.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any, Generic, TypeVar, cast

import msgspec

from fincard_async.errors import WebhookUnreadable

from .codec import decode_any, make_decoder, rewrite
from .envelope import repeats_a_key, too_deep
from .exact import Decodes
from .model import Model
from .responses import rename_keys

P = TypeVar("P", bound=Model, covariant=True)

MAX_EVENT_BYTES = 64 * 1024
"""A longer body is refused before its signature is looked at. Source: correctness 2.5."""
_MOST_LABEL = 128
_FAULTS = (msgspec.MsgspecError, ValueError, RecursionError, OverflowError, ArithmeticError)


@dataclass(frozen=True, slots=True)
class Confirmation:
    """The paged query that tells the same as an event."""

    query: str
    """Name of the operation."""
    filter: str
    """Python name of the request field, and of the payload field whose value it takes."""


@dataclass(frozen=True, kw_only=True)
class EventKind(Generic[P]):
    """A category of webhooks as a constant; the schema is its source (``_generated.events``)."""

    category: str
    event: type[WebhookEvent[P]] = field(repr=False)
    payload: type[P] = field(repr=False)
    key: tuple[str, ...]
    """Payload fields that say what the event is about."""
    signs: tuple[tuple[str, ...], ...]
    """How it is told from the payload; a name with ``!`` must not be there."""
    state: str | None = None
    states: tuple[tuple[str, ...], ...] = ()
    """Known states, step by step; the last step is final."""
    time: str | None = None
    confirmed_by: Confirmation | None = None
    """None for what no query tells; else it is about money."""
    order_number: str | None = None
    card: str | None = None
    secrets: tuple[str, ...] = ()
    """Names on the wire of fields that are secret in plain text, and are not kept."""
    aliases: tuple[tuple[str, str], ...] = ()

    def __getstate__(self) -> dict[str, object]:
        """What the schema says; what was made of it is made again."""
        return {each.name: getattr(self, each.name) for each in fields(self)}

    @cached_property
    def decoder(self) -> Decodes[P]:
        """Decodes the payload; built on first use."""
        return make_decoder(self.payload)

    @cached_property
    def places(self) -> Mapping[str, tuple[int, int]]:
        """Step and place of each known state; a state that is not known comes before the last."""
        flat = [(step, word) for step, words in enumerate(self.states, 1) for word in words]
        return {word.casefold(): (2 * step, place) for place, (step, word) in enumerate(flat, 1)}

    def shown_by(self, keys: frozenset[str]) -> bool:
        """True if a payload with these fields looks like this category."""
        return any(
            all((name[1:] not in keys) if name[0] == "!" else (name in keys) for name in sign)
            for sign in self.signs
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Event:
    """Something that the platform told, with a good signature. It prints no payload.

    Attributes:
        category: What it is about; None if neither the header nor the body says so.
        event_id: The number of the delivery or of the event, if one came; it may not be signed.
        digest: SHA-256 over category and body, in hex: equal for repeats, and only for them.
        raw: The body as it was signed; sealed values in it are still sealed.
    """

    category: str | None
    event_id: str | None
    digest: str
    raw: bytes

    @property
    def subject(self) -> str | None:
        """What it is about, in one word; None where that cannot be told."""
        return None

    @property
    def merchant_order_no(self) -> str | None:
        """The client's number of the operation, if there is one."""
        return None

    @property
    def card_no(self) -> str | None:
        """The card, if it is about one."""
        return None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.category or 'no category'})"

    __str__ = __repr__


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class UnknownEvent(Event):
    """A signed event of a category that the schema does not know; ``data`` is what it says."""

    data: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class WebhookEvent(Event, Generic[P]):
    """An event of a known category.

    Attributes:
        data: What it says; after confirmation, the row of the query instead.
        kind: The facts of its category.
        confirmed: True if a query told the same, or more, after the event had come.
    """

    data: P
    kind: EventKind[P]
    confirmed: bool = False

    @property
    def key(self) -> tuple[str, ...]:
        """The values that say what it is about; they stay while its state moves."""
        return tuple(str(_text(self.data, name) or "") for name in self.kind.key)

    @property
    def subject(self) -> str | None:
        """Category and key in one text."""
        return "\x1f".join((self.kind.category, *self.key)).replace("\0", "\ufffd")

    @property
    def status(self) -> str | None:
        """Its state as text; None for a category without states."""
        return None if self.kind.state is None else _text(self.data, self.kind.state)

    @property
    def final(self) -> bool:
        """True if its state is of the last step, after which no other comes."""
        place = self.kind.places.get((self.status or "").casefold())
        return place is not None and place[0] == 2 * len(self.kind.states)

    @property
    def merchant_order_no(self) -> str | None:
        """The client's number of the operation, if there is one."""
        return None if self.kind.order_number is None else _text(self.data, self.kind.order_number)

    @property
    def card_no(self) -> str | None:
        """The card, if it is about one."""
        return None if self.kind.card is None else _text(self.data, self.kind.card)

    @property
    def standing(self) -> Standing | None:
        """Its place among the events of its subject; None for a category without states."""
        return standing(self.kind, self.data, self.digest)

    def __repr__(self) -> str:
        name, status = type(self).__name__, self.status
        return f"{name}({', '.join(filter(None, ('/'.join(self.key), status)))})"

    __str__ = __repr__


def _text(data: object, name: str) -> str | None:
    value = getattr(data, name)
    return None if value is None else str(value)


@dataclass(frozen=True, slots=True, order=True)
class Standing:
    """How far a subject is. The greatest of a set of events is the same in whatever order they
    come: the step decides, then the time where both have one, then the place in the schema.
    """

    step: int
    time: int
    place: int
    digest: str
    status: str = field(compare=False)

    def is_late_for(self, known: Standing) -> bool:
        """True if it is proven to be older than what is known."""
        if self.step != known.step:
            return self.step < known.step
        return 0 < self.time < known.time

    def contradicts(self, known: Standing) -> bool:
        """True for two different states of one step, such as success and fail."""
        return self.step == known.step and self.status.casefold() != known.status.casefold()


def standing(kind: EventKind[Any], data: object, digest: str) -> Standing | None:
    """The place of a payload among those of its subject.

    A state that the schema does not know counts as the last one before the final step, so that it
    can neither end anything nor be dropped while nothing is final.
    """
    if kind.state is None:
        return None
    status = _text(data, kind.state) or ""
    step, place = kind.places.get(status.casefold(), (2 * len(kind.states) - 1, 0))
    time = None if kind.time is None else getattr(data, kind.time)
    return Standing(step, time or 0, place, digest, status)


def kept_body(event: Event) -> bytes:
    """The body as an inbox may keep it: without what is secret in plain text."""
    secrets = frozenset(event.kind.secrets) if isinstance(event, WebhookEvent) else frozenset[str]()
    if not secrets:
        return event.raw
    return rewrite(event.raw, lambda value: _without(secrets, value))


def _without(names: frozenset[str], value: object) -> object:
    if isinstance(value, list):
        return [_without(names, item) for item in value]
    if isinstance(value, dict):
        return {name: _without(names, item) for name, item in value.items() if name not in names}
    return value


def read_event(
    body: bytes,
    kinds: Mapping[str, EventKind[Any]],
    envelope: tuple[str, str, str],
    *,
    category: str | None = None,
    request_id: str | None = None,
) -> Event:
    """Read a body whose signature was good.

    Args:
        body: The signed bytes.
        kinds: The known categories.
        envelope: Names of id, type and data in the object that a mock puts around an event.
        category: What the header says.
        request_id: What the header says.

    Raises:
        WebhookUnreadable: It is no JSON object, or not what its category promises.
    """
    fields, payload, event_id, event_type = _unwrapped(_fields(body), envelope, body)
    keys = frozenset(fields)
    named = category or (event_type if event_type in kinds else None)
    kind = _kind(named, keys, kinds)
    label = kind.category if kind is not None else named or event_type
    digest = hashlib.sha256((label or "").encode() + b"\0" + body).hexdigest()
    event_id = event_id or request_id
    if kind is None:
        data = cast("Mapping[str, object]", _any(payload))
        return UnknownEvent(category=label, event_id=event_id, digest=digest, raw=body, data=data)
    return kind.event(
        category=kind.category,
        event_id=event_id,
        digest=digest,
        raw=body,
        data=_decoded(kind, payload),
        kind=kind,
    )


def _kind(
    named: str | None, keys: frozenset[str], kinds: Mapping[str, EventKind[Any]]
) -> EventKind[Any] | None:
    """The category by name, unless the body shows another; without a name, by what it shows."""
    kind = None if named is None else kinds.get(named)
    if named is not None and (kind is None or kind.shown_by(keys)):
        return kind
    shown = next((other for other in kinds.values() if other.shown_by(keys)), None)
    if kind is not None and shown is not None:
        raise WebhookUnreadable("the category in the header contradicts the signed body")
    return kind or shown


def _fields(body: bytes) -> dict[str, msgspec.Raw]:
    """The fields of the object, null ones left out: null and absent are the same."""
    if too_deep(body):
        raise WebhookUnreadable("the event is nested too deeply")
    if repeats_a_key(body):
        raise WebhookUnreadable("the event names a key twice")
    try:
        found = _OBJECT.decode(body)
    except _FAULTS:
        found = None
    # Raised outside of ``except``: a decoder's error can hold the whole body.
    if found is None:
        raise WebhookUnreadable("the event is no JSON object")
    return {name: value for name, value in found.items() if bytes(value) != b"null"}


_OBJECT: msgspec.json.Decoder[dict[str, msgspec.Raw]] = msgspec.json.Decoder(dict[str, msgspec.Raw])


def _unwrapped(
    fields: dict[str, msgspec.Raw], envelope: tuple[str, str, str], body: bytes
) -> tuple[dict[str, msgspec.Raw], bytes, str | None, str | None]:
    """What is inside of a mock's envelope, with its id and type; else the event itself."""
    id_name, type_name, data_name = envelope
    if data_name not in fields or type_name not in fields:
        return fields, body, None, None
    inner = bytes(fields[data_name])
    return _fields(inner), inner, _word(fields.get(id_name)), _word(fields[type_name])


def _word(value: msgspec.Raw | None) -> str | None:
    """A short printable text; anything else is no name of anything."""
    found = None if value is None else _any(value)
    fits = isinstance(found, str) and 0 < len(found) <= _MOST_LABEL and found.isprintable()
    return found if isinstance(found, str) and fits else None


def _any(data: bytes | msgspec.Raw) -> object:
    fault = False
    try:
        return decode_any(data)
    except _FAULTS:
        fault = True
    assert fault
    raise WebhookUnreadable("the event is no JSON object")


def _decoded(kind: EventKind[P], payload: bytes) -> P:
    try:
        return kind.decoder.decode(rename_keys(kind.aliases, payload))
    except _FAULTS:
        found = None
    if found is None:
        raise WebhookUnreadable(f"the event does not have the documented shape of {kind.category}")
    return found
