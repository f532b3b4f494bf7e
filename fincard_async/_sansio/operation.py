"""An operation of the API as a constant: what to send, what comes back, what may be done twice.

The constants themselves are generated (``_generated.operations``); the schema is their source.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from functools import cached_property
from typing import Any, Generic, Literal, TypeVar, get_args

import msgspec

from .codec import make_decoder
from .envelope import PlainSuccess
from .exact import Decodes
from .model import Model, PageData
from .sizes import MAX_BODY_BYTES, MAX_SECRET_BYTES, MAX_SECRET_PAGE_BYTES

I = TypeVar("I", bound=Model, covariant=True)  # noqa: E741 - input
O = TypeVar("O", covariant=True)  # noqa: E741 - output


class Safety(enum.Enum):
    """What a second execution of the same request would do."""

    READ = "read"
    """Nothing: it may be repeated freely."""
    IDEMPOTENT_WRITE = "idempotent-write"
    """The same final state: a frozen card stays frozen."""
    UNSAFE = "unsafe"
    """Money moves, or a card is made, a second time."""


Kind = Literal["text", "integer", "money", "boolean", "enum", "secret", "list", "object"]
Shape = Literal["object", "list", "page", "bare"]


# Structs, because every start makes them: a dataclass writes and compiles its methods each time.


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """What the schema says about one field of a request."""

    name: str
    """Python name of the field."""
    wire: str
    """Name of the field in JSON."""
    kind: Kind
    required: bool = False
    min_length: int | None = None
    max_length: int | None = None
    minimum: str | None = None
    maximum: str | None = None
    above: str | None = None
    """Exclusive lower bound."""
    pattern: str | None = None
    check: str | None = None
    """Name of a rule written by hand, see ``rules.CHECKS``."""
    at_most_one: tuple[str, ...] = ()
    """For an object: at most one of these Python field names may be given."""
    fields: tuple[Rule, ...] = ()
    """Rules of the nested object, or of each item of the list."""


class OrderNumber(msgspec.Struct, frozen=True, kw_only=True):
    """The idempotency field of a mutation."""

    name: str
    wire: str


class Paging(msgspec.Struct, frozen=True, kw_only=True):
    """How a query is paged. Source: seed, "Transaction Queries"; contract 3.7."""

    page: str
    """Python name of the page number's field; pages count from 1."""
    size: str
    max_size: int
    natural_key: tuple[str, ...]
    """Python names of the record fields that identify a row."""
    start: str | None = None
    """Python name of the field for the start of the time window, in epoch milliseconds."""
    end: str | None = None
    time: str | None = None
    """Python name of the record's own time, in epoch milliseconds."""
    max_days: int | None = None
    """Longest time window that the server takes; None if no source states one."""


class Operation(msgspec.Struct, Generic[I, O], frozen=True, kw_only=True, dict=True, eq=False):
    """One endpoint. ``path`` begins with the API prefix; the origin is the client's."""

    name: str
    path: str
    input: type[I]
    output: type[O]
    """Type of ``data``; for a page or a list, the type of one item."""
    shape: Shape
    safety: Safety
    rules: tuple[Rule, ...]
    or_true: bool = False
    """``data`` may be the bare word true: accepted, no more is told. Source: contract 9, row 9."""
    wallet_pays: bool = False
    """The amount and the fees are taken from the merchant's wallet."""
    order_number: OrderNumber | None = None
    """None for a read, and for a mutation that must never be sent twice."""
    kind: str | None = None
    """Value of ``type`` that the server gives to this mutation in its queries."""
    echo: tuple[tuple[str, str], ...] = ()
    """(request field, answer field), Python names, that must be equal when both are present."""
    settled_by: str | None = None
    """Name of the query that knows this mutation by its order number; None if no query does."""
    paging: Paging | None = None
    sealed: tuple[str, ...] = ()
    """Paths of the sealed fields in the answer, such as ``records[].values``."""
    times: tuple[str, ...] = ()
    """Python names of the fields of the answer that are moments, in epoch milliseconds."""
    aliases: tuple[tuple[str, str], ...] = ()
    """(other spelling, documented spelling) of wire names accepted in answers."""
    deprecated: str | None = None

    @cached_property
    def mutates(self) -> bool:
        """True if the operation changes something on the server."""
        return self.safety is not Safety.READ

    @cached_property
    def most_bytes(self) -> int:
        """The longest answer that is read."""
        if not self.sealed:
            return MAX_BODY_BYTES
        return MAX_SECRET_BYTES if self.shape == "object" else MAX_SECRET_PAGE_BYTES

    @cached_property
    def decoder(self) -> Decodes[object]:
        """Decodes ``data`` (for ``bare``: the whole body); built on first use."""
        return make_decoder(self._wire_type)

    @cached_property
    def plain_decoder(self) -> Decodes[PlainSuccess[object]]:
        """Decodes the usual success, envelope and data in one pass."""
        return make_decoder(PlainSuccess[self._wire_type])  # type: ignore[name-defined]  # a run-time type

    @cached_property
    def usual(self) -> Callable[[bytes], object] | None:
        """Reads the usual short answer; None where each answer is looked at with care."""
        from .usual import usual_reader  # needed for the first answer, not for a start

        if self.mutates or self.or_true or self.shape == "bare":
            return None
        return usual_reader(self._wire_type, [other for other, _ in self.aliases])

    @cached_property
    def other_names(self) -> tuple[bytes, ...]:
        """The other spellings of ``aliases`` as they stand in a body."""
        return tuple(f'"{other}"'.encode() for other, _ in self.aliases)

    @cached_property
    def renamed(self) -> tuple[str, ...] | None:
        """Python names of what ``aliases`` stand for, if those are fields of the output itself.

        A row that has them all has no need of another spelling. None where that does not follow.
        """
        output: object = self.output
        if not (isinstance(output, type) and issubclass(output, msgspec.Struct)):
            return None
        fields = {field.encode_name: field for field in msgspec.structs.fields(output)}
        nested = any(_holds_struct(field.type) for field in fields.values())
        if nested or any(name not in fields for _, name in self.aliases):
            return None
        return tuple({fields[name].name for _, name in self.aliases})

    @cached_property
    def input_decoder(self) -> Decodes[Any]:
        """Decodes a request body; the sandbox's side of ``requests.build_request``."""
        return make_decoder(self.input)

    @property
    def _wire_type(self) -> object:
        if self.shape == "page":
            return PageData[self.output]  # type: ignore[name-defined]  # a run-time type
        return list[self.output] if self.shape == "list" else self.output  # type: ignore[name-defined]  # likewise


def _holds_struct(kind: object) -> bool:
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return True
    return any(map(_holds_struct, get_args(kind)))
