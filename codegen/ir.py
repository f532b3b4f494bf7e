"""The schema as plain records: what the templates print, with every decision already taken."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

BUILT_IN = {
    "text": "str",
    "integer": "int",
    "timestamp": "int",
    "boolean": "bool",
    "money": "Decimal",
    "secret": "Secret",
    "sealed": "Sealed",
    "either": "int | str",
}
"""Python type of each kind that needs no component."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Type:
    """What a value is: a built-in kind, an enum, an object, or a list of one of them."""

    kind: str
    """A key of BUILT_IN, or ``enum``, ``object``, ``list``."""
    component: str | None = None
    """Name of the enum or of the object's struct."""
    item: Type | None = None
    """For a list."""

    @property
    def text(self) -> str:
        """The annotation in a model."""
        if self.item is not None:
            return f"list[{self.item.text}]"
        return self.component or BUILT_IN[self.kind]

    @property
    def components(self) -> frozenset[str]:
        """The components that the annotation names."""
        if self.item is not None:
            return self.item.components
        return frozenset({self.component} if self.component else ())


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of a value as JSON Schema gives them; numbers as text, so that they stay exact."""

    min_length: int | None = None
    max_length: int | None = None
    minimum: str | None = None
    maximum: str | None = None
    above: str | None = None
    pattern: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One property of an object."""

    name: str
    wire: str
    type: Type
    required: bool
    description: str
    limits: Limits = Limits()
    item_limits: Limits = Limits()
    default: str | None = None
    """What the server takes when the field is absent, as JSON text; only documented."""
    check: str | None = None
    sealed: bool = False
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Struct:
    """An object component."""

    name: str
    module: str
    description: str
    fields: tuple[Field, ...]
    at_most_one: tuple[str, ...] = ()

    def field(self, wire: str) -> Field:
        """The field of that name on the wire."""
        return next(field for field in self.fields if field.wire == wire)


@dataclass(frozen=True, slots=True, kw_only=True)
class Enum:
    """An enumeration component."""

    name: str
    module: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Paging:
    """How a query is paged, in Python names."""

    page: str
    size: str
    max_size: int
    natural_key: tuple[str, ...]
    start: str | None = None
    end: str | None = None
    time: str | None = None
    max_days: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One endpoint."""

    name: str
    path: str
    summary: str
    description: str
    source: str
    safety: str
    input: Struct
    output: Struct
    shape: str
    or_true: bool = False
    wallet_pays: bool = False
    order_number: Field | None = None
    kind: str | None = None
    settled_by: str | None = None
    leading: str | None = None
    echo: tuple[tuple[str, str], ...] = ()
    paging: Paging | None = None
    sealed: tuple[str, ...] = ()
    times: tuple[str, ...] = ()
    """Python names of the answer's fields that are timestamps."""
    aliases: tuple[tuple[str, str], ...] = ()
    deprecated: str | None = None

    @property
    def method(self) -> str:
        """Name of the method on its resource."""
        return self.name.partition(".")[2]

    @property
    def constant(self) -> str:
        """Name of the constant in the operations module."""
        return self.method.upper()

    @property
    def mutates(self) -> bool:
        """True if it changes something on the server."""
        return self.safety != "read"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """A group of operations: one document."""

    name: str
    class_name: str
    summary: str
    internal: bool
    operations: tuple[Operation, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """A context header of every call."""

    key: str
    name: str
    required: bool
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A row of the error table."""

    http: int | None
    code: int | None
    text: str | None
    error: str
    final: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """What all operations share."""

    api_prefix: str
    headers: tuple[Header, ...]
    platforms: tuple[str, ...]
    refusals: tuple[Refusal, ...]
    order_number: tuple[int, int]
    page_size: tuple[int, int]
    """What the server takes when none is given, and the most it takes."""
    envelope_keys: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One category of webhooks; fields by their Python names."""

    name: str
    category: str
    class_name: str
    summary: str
    description: str
    source: str
    payload: Struct
    key: tuple[str, ...]
    signs: tuple[tuple[str, ...], ...]
    """Names on the wire; with an exclamation mark where a field must not be there."""
    state: str | None = None
    states: tuple[tuple[str, ...], ...] = ()
    time: str | None = None
    confirmed_by: tuple[str, str] | None = None
    """Query, and its filter."""
    order_number: str | None = None
    card: str | None = None

    @property
    def secrets(self) -> tuple[str, ...]:
        """Names on the wire of the payload's fields that are secret in plain text."""
        return tuple(field.wire for field in self.payload.fields if field.type.kind == "secret")

    @property
    def constant(self) -> str:
        """Name of the constant in the events module."""
        return self.name.upper()


@dataclass(frozen=True, slots=True, kw_only=True)
class Callbacks:
    """What the platform sends by itself."""

    document: str
    signature_headers: tuple[str, ...]
    category_header: str
    request_id_header: str
    envelope: tuple[str, ...]
    retry_after: tuple[int, ...]
    ack: str
    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """Everything the generated package says."""

    structs: Mapping[str, Struct]
    enums: Mapping[str, Enum]
    resources: tuple[Resource, ...]
    wire: Wire
    callbacks: Callbacks | None = None
    modules: tuple[str, ...] = field(default=())
    """Documents that have models."""

    @property
    def public(self) -> tuple[Resource, ...]:
        """Resources that the client offers."""
        return tuple(resource for resource in self.resources if not resource.internal)

    def module_of(self, component: str) -> str:
        """Module of the models package that holds a component."""
        found = self.structs.get(component) or self.enums[component]
        return found.module
