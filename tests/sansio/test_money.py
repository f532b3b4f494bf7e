"""The grammar of amounts, from the caller and from the wire."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, strategies as st

from fincard_async._sansio.codec import encode, make_decoder
from fincard_async._sansio.money import Money, parse_amount, to_money
from fincard_async.errors import ArgumentTypeError, ValidationError

DECODER = make_decoder(Money)

amounts = st.from_regex(r"-?[0-9]{1,18}(\.[0-9]{1,18})?\Z", fullmatch=True).filter(str.isascii)

NOT_AMOUNTS = [
    "",
    "NaN",
    "sNaN",
    "Infinity",
    "-Infinity",
    "1e400",
    "1E5",
    "1e-5",
    "1_000",
    "1,000",
    " 1",
    "1 ",
    "1\n",
    "+1",
    ".5",
    "5.",
    "--1",
    "0x10",
    "\u0661\u0662",  # Arabic-Indic digits
    "\uff11",  # a full-width digit
    "1" * 19,
    "0." + "1" * 19,
]


@pytest.mark.parametrize(
    "given_value, exact",
    [
        (Decimal("12.50"), "12.50"),
        (Decimal("1E+2"), "100"),
        (Decimal("-0.01"), "-0.01"),
        (5, "5"),
        (0, "0"),
        (10**17 + 1, "100000000000000001"),
        (-(10**17) - 1, "-100000000000000001"),
        ("12.50", "12.50"),
        ("0.000000000000000001", "1E-18"),
        ("999999999999999999.99", "999999999999999999.99"),
    ],
)
def test_exact_kinds_keep_their_digits(given_value: Decimal | int | str, exact: str) -> None:
    """A Decimal, an int and a str come through without a change of value or precision."""
    assert str(to_money(given_value)) == exact


@pytest.mark.parametrize("value", [1.5, float("nan"), True, False, None, b"1", 1j, [1], object()])
def test_other_types_are_refused(value: object) -> None:
    """A float, a bool and every other type is a TypeError that names the field."""
    with pytest.raises(ArgumentTypeError, match=r"^fee must be") as caught:
        to_money(value, "fee")
    assert isinstance(caught.value, TypeError)


@pytest.mark.parametrize("text", NOT_AMOUNTS)
def test_text_outside_the_grammar_is_refused(text: str) -> None:
    """What Python would still read as a number is no amount."""
    with pytest.raises(ValidationError, match=r"^amount must be a plain decimal number"):
        to_money(text)


@pytest.mark.parametrize(
    "value",
    [
        Decimal("NaN"),
        Decimal("sNaN"),
        Decimal("Infinity"),
        Decimal("1e400"),
        Decimal("1E+999999999"),
        Decimal("1E-19"),
        Decimal("1E-999999999"),
        10**18,
        pytest.param(10**5000, id="more digits than Python prints"),
    ],
)
def test_numbers_outside_the_grammar_are_refused(value: Decimal | int) -> None:
    """A number that is not finite, or has too many digits, is refused without writing it out."""
    with pytest.raises(ValidationError):
        to_money(value)


def test_a_message_never_quotes_the_value() -> None:
    """What was given for an amount may be anything, a card number included."""
    with pytest.raises(ValidationError) as caught:
        to_money("4111 1111 1111 1111")
    assert "4111" not in str(caught.value)
    assert "4111" not in str(caught.value.__context__)


@given(amounts)
def test_text_of_the_grammar_is_read_exactly(text: str) -> None:
    """Every text of the grammar is its own value."""
    assert to_money(text) == parse_amount(text) == Decimal(text)


@given(amounts)
def test_both_forms_of_the_wire_are_read_exactly(text: str) -> None:
    """A JSON string, and a JSON number where JSON allows these digits, give the same Decimal."""
    assert DECODER.decode(f'"{text}"'.encode()) == Decimal(text)
    digits = text.lstrip("-").split(".")[0]
    if digits == "0" or not digits.startswith("0"):
        assert DECODER.decode(text.encode()) == Decimal(text)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=0, max_value=10**12))
@pytest.mark.parametrize("money_as", ["number", "string"])
def test_an_amount_survives_the_wire(money_as: str, amount: Decimal) -> None:
    """Encoding and decoding are a pair in both forms; the number of places is kept."""
    amount = to_money(amount)
    wire = encode(amount, money_as=money_as)
    assert wire.startswith(b'"') is (money_as == "string")
    assert str(DECODER.decode(wire)) == str(amount)


@pytest.mark.parametrize(
    "wire",
    [
        b"true",
        b"{}",
        b"[1]",
        b"null",
        b"1e5",
        b"1E400",
        b"1.0e1",
        b"1" * 19,
        b"1" * 6000,
        b'""',
        *(msgspec.json.encode(text) for text in NOT_AMOUNTS),
    ],
)
def test_a_wire_value_outside_the_grammar_is_refused(wire: bytes) -> None:
    """The reader is as strict as the writer."""
    with pytest.raises(msgspec.ValidationError):
        DECODER.decode(wire)
