"""The envelope ``{success, code, msg, data}`` that surrounds every answer.

Both directions stand here: ``open_envelope`` for the client, ``render_envelope`` for the sandbox.
Source: seed; contract 2.1.
"""

from __future__ import annotations

import json
import re
from itertools import accumulate
from typing import Generic, TypeVar

import msgspec

from fincard_async.errors import NotAnEnvelope

from .codec import encode
from .sizes import MAX_PARTS, MAX_QUOTES

MAX_DEPTH = 64
TOO_DEEP = "the reply is nested too deeply, or has too many parts"
T = TypeVar("T")
_NULL, _TRUE, _ZERO = msgspec.Raw(b"null"), msgspec.Raw(b"true"), msgspec.Raw(b"0")
_KEY = re.compile(rb'"([^"]*)"[ \t\r\n]*:')
# Possessive, and content with the end of the body, so that no body is scanned twice.
_STRING = re.compile(rb'"(?:[^"\\]+|\\.)*+(?:"|\\?\Z)', re.DOTALL)
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_TOO_MANY = re.compile(rb"[\[{]{%d}" % (MAX_DEPTH + 1))
_STEP = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}.__getitem__
_SUCCESS_CODES = frozenset({200, 0, "200", "0"})


class Envelope(msgspec.Struct, frozen=True, gc=False):
    """An answer with its ``data`` still undecoded, because its shape differs on a refusal."""

    success: bool | None = None
    code: int | str | None = None
    msg: str | None = None
    message: str | None = None
    data: msgspec.Raw = _NULL

    def __repr__(self) -> str:
        return "Envelope(...)"  # it may stand in a traceback, and nobody knows what is in it

    @property
    def succeeded(self) -> bool:
        """``success`` where present, else a success code together with data (contract 2.1)."""
        if self.success is not None:
            return self.success
        return self.code in _SUCCESS_CODES and bytes(self.data) != b"null"

    @property
    def text(self) -> str:
        """What the server says, under either of its two names."""
        return self.msg or self.message or ""

    @property
    def number(self) -> int | None:
        """``code`` as an integer; None if absent or not a number."""
        try:
            return None if self.code is None else int(self.code)
        except ValueError:
            return None


class PlainSuccess(msgspec.Struct, Generic[T], frozen=True, kw_only=True, gc=False):
    """A success with data of the documented shape: the usual answer, decoded in one pass.

    Only where ``is_plain`` holds, this and ``Envelope`` are sure to see the same.
    """

    success: msgspec.Raw
    code: msgspec.Raw = _ZERO
    msg: str | None = None
    message: str | None = None
    data: T

    @property
    def is_plain(self) -> bool:
        """``success`` is literally true, and the code is a number."""
        return self.success == _TRUE and bytes(self.code).isdigit()


_decoder = msgspec.json.Decoder(Envelope)


def too_deep(body: bytes) -> bool:
    """True if the body nests deeper, or has more objects and lists, than any answer of this API.

    The decoder can exhaust a small thread stack, so this runs first. The count of opening brackets
    bounds the depth and lets nearly every body pass. A longer one loses its strings; then a run of
    opening brackets, the usual attack, decides at once, and else the depth is counted. Where
    brackets do not match, the decoder stops by itself.
    """
    opening = body.count(b"[") + body.count(b"{")
    if opening > MAX_PARTS:
        return True
    # Where rows follow each other, one closes before the next opens; inside of a string neither
    # does. So a page of many flat rows passes as well.
    if opening <= MAX_DEPTH or opening - body.count(b"},{") <= MAX_DEPTH:
        return False
    if b"\\" in body:
        body = _STRING.sub(b"", body)
    else:
        body = b"".join(body.split(b'"')[::2])
    brackets = body.translate(None, _NOT_BRACKETS)
    if _TOO_MANY.search(brackets):
        return True
    return max(accumulate(map(_STEP, brackets)), default=0) > MAX_DEPTH


def repeats_a_key(body: bytes) -> bool:
    """True if an object of the body names a key twice; decoders silently keep the last.

    Two readers of such a body may see two amounts, so no outcome of a mutation is taken from it.
    Neither is it from one with so many texts that it would take long to tell.
    """
    if body.count(b'"') > MAX_QUOTES:
        return True
    if b"\\" not in body:
        # No text can hold a quote then, so these are all the keys; if all of them differ, none is
        # named twice.
        keys = _KEY.findall(body)
        if len(set(keys)) == len(keys):
            return False
    repeated = False

    def note(pairs: list[tuple[str, object]]) -> None:
        nonlocal repeated
        repeated = repeated or len({key for key, _ in pairs}) < len(pairs)

    try:
        json.loads(body, object_pairs_hook=note, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        return False  # no JSON: the decoder says so better
    return repeated


def open_envelope(body: bytes) -> Envelope:
    """Read the envelope, or raise NotAnEnvelope without quoting the body."""
    # Raised outside of ``except``, for a decoder's error can hold the whole body; and without a
    # variable that holds it, for a traceback shows those.
    deep, size = too_deep(body), len(body)
    envelope = None if deep else _decoded(body)
    del body
    if deep:
        raise NotAnEnvelope(TOO_DEEP)
    if envelope is None:
        raise NotAnEnvelope(f"the reply of {size} bytes is not a JSON envelope")
    if envelope.success is None and envelope.code is None:
        raise NotAnEnvelope("the reply has neither success nor code")
    return envelope


def _decoded(body: bytes) -> Envelope | None:
    try:
        return _decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, OverflowError):
        return None


def render_envelope(*, success: bool, code: int, msg: str | None, data: object) -> bytes:
    """The sandbox's side: one answer as bytes."""
    return encode({"success": success, "code": code, "msg": msg, "data": data})
