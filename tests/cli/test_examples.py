"""The examples run, and the example file is what the documents say."""

from __future__ import annotations

import csv
import subprocess
import sys
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

from fincard_async.bulk import check_rows, read_rows
from fincard_async.sandbox import CARD_TYPES
from fincard_async.sandbox.faces import luhn_digit

from .processes import CARDS, ROOT, environment

SUM = Decimal("33774.25")
BY_TYPE = {
    111001: 80,
    111002: 50,
    111003: 20,
    111004: 10,
    111040: 10,
    111050: 20,
    111060: 10,
}


def test_the_cards_of_the_example() -> None:
    """Two hundred rows of seven card types, that add up to a known sum, and pass every check."""
    rows = read_rows(CARDS)
    assert len(rows) == 200
    assert sum(row.amount for row in rows) == SUM
    assert Counter(row.card_type_id for row in rows) == BY_TYPE
    check_rows(rows, CARD_TYPES, CARDS.name)


def test_the_card_numbers_of_the_example_are_made_up() -> None:
    """Printed numbers begin with the BIN of the sandbox, count up from one, and pass Luhn."""
    with CARDS.open(encoding="utf-8", newline="") as file:
        numbers = [row["card_number"] for row in csv.DictReader(file) if row["card_number"]]
    assert [int(number[6:-1]) for number in numbers] == list(range(1, len(numbers) + 1))
    assert all(number.startswith("558821") for number in numbers)
    assert all(luhn_digit(number[:-1]) == number[-1] for number in numbers)


def example(name: str, *args: str) -> str:
    """What an example prints."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / name), *args],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


@pytest.mark.slow
def test_issue_cards(tmp_path: Path) -> None:
    """The example issues every row, and a second run sends nothing."""
    expected = f"issued: 200\non the cards: {SUM} USD\n"
    assert example("issue_cards.py", str(tmp_path)) == expected
    before = (tmp_path / "sandbox.state").read_text("utf-8").count("cards.open")
    assert example("issue_cards.py", str(tmp_path)) == expected
    assert before == 200
    assert (tmp_path / "sandbox.state").read_text("utf-8").count("cards.open") == before


def test_balances() -> None:
    """The example reads fifty balances and survives the card that is not there."""
    assert example("balances.py").splitlines()[-1] == "50 balances, 1255.00 USD"
