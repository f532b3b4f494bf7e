"""JSON with money, secrets and sealed values."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from fincard_async._sansio.codec import decode_any, encode, make_decoder, rewrite
from fincard_async._sansio.secret import Sealed, Secret

from .samples import Answer, Ask, State

ANSWER = make_decoder(Answer)


@pytest.mark.parametrize(
    "wire, value",
    [
        (b'{"time":1735689600000}', Answer(time=1735689600000)),
        (b'{"time":"1735689600000"}', Answer(time=1735689600000)),
        (b'{"time":null}', Answer()),
        (b'{"flag":true}', Answer(flag=True)),
        (b'{"sealed":"QUJD"}', Answer(sealed=Sealed("QUJD"))),
        (b'{"status":"NORMAL"}', Answer(status=State.NORMAL)),
        (b'{"amount":"1.10"}', Answer(amount=Decimal("1.10"))),
        (b'{"amount":1.10}', Answer(amount=Decimal("1.10"))),
        (b'{"new":{"field":[1,2.5]},"time":1}', Answer(time=1)),
    ],
)
def test_answers_are_read_with_tolerance(wire: bytes, value: Answer) -> None:
    """Long values come as numbers or text, unknown fields pass, null means absent."""
    assert ANSWER.decode(wire) == value


@pytest.mark.parametrize(
    "wire",
    [
        b'{"sealed":1}',
        b'{"sealed":1.5}',
        b'{"sealed":true}',
        b'{"sealed":["QUJD"]}',
        b'{"time":"12a"}',
        b'{"time":1.5}',
        b'{"cardNo":12}',
        b'{"amount":false}',
        b'{"status":3}',
        b"[]",
        b'{"time":1',
    ],
)
def test_wrong_types_are_refused(wire: bytes) -> None:
    """A secret is text, a Long is whole, an enumeration is text."""
    with pytest.raises(msgspec.DecodeError):
        ANSWER.decode(wire)


def test_an_encoded_request_holds_what_was_given_and_nothing_else() -> None:
    """Absent fields are left out; secrets and sealed values are written; amounts are exact."""
    asked = Ask(card_no="C1", amount=Decimal("1.50"), pin=Secret("135790"))
    assert encode(asked) == b'{"cardNo":"C1","amount":1.50,"pin":"135790"}'
    assert encode(asked, money_as="string") == b'{"cardNo":"C1","amount":"1.50","pin":"135790"}'
    assert encode([Sealed("QUJD")]) == b'["QUJD"]'


def test_an_unknown_type_cannot_be_encoded() -> None:
    """The message names the type, not the value."""
    with pytest.raises(NotImplementedError, match=r"^cannot encode object$"):
        encode(object())


def test_untyped_json_keeps_numbers_exact() -> None:
    """Fractions become Decimal, so that nothing is lost on the way through."""
    assert decode_any(b'{"a":1.10,"b":[12345678901234567890]}') == {
        "a": Decimal("1.10"),
        "b": [12345678901234567890],
    }


def test_rewritten_json_keeps_digits_as_they_stood() -> None:
    """A change of names is no change of numbers."""
    wire = b'{"a":0.0000001,"b":1.10,"c":1e400,"d":"x"}'
    assert rewrite(wire, lambda value: value) == wire
