"""``fincard issue``: checked first, asked first, resumed, and honest in its exit code."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

pytest.importorskip("click")
pytest.importorskip("rich")

from fincard_async.sandbox import Sandbox, SandboxSettings

from .kit import FAR, Cli
from .processes import CARDS

HEADER = "row_id,card_type_id,amount,holder_id,account_id,card_number\n"
PRINTED = "5588210000000012"


@pytest.fixture
def rows(tmp_path: Path) -> Callable[..., str]:
    """Writes a file of rows; its name."""

    def write(*lines: str, name: str = "rows.csv") -> str:
        (tmp_path / name).write_text(HEADER + "".join(f"{line}\n" for line in lines), "utf-8")
        return name

    return write


THREE = ("a,111001,50.10,,,", "b,111001,20,,,", f"c,111040,25,124801,,{PRINTED}")


def test_the_whole_example(cli: Cli) -> None:
    """All 200 rows end with a card each, and the ledger has the sum of the file."""
    result = cli.run("issue", str(CARDS), "--job", "t")
    assert result.exit_code == 0
    ledger = cli.sandbox.controls.ledger()
    assert (ledger.cards, ledger.orders) == (200, 200)
    assert ledger.created_amount == Decimal("33774.25")
    assert "issued         200" in result.stdout
    assert "on the cards: 33,774.25 USD" in result.stdout
    assert "Issuing 200/200" in result.stderr


def test_json_and_report(cli: Cli, rows: Callable[..., str], tmp_path: Path) -> None:
    """--json prints a line for each row, --report writes the same, neither has a card number."""
    result = cli.run("issue", rows(*THREE), "--job", "t", "--json", "--report", "out.ndjson")
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(line["row_id"], line["state"], line["amount"]) for line in lines] == [
        ("a", "issued", "50.10"),
        ("b", "issued", "20"),
        ("c", "issued", "25"),
    ]
    assert all(line["card_no"] and line["order_no"] for line in lines)
    assert (tmp_path / "out.ndjson").read_text("utf-8") == result.stdout
    assert "issued           3" in result.stderr
    for file in tmp_path.iterdir():
        if file.name != "rows.csv":
            assert PRINTED.encode() not in file.read_bytes()
    balances = cli.run("balances", "out.ndjson")
    assert "3 cards, 95.10 USD" in balances.stderr


def test_a_second_run_sends_nothing(cli: Cli, rows: Callable[..., str]) -> None:
    """A finished job is recognized, by its journal."""
    cli.run("issue", rows(*THREE), "--job", "t")
    again = cli.run("issue", "rows.csv", "--job", "t")
    assert again.exit_code == 0
    assert "nothing was sent" in again.stderr
    assert cli.sandbox.controls.ledger().orders == 3


def test_a_lost_journal_doubles_nothing(cli: Cli, rows: Callable[..., str]) -> None:
    """Without the journal, the same job and file find the cards of the first run."""
    name = rows(*THREE)
    first = cli.run("issue", name, "--job", "t", "--json").stdout
    Path("t.journal").unlink()
    again = cli.run("issue", name, "--job", "t", "--json")
    assert again.exit_code == 0
    cards = [
        [json.loads(line)["card_no"] for line in out.splitlines()] for out in (first, again.stdout)
    ]
    assert cards[0] == cards[1]
    assert cli.sandbox.controls.ledger().orders == 3


def test_another_file_under_the_same_job(cli: Cli, rows: Callable[..., str]) -> None:
    """A journal belongs to its rows; other rows are refused before anything is sent."""
    cli.run("issue", rows(*THREE), "--job", "t")
    result = cli.run("issue", rows("x,111001,11,,,", name="other.csv"), "--job", "t")
    assert result.exit_code == 2
    assert result.stderr.count("\n") >= 2
    assert cli.sandbox.controls.ledger().orders == 3


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a,111001,1e3,,,", "rows.csv:2: amount"),
        ("a,999999,50,,,", "rows.csv:2: "),
        ("a,111001,5,,,", "rows.csv:2: "),
        ("a,111002,50,,,", "rows.csv:2: holder_id"),
    ],
)
def test_faults_before_any_money(
    cli: Cli, rows: Callable[..., str], line: str, message: str
) -> None:
    """A wrong row is named with its line, and no row is sent."""
    result = cli.run("issue", rows(line, "b,111001,50,,,"), "--job", "t")
    assert result.exit_code == 2
    assert message in result.stderr
    assert "nothing was sent" in result.stderr
    assert cli.sandbox.controls.ledger().orders == 0
    assert not Path("t.journal").exists()


def test_many_faults_are_cut(cli: Cli, rows: Callable[..., str]) -> None:
    """A file that is all wrong does not fill the screen."""
    result = cli.run("issue", rows(*(f"r{n},x,50,,," for n in range(30))), "--job", "t")
    assert result.stderr.count("rows.csv:") == 20
    assert "and 10 more" in result.stderr
    result = cli.run("issue", rows(*(f"r{n},x,50,,," for n in range(300))), "--job", "t")
    assert result.stderr.count("rows.csv:") == 20
    assert "(300 found)" in result.stderr
    assert "and 280 more" in result.stderr


def test_a_file_that_is_not_there(cli: Cli) -> None:
    """A missing file is a usage error."""
    assert cli.run("issue", "missing.csv", "--job", "t").exit_code == 2


def test_a_job_that_cannot_name_a_file(cli: Cli, rows: Callable[..., str]) -> None:
    """A job may have any name, but then its journal needs one."""
    name = rows(*THREE)
    refused = cli.run("issue", name, "--job", "../2026/11")
    assert (refused.exit_code, "--journal" in refused.stderr) == (2, True)
    assert cli.run("issue", name, "--job", "../2026/11", "--journal", "j").exit_code == 0
    assert Path("j").exists()


def test_a_journal_of_another_job(cli: Cli, rows: Callable[..., str]) -> None:
    """Wrong use, of which the message says what is wrong; nothing is sent. So are other rows."""
    assert cli.run("issue", rows(*THREE), "--job", "t", "--journal", "j").exit_code == 0
    other = cli.run("issue", rows(*THREE), "--job", "u", "--journal", "j")
    assert (other.exit_code, "belongs to another job" in other.stderr) == (2, True)
    assert "name the journal, the job and the profile that belong together" in other.stderr
    fewer = cli.run("issue", rows(*THREE[1:]), "--job", "t", "--journal", "j")
    assert (fewer.exit_code, "belongs to other rows" in fewer.stderr) == (2, True)
    assert cli.sandbox.controls.ledger().cards == len(THREE)


def test_refused_rows(cli: Cli, rows: Callable[..., str]) -> None:
    """A row that the server refuses costs no other row; the exit code is 4."""
    name = rows("a,111002,50,999,,", *THREE[1:])
    result = cli.run("issue", name, "--job", "t")
    assert result.exit_code == 4
    assert "refused          1" in result.stdout
    assert "  a: refused (code" in result.stdout
    assert "issued           2" in result.stdout


def test_failed_rows(cli: Cli, rows: Callable[..., str]) -> None:
    """Rows that fail after they were taken are counted, and ten of them are shown."""
    cli.sandbox.controls.fail_next(count=12)
    result = cli.run("issue", rows(*(f"r{n},111001,50,,," for n in range(12))), "--job", "t")
    assert result.exit_code == 4
    assert "failed          12" in result.stdout
    assert result.stdout.count(": failed") == 10
    assert "and 2 more" in result.stdout


def test_rows_that_are_not_final(
    cli: Cli, rows: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Orders that do not end leave exit code 5 and a command; the next run sees their end."""
    name = rows(*THREE)
    cli.sandbox.controls.set_latency(None)
    result = cli.run("issue", name, "--job", "t", "--wait", "0.2")
    assert result.exit_code == 5
    assert "accepted         3" in result.stdout
    assert "a: accepted, order " in result.stdout
    assert f"  fincard issue {name} --job t --wait 0.2\n" in result.stderr
    cli.sandbox.controls.settle_now()
    assert cli.run("issue", name, "--job", "t").exit_code == 0
    assert cli.sandbox.controls.ledger().orders == 3


