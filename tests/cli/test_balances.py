"""``fincard balances``: any file of cards, and errors that stop nothing but their own card."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("click")
pytest.importorskip("rich")

from fincard_async.cli.cards_file import read_card_nos
from fincard_async.errors import ValidationError

from .kit import Cli

FORMS = {
    "plain": "FC1\n\nFC2\nFC1\n",
    "one": "FC1\nFC2",
    "bom.csv": "\ufeffcard_no,amount\nFC1,5\n\nFC2,7\n",
    "quoted.csv": '"card_no","name"\n"FC1","a, b"\n"FC2","c"\n',
    "wire.csv": "cardNo\nFC1\nFC2\n",
    "rows.ndjson": '{"card_no": "FC1"}\n\n{"cardNo": "FC2", "x": 1}\n',
}


@pytest.mark.parametrize("name", FORMS)
def test_forms(name: str, tmp_path: Path) -> None:
    """CSV, NDJSON and plain lines give the same cards, each once and in order."""
    path = tmp_path / name
    path.write_text(FORMS[name], "utf-8")
    assert read_card_nos(path).card_nos == ("FC1", "FC2")


def test_rows_without_a_card(tmp_path: Path) -> None:
    """Refused rows of a report and empty cells are counted and passed over."""
    report = tmp_path / "report.ndjson"
    report.write_text('{"row_id": "a", "card_no": "FC1"}\n{"row_id": "b"}\n', "utf-8")
    assert read_card_nos(report).without == 1
    table = tmp_path / "table.csv"
    table.write_text("row_id,card_no\na,FC1\nb,\nc\n", "utf-8")
    assert read_card_nos(table).without == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no card in this file"),
        ("\n\n", "no card in this file"),
        ("row_id,amount\na,1\n", ":1: no column card_no"),
        ('{"card_no": "FC1"}\n{', ":2: not JSON"),
        ('{"card_no": "FC1"}\n{"amount": 1}', ':2: an object with "card_no"'),
        ('{"card_no": "FC1"}\n{"card_no": 7}', ":2: not the id of a card"),
        ("FC1\ntwo words\n", ":2: not the id of a card"),
        ("FC1\n\xff", "not UTF-8"),
    ],
)
def test_faults_name_the_line(text: str, message: str, tmp_path: Path) -> None:
    """What is wrong with a file is said with its line."""
    path = tmp_path / "cards"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ValidationError, match="cards") as caught:
        read_card_nos(path)
    assert message in str(caught.value)


def test_balances_of_many(cli: Cli, tmp_path: Path) -> None:
    """Every balance comes out, as NDJSON in a pipe, with the sum at the end."""
    cards = [cli.open_card(111001, amount) for amount in ("50.10", "20", "30.05")]
    file = tmp_path / "cards"
    file.write_text("\n".join(cards), "utf-8")
    result = cli.run("balances", str(file), "--concurrency", "2")
    assert result.exit_code == 0
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert {row["card_no"]: row["amount"] for row in rows} == dict(
        zip(cards, ("50.10", "20", "30.05"), strict=True)
    )
    assert "3 cards, 100.15 USD" in result.stderr


def test_a_card_that_fails_stops_nothing(cli: Cli, tmp_path: Path) -> None:
    """An unknown card is a row with an error; the others have their balance; the exit code is 1."""
    good = cli.open_card()
    file = tmp_path / "cards.csv"
    file.write_text(f"card_no\nFC404\n{good}\n\n,\n", "utf-8")
    result = cli.run("balances", str(file), "--json")
    assert result.exit_code == 1
    rows = {row["card_no"]: row for row in map(json.loads, result.stdout.splitlines())}
    assert "error" in rows["FC404"]
    assert rows[good]["amount"] == "50"
    assert "2 cards, 50 USD, 1 failed" in result.stderr


def test_a_refused_login_ends_it(cli: Cli, tmp_path: Path) -> None:
    """What is wrong for every card is one error, not one per card."""
    file = tmp_path / "cards"
    file.write_text("FC1\nFC2\n", "utf-8")
    cli.password = "wrong"
    result = cli.run("balances", str(file))
    assert result.exit_code == 1
    assert result.stdout == ""
    assert "credentials" in result.stderr


def test_a_faulty_file_is_a_usage_error(cli: Cli, tmp_path: Path) -> None:
    """Nothing is sent for a file that cannot be read."""
    file = tmp_path / "cards.csv"
    file.write_text("a,b\n1,2\n", "utf-8")
    assert cli.run("balances", str(file)).exit_code == 2
    assert cli.run("balances", str(tmp_path / "missing")).exit_code == 2
