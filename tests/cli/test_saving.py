"""Windows read whole, files, and books compared."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("click")
pytest.importorskip("rich")

from click.testing import CliRunner

from fincard_async import FincardClient
from fincard_async._generated.commands import COMMANDS
from fincard_async._generated.operations import load
from fincard_async._sansio.commands import Command
from fincard_async.cli.app import app
from fincard_async.cli.settings import Setup
from fincard_async.exports import columns_of

from .kit import Cli

COLUMNS = [column.name for column in columns_of(load("transactions.operations"))]


@pytest.fixture
def cards(cli: Cli) -> list[str]:
    """Three cards, oldest first."""
    return [cli.open_card(amount=amount) for amount in ("50", "60.10", "70")]


def test_a_window_on_the_screen(cli: Cli, cards: list[str]) -> None:
    """All rows, oldest first, where --since or --until is given; an ending window may be empty."""
    rows = cli.rows("transactions", "operations", "--since", "2020-01-01")
    assert [row["card_no"] for row in rows] == cards
    assert [row["amount"] for row in rows] == ["50", "60.10", "70"]
    assert cli.rows("transactions", "operations", "--until", "2020-01-01") == []
    typed = ("--since", "0", "--limit", "2", "--type", "create")
    assert len(cli.rows("transactions", "operations", *typed)) == 2


@pytest.mark.parametrize("command", [each for each in COMMANDS if each.shape == "page"])
def test_only_a_query_with_a_time_filter_has_a_window(cli: Cli, command: Command) -> None:
    """The schema says which; every query can be written to a file."""
    said = cli.run(command.resource, command.name, "--help").output
    paging = load(command.operation_name).paging
    assert paging is not None
    assert ("--since" in said, "--until" in said) == (paging.start is not None,) * 2
    assert "--output" in said


@pytest.mark.parametrize("form", ["csv", "ndjson"])
def test_a_file(cli: Cli, cards: list[str], tmp_path: Path, form: str) -> None:
    """The end of its name says what it is; rows, columns and a line about it."""
    name = f"rows.{form}"
    result = cli.run("transactions", "operations", "--since", "2020-01-01", "--output", name)
    assert result.exit_code == 0
    assert result.stdout == ""
    assert "3 rows in rows" in result.stderr
    assert "operations 3/3" in result.stderr
    lines = (tmp_path / name).read_text("utf-8").splitlines()
    if form == "csv":
        assert lines[0].split(",") == COLUMNS
        assert len(lines) == 4
    else:
        assert [json.loads(line)["card_no"] for line in lines] == cards
    assert sorted(path.name for path in tmp_path.iterdir()) == [name]


def test_every_query_has_a_file(cli: Cli, cards: list[str], tmp_path: Path) -> None:
    """Sealed values are in none of them."""
    cli.sandbox.controls.simulate_otp(cards[0])
    result = cli.run("transactions", "three-ds", "--output", "codes", "--format", "ndjson")
    assert result.exit_code == 0
    (row,) = map(json.loads, (tmp_path / "codes").read_text().splitlines())
    assert row["type"] == "third_3ds_otp"
    assert "values" not in row
    result = cli.run("transactions", "operations-v1", "--output", "old.csv")
    assert result.exit_code == 0
    assert len((tmp_path / "old.csv").read_text().splitlines()) == 7


def test_what_is_only_best_effort(cli: Cli, cards: list[str]) -> None:
    """A count that never fits is told, with the rows."""
    # The count of both looks at the slice is that of before a row had gone.
    cli.sandbox.controls.move_lists(seed=5, stale_totals=1.0, script=[(0, 0, 2)])
    result = cli.run("transactions", "operations", "--since", "0", "--output", "a.csv")
    assert result.exit_code == 0
    assert "2 rows in a.csv" in result.stderr
    assert "1 slice may not be whole" in result.stderr


def test_ctrl_c(cli: Cli, cards: list[str], tmp_path: Path) -> None:
    """What was read is kept, and the command that goes on is printed."""

    def interrupt(profile: str | None) -> FincardClient:
        raise KeyboardInterrupt

    command = ("transactions", "operations", "--output", "a.csv")
    result = CliRunner().invoke(app, command, obj=Setup(connect=interrupt))
    assert result.exit_code == 3
    assert "Go on with:" in result.stderr
    assert "--output a.csv" in result.stderr


@pytest.mark.parametrize(
    "options, said",
    [
        (["--output", "rows.pdf"], "a file can be csv, ndjson, xlsx, parquet"),
        (["--output", "rows", "--format", "table"], "a file can be"),
        (["--output", "a.csv", "--limit", "5"], "--output takes all rows"),
        (["--format", "parquet"], "--format parquet needs --output FILE"),
        (["--since", "yesterday"], "neither milliseconds nor a time"),
    ],
)
def test_what_makes_no_sense(cli: Cli, options: list[str], said: str, tmp_path: Path) -> None:
    """Refused before anything is sent or written."""
    result = cli.run("transactions", "operations", *options)
    assert result.exit_code == 2
    assert said in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_part_file_of_another_export(cli: Cli, tmp_path: Path) -> None:
    """It is named, and the advice says what to do."""
    (tmp_path / "a.csv.part.state").write_bytes(b"{")
    result = cli.run("transactions", "operations", "--output", "a.csv")
    assert result.exit_code == 1
    assert "a.csv.part.state cannot be read" in result.stderr
    assert "remove the .part files" in result.stderr


def issue(cli: Cli) -> None:
    """A job of twelve cards, with a journal."""
    rows = "".join(f"r{number},111001,{10 + number}\n" for number in range(12))
    Path("rows.csv").write_text(f"row_id,card_type_id,amount\n{rows}", "utf-8")
    assert cli.run("issue", "rows.csv", "--job", "t").exit_code == 0


WINDOW = ("--since", "2020-01-01", "--until", "2100-01-01")


def test_a_job_that_agrees(cli: Cli) -> None:
    """The journal of a job against the server: everything is in both."""
    issue(cli)
    result = cli.run("reconcile", "--journal", "t.journal", *WINDOW)
    assert result.exit_code == 0
    assert "both sides agree on 12 orders; 12 operations and 12 purchases" in result.stderr
    assert result.stdout == ""


def test_a_job_of_another_kind(cli: Cli, tmp_path: Path) -> None:
    """What is compared is what the journal is about: a deposit is not missed among new cards."""
    (tmp_path / "dep.csv").write_text(f"row_id,card_no,amount\n1,{cli.open_card()},12.50\n")
    assert cli.run("bulk", "deposit", "dep.csv", "--job", "d", "--yes").exit_code == 0
    result = cli.run("reconcile", "--journal", "d.journal", *WINDOW)
    assert result.exit_code == 0, result.output
    assert "both sides agree on 1 order; " in result.stderr


def test_orders_that_no_journal_knows(cli: Cli) -> None:
    """Each is a row of the result, and has the exit code of the audit."""
    issue(cli)
    cli.open_card(amount="12.50")
    result = cli.run("reconcile", "--journal", "t.journal", *WINDOW)
    assert result.exit_code == 7
    (row,) = map(json.loads, result.stdout.splitlines())
    assert (row["difference"], row["found"]) == ("unknown to the books", "12.50")
    assert "unknown to the books: 1\n" in result.stderr


def test_a_server_that_lost_everything(cli: Cli) -> None:
    """The other direction: all of the journal is missing."""
    issue(cli)
    cli.sandbox.controls.move_lists(seed=1, script=[(number, 9999, None) for number in range(12)])
    result = cli.run("reconcile", "--journal", "t.journal", *WINDOW, "--format", "csv")
    assert result.exit_code == 7
    assert "missing: 12\n" in result.stderr
    assert result.stdout.splitlines()[1].startswith("missing,")


def test_no_journal(cli: Cli, tmp_path: Path) -> None:
    """Another file is refused before anything is sent."""
    (tmp_path / "x.journal").write_text("no journal")
    result = cli.run("reconcile", "--journal", "x.journal", *WINDOW)
    assert result.exit_code == 1
    assert "is not a journal" in result.stderr
