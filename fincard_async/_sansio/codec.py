"""JSON in both directions, with the types that it does not know: money, secrets, sealed values."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, TypeVar

import msgspec

from .exact import Decodes, ExactDecoder, shadow_of
from .secret import Sealed, Secret

T = TypeVar("T")


def _decode_hook(kind: type, value: object) -> object:
    if not isinstance(value, str):
        raise ValueError("a secret must be a string")
    return kind(value)


def _encode_hook(value: object) -> object:
    if isinstance(value, Secret):
        return value.reveal()
    if isinstance(value, Sealed):
        return value.ciphertext
    raise NotImplementedError(f"cannot encode {type(value).__name__}")


def make_decoder(kind: Any) -> Decodes[Any]:
    """A decoder that reads amounts exactly and Long values from numbers or strings."""
    decoder = unproven_decoder(kind)
    shadow = shadow_of(kind)
    return decoder if shadow is None else ExactDecoder(decoder, *shadow)


def unproven_decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    """The same, but for amounts that must be proven beside it."""
    return msgspec.json.Decoder(kind, strict=False, dec_hook=_decode_hook)


_NUMBERS = msgspec.json.Encoder(enc_hook=_encode_hook, decimal_format="number")
_STRINGS = msgspec.json.Encoder(enc_hook=_encode_hook, decimal_format="string")


def encode(value: object, *, money_as: str = "number") -> bytes:
    """The final bytes of a body; amounts as JSON numbers, or as strings where asked."""
    return (_STRINGS if money_as == "string" else _NUMBERS).encode(value)


def rewrite(data: bytes, change: Callable[[object], object]) -> bytes:
    """Untyped JSON after ``change``; numbers with a fraction keep their digits as they stood."""
    return encode(change(_VERBATIM.decode(data)))


def decode_any(data: bytes | msgspec.Raw) -> object:
    """Untyped JSON with numbers kept exact: fractions as Decimal."""
    return _ANY.decode(data)


_ANY: msgspec.json.Decoder[object] = msgspec.json.Decoder(float_hook=Decimal)
_VERBATIM: msgspec.json.Decoder[object] = msgspec.json.Decoder(
    float_hook=lambda digits: msgspec.Raw(digits.encode())
)
