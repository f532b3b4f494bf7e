"""The usual answer to a read: a short success of the documented shape, at the least cost.

One search over the bytes proves what the decoder cannot see, and one pass decodes envelope and data
together. Whatever the search stumbles over is not refused, but left to the careful way, which
decides; so the search may be stricter than it need be, and never less.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from itertools import chain
from typing import Any, Final, Generic, TypeVar, get_args, get_origin

import msgspec

from .codec import unproven_decoder
from .envelope import MAX_DEPTH
from .exact import ONE, shadow_of

T = TypeVar("T")

_GAP: Final = rb"[ \t\r\n]*"
_END: Final = rb"(?=[,}\] \t\r\n])"
_AMOUNT: Final = rb'"%b"|%b%b|null' % (ONE, ONE, _END)


class _Success(msgspec.Struct, Generic[T], frozen=True, kw_only=True, gc=False):
    """The envelope of a success, once the search has proven ``success`` and ``code``."""

    success: bool
    code: int = 0
    msg: str | None = None
    message: str | None = None
    data: T


Read = Callable[[bytes], object]
"""The data of a short body; None if the careful way must look at it."""


def usual_reader(kind: Any, aliases: Iterable[str]) -> Read | None:
    """A reader for data of one type; None if the search cannot prove the amounts of that type.

    ``aliases`` are names of fields that ask for the careful way.
    """
    amounts = _names((shadow_of(kind) or (None,))[0])
    if None in amounts:
        return None
    unusual = _unusual((name for name in amounts if name is not None), aliases)
    decode = unproven_decoder(_Success[kind]).decode

    def read(body: bytes) -> object:
        if (
            body.find(b"\\") >= 0  # `in` costs more: it asks first for a number
            # The decoder can exhaust a small stack; this many brackets cannot nest too deeply.
            or body.count(b"{") + body.count(b"[") > MAX_DEPTH
            or unusual(body) is not None
        ):
            return None
        try:
            success: _Success[object] = decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, OverflowError):
            return None
        return success.data

    return read


def _unusual(
    amounts: Iterable[str], aliases: Iterable[str]
) -> Callable[[bytes], re.Match[bytes] | None]:
    """Finds, in sound JSON without a backslash, an alias or a field without its usual value.

    There a quote always is the edge of a text, and a text before a colon is a name. A field of the
    same name elsewhere in the body only makes the search stricter.
    """
    # One branch for each name: those that begin with other letters are passed over at once.
    usual = {
        "success": rb"true" + _END,
        "code": rb"[0-9]+" + _END,
        **dict.fromkeys(amounts, _AMOUNT),
    }
    fields = [
        rb'%b"%b:%b+(?!%b)' % (re.escape(name.encode()), _GAP, _GAP, value)
        for name, value in usual.items()
    ]
    others = [rb'%b"' % re.escape(name.encode()) for name in aliases]
    return re.compile(rb'"(?:%b)' % b"|".join([*others, *fields])).search


def _names(shadow: Any) -> set[str | None]:
    """Wire names of all fields that are amounts; None for an amount in a list."""
    structure = get_origin(shadow) or shadow
    if not (isinstance(structure, type) and issubclass(structure, msgspec.Struct)):
        inner = (_names(arg) for arg in get_args(shadow))
        return {None} if shadow is msgspec.Raw else set(chain.from_iterable(inner))
    found: set[str | None] = set()
    for field in msgspec.structs.fields(shadow):
        found |= {field.encode_name} if field.type is msgspec.Raw else _names(field.type)
    return found
