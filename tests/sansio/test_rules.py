"""What is checked before anything is sent."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from fincard_async._sansio.model import Model
from fincard_async._sansio.operation import Kind, Rule
from fincard_async._sansio.rules import check, check_pin
from fincard_async._sansio.secret import Secret
from fincard_async.errors import ArgumentTypeError, ValidationError

CANARY = "4111111111111111"


class Box(Model, frozen=True, kw_only=True):
    """One field of any type."""

    value: Any = None


class Limits(Model, frozen=True, kw_only=True):
    """A nested object."""

    allowed: Any = None
    blocked: Any = None


def rule(kind: Kind, **bounds: Any) -> Rule:
    """A rule for the one field of ``Box``."""
    return Rule(name="value", wire="value", kind=kind, **bounds)


NESTED = rule(
    "object",
    at_most_one=("allowed", "blocked"),
    fields=(
        Rule(
            name="allowed",
            wire="allowed",
            kind="list",
            max_length=2,
            fields=(Rule(name="", wire="", kind="text", min_length=1),),
        ),
        Rule(name="blocked", wire="blocked", kind="list", fields=()),
    ),
)
ITEMS = rule("list", fields=(rule("money", required=True, minimum="0"),))

PASS: list[tuple[Rule, object]] = [
    (rule("text", min_length=20, max_length=40), "A" * 20),
    (rule("text", min_length=20, max_length=40), "A" * 40),
    (rule("text", max_length=50), ""),
    (rule("text", pattern="^[0-9]{6}$"), "123456"),
    (rule("text"), None),
    (rule("enum"), "anything"),
    (rule("secret", min_length=1), Secret("x")),
    (rule("secret", check="pin"), Secret("135790")),
    (rule("integer", minimum="1", maximum="100"), 1),
    (rule("integer", minimum="1", maximum="100"), 100),
    (rule("integer", maximum="9223372036854775807"), 2**63 - 1),
    (rule("money", minimum="0", maximum="2000"), Decimal("0.00")),
    (rule("money", minimum="0", maximum="2000"), 2000),
    (rule("money", minimum="0.01"), Decimal("0.01")),
    (rule("money", above="0"), Decimal("0.000001")),
    (rule("boolean"), False),
    (ITEMS, []),
    (ITEMS, [Box(value=1), Box(value=Decimal("2.5"))]),
    (NESTED, Limits(allowed=["5734", "5817"])),
    (NESTED, Limits(allowed=["5734"], blocked=[])),
    (NESTED, Limits(allowed=[], blocked=[])),
    (NESTED, Limits()),
]

REFUSED: list[tuple[Rule, object, str]] = [
    (rule("text", required=True), None, "value is required"),
    (rule("text", min_length=20, max_length=40), "A" * 19, "must have 20..40 characters, not 19"),
    (rule("text", min_length=20, max_length=40), "A" * 41, "must have 20..40 characters, not 41"),
    (rule("text", min_length=1), "", "must have at least 1 characters, not 0"),
    (rule("text", max_length=50), "A" * 51, "must have 0..50 characters, not 51"),
    (rule("text", pattern="^[0-9]{6}$"), CANARY, "does not have the required form"),
    (rule("secret", check="pin"), Secret("111222"), "must not repeat a digit three times"),
    (rule("secret", max_length=6), Secret(CANARY), "must have 0..6 characters, not 16"),
    (rule("integer", minimum="1"), 0, "must be at least 1"),
    (rule("integer", maximum="100"), 101, "must be at most 100"),
    (rule("integer", maximum="9223372036854775807"), 2**63, "must be at most"),
    (rule("money", maximum="2000"), Decimal("2000.01"), "must be at most 2000"),
    (rule("money", minimum="0.01"), Decimal("0.009"), "must be at least 0.01"),
    (rule("money", above="0"), Decimal("0"), "must be more than 0"),
    (rule("money"), Decimal("NaN"), "must be a plain decimal number"),
    (rule("money"), Decimal("1E+2"), "without an exponent"),
    (rule("money"), Decimal("0.0000001"), "without an exponent"),
    (rule("money"), 10**18, "must be a plain decimal number"),
    (ITEMS, [Box(value=1), Box(value=-1)], r"value\[1\]\.value must be at least 0"),
    (ITEMS, [Box()], r"value\[0\]\.value is required"),
    (NESTED, Limits(allowed=["1"], blocked=["2"]), "only one of allowed, blocked may be set"),
    (NESTED, Limits(allowed=["1", "2", "3"]), r"value\.allowed must have 0\.\.2 items, not 3"),
    (NESTED, Limits(allowed=["1", ""]), r"value\.allowed\[1\] must have at least 1"),
]

WRONG_TYPE: list[tuple[Rule, object]] = [
    (rule("text"), 1),
    (rule("text"), b"x"),
    (rule("text"), Secret("x")),
    (rule("enum"), 1),
    (rule("secret"), CANARY),
    (rule("integer"), "1"),
    (rule("integer"), 1.0),
    (rule("integer"), True),
    (rule("money"), 1.0),
    (rule("money"), "1.00"),
    (rule("money"), True),
    (rule("boolean"), 1),
    (rule("boolean"), "true"),
    (rule("list"), "abc"),
    (rule("list"), [1]),
    (ITEMS, [Decimal("1")]),
    (NESTED, {"allowed": []}),
    (NESTED, Limits(allowed=[5734])),
    (NESTED, Limits(blocked=["1"])),
]


@pytest.mark.parametrize("one, value", PASS)
def test_good_values_pass(one: Rule, value: object) -> None:
    """Bounds are inclusive where the schema says so, and an absent optional value is fine."""
    check((one,), Box(value=value))


@pytest.mark.parametrize("one, value, message", REFUSED)
def test_bad_values_are_refused(one: Rule, value: object, message: str) -> None:
    """The message names the field and the rule, with the path of a nested one."""
    with pytest.raises(ValidationError, match=message) as caught:
        check((one,), Box(value=value))
    assert not isinstance(caught.value, ArgumentTypeError)
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize("one, value", WRONG_TYPE)
def test_wrong_types_are_refused(one: Rule, value: object) -> None:
    """A type is never converted behind the caller's back, and never quoted."""
    with pytest.raises(ArgumentTypeError) as caught:
        check((one,), Box(value=value))
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize(
    "pin, fault",
    [
        ("135790", None),
        ("112211", None),
        ("121234", None),
        ("098765", None),
        ("890123", None),
        ("12345", "6 digits"),
        ("1234567", "6 digits"),
        ("12345a", "6 digits"),
        ("13579\n", "6 digits"),
        ("135790\n", "6 digits"),
        ("\u0661\u0663\u0665\u0667\u0669\u0660", "6 digits"),
        ("111234", "three times"),
        ("123334", "three times"),
        ("123456", "ascending or descending"),
        ("987654", "ascending or descending"),
        ("121212", "segment"),
        ("123123", "segment"),
    ],
)
def test_pins(pin: str, fault: str | None) -> None:
    """What every reading of the rules forbids is refused; what one reading allows passes."""
    found = check_pin(pin)
    assert found is None if fault is None else found is not None and fault in found


@pytest.mark.slow
def test_exactly_962_000_pins_pass() -> None:
    """The count over all one million PINs is the one that the lenient reading gives."""
    assert sum(check_pin(f"{number:06}") is None for number in range(1_000_000)) == 962_000
