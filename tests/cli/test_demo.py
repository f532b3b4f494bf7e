"""``fincard demo``: from a file to balances, in a pipe and again."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

pytest.importorskip("click")
pytest.importorskip("rich")

from click.testing import CliRunner, Result

from fincard_async.cli.app import app
from fincard_async.sandbox import Sandbox

from .processes import CARDS, finish

SUMMARY = """\
Card type           Cards  Deposited   Fees  Balance
Everyday virtual        3     433.31   3.00   433.31
Personal virtual        1      71.08   2.50    71.08
Subscriptions           1       0.00   0.75     0.00
Plain virtual           1      16.00   0.00    16.00
Plastic for travel      1     266.56  12.50   266.56
Gift card               1      50.00   0.25    50.00
Shared budget           1       0.00   2.00   shared
Total USD               9     836.95  21.00   836.95
"""


def demo(*args: str) -> Result:
    """Run the demo in this process."""
    return CliRunner().invoke(app, ["demo", *args], catch_exceptions=False)


@pytest.mark.slow
def test_the_whole_demo_in_a_pipe(tmp_path: Path) -> None:
    """Two hundred cards, plain progress without a control sequence, and books that agree."""
    done = finish(["demo"], cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout + done.stderr
    assert "\r" not in done.stdout + done.stderr
    assert "Total USD             200  33,774.25  370.00  33,774.25" in done.stdout
    assert "200 rows, 200 cards, none doubled, none lost." in done.stdout
    assert "Ordered 33,774.25, on the ledger 33,774.25." in done.stdout
    assert sum(line.startswith("Issuing ") for line in done.stderr.splitlines()) >= 5
    assert (tmp_path / "fincard-demo" / "cards.csv").read_bytes() == CARDS.read_bytes()


@pytest.mark.slow
def test_a_small_demo_and_its_repetition(tmp_path: Path) -> None:
    """Sums by card type; a second run says that it had finished; --fresh starts anew."""
    first = demo("--rows", "9")
    assert first.exit_code == 0
    assert [line.rstrip() for line in SUMMARY.splitlines()] == [
        line.rstrip() for line in first.stdout.split("\n\n")[1].strip().splitlines()
    ]
    state = tmp_path / "fincard-demo" / "sandbox.state"
    orders = state.read_text("utf-8").count("cards.open")
    again = demo()
    assert again.exit_code == 0
    assert "had finished before, and nothing was sent" in again.stdout
    assert state.read_text("utf-8").count("cards.open") == orders
    assert [line.rstrip() for line in SUMMARY.splitlines()][-1] in again.stdout
    refused = demo("--rows", "5")
    assert refused.exit_code == 2
    assert "--fresh" in refused.stderr
    fresh = demo("--rows", "3", "--fresh")
    assert fresh.exit_code == 0
    assert "3 rows, 3 cards" in fresh.stdout


def test_books_that_do_not_agree(tmp_path: Path) -> None:
    """A card on the ledger that no row asked for is an error, and is said loudly."""
    assert demo("--rows", "2").exit_code == 0
    with Sandbox(state=tmp_path / "fincard-demo" / "sandbox.state") as sandbox:
        from .kit import Cli

        Cli(sandbox).open_card()
        assert sandbox.controls.ledger().cards == 3
    result = demo()
    assert result.exit_code == 1
    assert "2 rows, 3 cards, THE BOOKS DO NOT AGREE." in result.stdout


def test_a_faulty_file(tmp_path: Path) -> None:
    """A changed file is checked like any other."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "cards.csv").write_text("row_id,card_type_id,amount\na,111001,1\n", "utf-8")
    result = demo("--dir", str(folder))
    assert result.exit_code == 2
    assert "cards.csv:2" in result.stderr


def test_a_demo_that_runs_already(tmp_path: Path) -> None:
    """Two demos do not share a folder."""
    folder = tmp_path / "fincard-demo"
    folder.mkdir()
    with Sandbox(state=folder / "sandbox.state"):
        result = demo()
    assert result.exit_code == 2
    assert "in use" in result.stderr


def test_rows_that_end_without_a_card(tmp_path: Path) -> None:
    """A row whose order fails is shown, and the books still agree."""
    folder = tmp_path / "fincard-demo"
    folder.mkdir()
    with Sandbox(state=folder / "sandbox.state") as sandbox:
        sandbox.controls.fail_next()
        assert sandbox.controls.ledger().created_amount == Decimal(0)
    result = demo("--rows", "3")
    assert result.exit_code == 4
    assert "failed           1" in result.stdout
    assert "3 rows, 2 cards, none doubled, none lost." in result.stdout
