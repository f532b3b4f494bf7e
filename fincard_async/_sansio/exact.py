"""Amounts in a reply: decoded by msgspec's own Decimal, and proven to stand in our grammar.

msgspec reads ``NaN``, ``1_000``, ``" 1 "`` and ``1e400`` as Decimals too, and a hook that sees
each amount first makes decoding of a page three times as slow. So a reply is decoded twice: once
into its type, and once into a shadow of it that has nothing but the amounts, each as the raw bytes
that stood on the wire. One regular expression then proves all of them at once. For short answers
``usual`` has a cheaper proof.
"""

from __future__ import annotations

import re
import types
from collections.abc import Callable, Iterable
from decimal import Decimal
from itertools import chain
from operator import attrgetter
from typing import Any, Generic, Protocol, TypeVar, Union, get_args, get_origin

import msgspec

T_co = TypeVar("T_co", covariant=True)
Raws = list[msgspec.Raw]
Collect = Callable[[Any, Raws], None]
List: Any = list
"""Types made at run time are no types to a type checker."""

ONE = rb"-?[0-9]{1,18}(?:\.[0-9]{1,18})?"
"""An exact amount, as a pattern for bytes."""
# A comma ends each, so that none can reach into the next; absent ones are empty.
_ALL = re.compile(rb'(?:(?:%b|"%b"|null)?,)*+\Z' % (ONE, ONE))


class Decodes(Protocol[T_co]):
    """Bytes to a value, or an error of msgspec."""

    def decode(self, data: bytes | str, /) -> T_co:
        """Decode."""
        ...


class ExactDecoder(Generic[T_co]):
    """Decodes with one decoder, and proves the amounts with another."""

    __slots__ = ("_collect", "_decode", "_shadow")

    def __init__(
        self, decoder: msgspec.json.Decoder[T_co], shadow: object, collect: Collect
    ) -> None:
        self._decode = decoder.decode
        self._shadow: Callable[[bytes | str], object] = msgspec.json.Decoder(shadow).decode
        self._collect = collect

    def decode(self, data: bytes | str, /) -> T_co:
        """Decode, or raise an error of msgspec that quotes nothing."""
        value = self._decode(data)
        raws: Raws = []
        shadow = self._shadow(data)
        self._collect(shadow, raws)
        if not (_is_plain(raws) or _ALL.match(b",".join([*raws, _LAST]))):
            raise msgspec.ValidationError(f"not an exact decimal amount - at `{_where(shadow)}`")
        return value


_LAST = msgspec.Raw(b"")
_PLAIN = b'0123456789.",'


def _is_plain(raws: Raws) -> bool:
    """True for the usual amounts, at a third of the cost: short, and nothing but digits and a dot.

    They were decoded before, so a number stands as JSON has it, and a string as Decimal takes it:
    what is left of that is only a dot at an end.
    """
    text = b",".join(raws)
    return (
        not text.translate(None, _PLAIN)
        and text.find(b'".') < 0
        and text.find(b'."') < 0
        and max(map(len, raws), default=0) <= 18
    )


def shadow_of(kind: Any) -> tuple[Any, Collect] | None:
    """The amounts of a type, and how to collect them; None if it has none.

    Raises:
        TypeError: An amount stands where this cannot follow, such as in a dictionary.
    """
    if kind is Decimal:
        return msgspec.Raw, _append
    origin, args = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return _of_union(kind, [arg for arg in args if arg is not types.NoneType])
    if origin is list:
        return _of_list(shadow_of(args[0]))
    structure = kind if origin is None else origin
    if isinstance(structure, type) and issubclass(structure, msgspec.Struct):
        return _of_struct(kind)
    if any(shadow_of(arg) is not None for arg in args if arg is not Ellipsis):
        raise TypeError(f"an amount inside of {kind} cannot be proven")
    return None


def _of_union(kind: Any, members: list[Any]) -> tuple[Any, Collect] | None:
    found = [shadow_of(member) for member in members]
    if not any(found):
        return None
    if len(found) > 1 or found[0] is None:
        raise TypeError(f"an amount inside of {kind} cannot be proven")
    inner, collect = found[0]
    return (inner, collect) if inner is msgspec.Raw else (inner | None, _if_there(collect))


def _of_list(item: tuple[Any, Collect] | None) -> tuple[Any, Collect] | None:
    if item is None:
        return None
    inner, collect = item

    def each(values: list[Any], raws: Raws) -> None:
        for value in values:
            collect(value, raws)

    names = getattr(inner, "__struct_fields__", ())
    if names and set(getattr(inner, "__annotations__", {}).values()) == {msgspec.Raw}:
        get: Any = attrgetter(*names)  # gives a tuple where there is more than one name
        if len(names) == 1:
            return List[inner], lambda values, raws: raws.extend(map(get, values))
        return (
            List[inner],
            lambda values, raws: raws.extend(chain.from_iterable(map(get, values))),
        )
    return List[inner], each


def _of_struct(kind: Any) -> tuple[Any, Collect] | None:
    fields: list[tuple[str, Any, Any]] = []
    collects: list[tuple[str, Collect]] = []
    wire: dict[str, str] = {}
    for field in msgspec.structs.fields(kind):
        if (found := shadow_of(field.type)) is not None:
            inner, collect = found
            plain = inner is msgspec.Raw
            fields.append(
                (field.name, inner, msgspec.Raw()) if plain else (field.name, inner | None, None)
            )
            collects.append((field.name, collect if plain else _if_there(collect)))
            wire[field.name] = field.encode_name
    if not fields:
        return None

    def all_fields(value: object, raws: Raws) -> None:
        for name, collect in collects:
            collect(getattr(value, name), raws)

    shadow = msgspec.defstruct("Amounts", fields, rename=wire, frozen=True, gc=False)
    return shadow, all_fields


def _where(shadow: object, path: str = "$") -> str | None:
    """The first amount outside the grammar, as msgspec writes a place."""
    if isinstance(shadow, msgspec.Raw):
        return None if _ALL.match(bytes(shadow) + b",") else path
    places: Iterable[tuple[str, object]] = ()
    if isinstance(shadow, list):
        places = ((f"{path}[{number}]", item) for number, item in enumerate(shadow))
    elif isinstance(shadow, msgspec.Struct):
        fields = msgspec.structs.fields(shadow)
        places = ((f"{path}.{each.encode_name}", getattr(shadow, each.name)) for each in fields)
    return next((found for place, item in places if (found := _where(item, place))), None)


def _append(raw: msgspec.Raw, raws: Raws) -> None:
    raws.append(raw)


def _if_there(collect: Collect) -> Collect:
    return lambda value, raws: None if value is None else collect(value, raws)
