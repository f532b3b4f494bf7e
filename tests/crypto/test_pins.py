"""The PIN rule, over every PIN there is. Source: correctness 5, row 15."""

from __future__ import annotations

import pytest

from fincard_async import Secret
from fincard_async._sansio.rules import check_pin, is_strict_pin
from fincard_async.keys import generate_pin


@pytest.mark.slow
def test_every_pin() -> None:
    """962,000 pass the lenient reading, and 931,380 of them the strictest."""
    pins = [f"{number:06d}" for number in range(10**6)]
    lenient = {pin for pin in pins if check_pin(pin) is None}
    strict = {pin for pin in lenient if is_strict_pin(pin)}
    assert (len(lenient), len(strict)) == (962_000, 931_380)


@pytest.mark.parametrize(
    "pin, strict",
    [
        ("102938", True),
        ("111234", False),  # three equal
        ("123456", False),  # only rises
        ("112345", False),  # rises, with equal digits
        ("998642", False),  # only falls
        ("123123", False),  # three digits repeated
        ("121290", False),  # two digits repeated, somewhere
        ("912129", False),
        ("12345", False),
        ("\u0661\u0660\u0662\u0669\u0663\u0668", False),  # digits of another script
    ],
)
def test_the_strictest_reading(pin: str, strict: bool) -> None:
    """Whatever any reading of the rules forbids."""
    assert is_strict_pin(pin) is strict


def test_a_generated_pin_keeps_the_rules() -> None:
    """A secret of six digits; two thousand of them differ and are all good."""
    pins = [generate_pin() for _ in range(2_000)]
    assert all(isinstance(pin, Secret) and is_strict_pin(pin.reveal()) for pin in pins)
    assert len({pin.reveal() for pin in pins}) > 1_900