def test_elsewhere_it_is_asked_first(cli: Cli, rows: Callable[..., str]) -> None:
    """The question shows how many cards, how much money and where; no is no."""
    cli.base_url, cli.interactive = FAR, True
    name = rows(*THREE)
    result = cli.run("issue", name, "--job", "t", input="n\n")
    assert result.exit_code == 1
    assert f"Issue 3 cards at {FAR}, tenant sandbox" in result.stderr
    assert "deposits  95.10 USD" in result.stderr
    assert cli.sandbox.controls.ledger().orders == 0
    assert not Path("t.journal").exists()
    cli.sandbox.controls.set_latency(None)
    assert cli.run("issue", name, "--job", "t", "--wait", "0", input="y\n").exit_code == 5
    again = cli.run("issue", name, "--job", "t", "--wait", "0", input="y\n")
    assert "goes on where it stopped" in again.stderr


def test_elsewhere_without_a_person(cli: Cli, rows: Callable[..., str]) -> None:
    """In a script, money elsewhere needs --yes."""
    cli.base_url = FAR
    name = rows(*THREE)
    assert cli.run("issue", name, "--job", "t").exit_code == 2
    assert cli.sandbox.controls.ledger().orders == 0
    assert cli.run("issue", name, "--job", "t", "--yes").exit_code == 0


def test_ndjson_input(cli: Cli, tmp_path: Path) -> None:
    """Rows may come as NDJSON."""
    (tmp_path / "rows.ndjson").write_text(
        '{"row_id": "a", "card_type_id": 111001, "amount": "50.10"}\n', "utf-8"
    )
    assert cli.run("issue", "rows.ndjson", "--job", "t").exit_code == 0
    assert cli.sandbox.controls.ledger().created_amount == Decimal("50.10")


def test_a_row_that_contradicts_the_server(cli: Cli, rows: Callable[..., str]) -> None:
    """Another amount under a number that is taken is left to a person, and moves no money."""
    assert cli.run("issue", rows("a,111001,50,,,"), "--job", "t").exit_code == 0
    Path("t.journal").unlink()
    result = cli.run("issue", rows("a,111001,60,,,"), "--job", "t")
    assert result.exit_code == 6
    assert "parked           1" in result.stdout
    assert "a person must decide" in result.stderr
    assert "a: parked, order " in result.stdout
    assert cli.sandbox.controls.ledger().created_amount == Decimal(50)


def test_a_job_that_the_wallet_cannot_pay_is_refused(rows: Callable[..., str]) -> None:
    """Before anything is sent, with what is missing; unless the person says so."""
    cli = Cli(Sandbox(SandboxSettings(funds=Decimal(60), latency_ms=0)))
    job = ("issue", rows(*THREE[:2]), "--job", "t")
    result = cli.run(*job)
    assert result.exit_code == 2
    assert "the funds lack 12.94120 USD" in result.stderr
    assert "--ignore-funds" in result.stderr
    assert cli.sandbox.controls.ledger().orders == 0
    result = cli.run(*job, "--ignore-funds")
    assert cli.sandbox.controls.ledger().orders == 1
    assert "refused          1" in result.stdout
