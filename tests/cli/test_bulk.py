"""What every bulk command offers: guards, estimates, reports, parked rows and decisions, audits."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("click")
pytest.importorskip("rich")

from fincard_async.bulk.kinds import kinds
from fincard_async.sandbox import SandboxSettings

from .kit import FAR, Cli

HEADER = "row_id,card_type_id,amount\n"
THREE = HEADER + "a,111001,50.10\nb,111001,20\nc,111001,25\n"


@pytest.fixture
def rows(tmp_path: Path) -> Callable[..., str]:
    """Writes a file; its name."""

    def write(content: str, name: str = "rows.csv") -> str:
        (tmp_path / name).write_text(content, "utf-8")
        return name

    return write


def lines(name: str) -> list[dict[str, Any]]:
    """The lines of an NDJSON file."""
    return [json.loads(line) for line in Path(name).read_text("utf-8").splitlines()]


def test_dry_run(cli: Cli, rows: Callable[..., str]) -> None:
    """A dry run says what the rows cost, sends nothing and leaves no journal."""
    result = cli.run("issue", rows(THREE), "--job", "t", "--dry-run")
    assert result.exit_code == 0
    assert "Issue 3 cards at http://127.0.0.1, tenant sandbox" in result.stdout
    assert "deposits  95.10 USD" in result.stdout
    assert "prices    3 USD" in result.stdout
    assert "together  " in result.stdout
    assert "nothing was sent" in result.stdout
    assert cli.sandbox.controls.ledger().orders == 0
    assert not list(Path().glob("t.journal*"))


@pytest.mark.parametrize(
    "limit, told",
    [
        (("--max-rows", "2"), "more than 2 rows"),
        (("--max-total", "95"), "more than 95 in all"),
        (("--max-total", "usd=95.09"), "more than 95.09 USD"),
        (("--max-total", "EUR=1000"), "more than 0 USD"),
    ],
)
def test_guards(cli: Cli, rows: Callable[..., str], limit: tuple[str, str], told: str) -> None:
    """Rows that ask for more than was allowed are refused before the first is sent."""
    result = cli.run("issue", rows(THREE), "--job", "t", *limit)
    assert result.exit_code == 2
    assert told in result.stderr
    assert "raise the limit" in result.stderr
    assert cli.sandbox.controls.ledger().orders == 0
    assert not list(Path().glob("t.journal*"))


def test_guards_that_are_kept(cli: Cli, rows: Callable[..., str]) -> None:
    """Exactly as much as was allowed is allowed."""
    args = ("--max-rows", "3", "--max-total", "USD=95.10", "--deadline", "1h", "--wait", "2m")
    assert cli.run("issue", rows(THREE), "--job", "t", *args).exit_code == 0


@pytest.mark.parametrize(
    "args",
    [
        ("--max-total", "5", "--max-total", "USD=5"),
        ("--max-total", "1e3"),
        ("--deadline", "soon"),
        ("--max-rows", "0"),
    ],
)
def test_limits_that_are_none(cli: Cli, rows: Callable[..., str], args: tuple[str, ...]) -> None:
    """A limit that cannot be understood is a usage error."""
    assert cli.run("issue", rows(THREE), "--job", "t", *args).exit_code == 2
    assert cli.sandbox.controls.ledger().orders == 0


def test_a_declined_job_can_be_changed(cli: Cli, rows: Callable[..., str]) -> None:
    """Who says no may mend the rows and run the same job."""
    cli.base_url, cli.interactive = FAR, True
    assert cli.run("issue", rows(THREE), "--job", "t", input="n\n").exit_code == 1
    changed = rows(HEADER + "a,111001,51\n")
    assert cli.run("issue", changed, "--job", "t", input="y\n").exit_code == 0


def test_the_report_grows_over_runs(cli: Cli, rows: Callable[..., str]) -> None:
    """Each row has one line, in the run in which it ended, with times and amounts."""
    args = ("issue", rows(THREE), "--job", "t", "--report", "r.ndjson")
    cli.sandbox.controls.set_latency(None)
    assert cli.run(*args, "--wait", "0").exit_code == 5
    assert lines("r.ndjson") == []
    cli.sandbox.controls.settle_now()
    assert cli.run(*args).exit_code == 0
    assert cli.run(*args).exit_code == 0
    found = lines("r.ndjson")
    assert sorted(line["row_id"] for line in found) == ["a", "b", "c"]
    assert all(line["ended_at"] >= line["first_sent_at"] and line["fee"] for line in found)


def test_the_report_of_another_job_is_left_alone(cli: Cli, rows: Callable[..., str]) -> None:
    """A file that is not this job's report ends the command before anything is sent."""
    content = Path(rows(THREE)).read_text("utf-8")
    result = cli.run("issue", "rows.csv", "--job", "t", "--report", "rows.csv")
    assert result.exit_code == 2
    assert Path("rows.csv").read_text("utf-8") == content
    assert cli.sandbox.controls.ledger().orders == 0


def test_parked_rows_and_decisions(cli: Cli, rows: Callable[..., str]) -> None:
    """The list of parked rows asks a question; filled in, it is the answer."""
    cli.run("issue", rows(HEADER + "a,111001,50\n"), "--job", "t")
    card_no = cli.rows("transactions", "operations")[0]["card_no"]
    Path("t.journal").unlink()
    args = ("issue", rows(HEADER + "a,111001,60\n"), "--job", "t")
    result = cli.run(*args, "--parked", "parked.csv")
    assert result.exit_code == 6
    assert "--resolve FILE" in result.stderr
    with Path("parked.csv").open(encoding="utf-8", newline="") as file:
        [row] = csv.DictReader(file)
    assert (row["row_id"], row["reason"], row["amount"]) == ("a", "mismatch", "60")
    assert row["question"].endswith("?")
    assert (row["decision"], row["evidence"]) == ("", "")
    undecided = cli.run(*args, "--resolve", "parked.csv")
    assert undecided.exit_code == 6
    assert "0 decisions" in undecided.stderr
    row |= {"decision": "Issued", "evidence": "ticket 12", "card_no": card_no}
    with Path("answer.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, row)
        table.writeheader()
        table.writerow(row)
    decided = cli.run(*args, "--resolve", "answer.csv", "--parked", "parked.csv", "--json")
    assert decided.exit_code == 0, decided.output
    assert "1 decision taken" in decided.stderr
    assert json.loads(decided.stdout)["card_no"] == card_no
    assert len(Path("parked.csv").read_text("utf-8").splitlines()) == 1


def test_decisions_that_cannot_be_taken(cli: Cli, rows: Callable[..., str]) -> None:
    """A wrong decision ends the command, and nothing is changed or sent."""
    args = ("issue", rows(HEADER + "a,111001,50\n"), "--job", "t")
    cli.run(*args)
    for content in (
        "row_id,decision,evidence\na,maybe,x\n",
        "row_id,decision,evidence\na,failed,\n",
        "row_id,decision,evidence\nb,failed,x\n",
        "row_id,decision,evidence\na,failed,x\n",
        "row_id,verdict\na,failed\n",
    ):
        result = cli.run(*args, "--resolve", rows(content, "d.csv"))
        assert result.exit_code == 2, content
    assert cli.sandbox.controls.ledger().orders == 1


def test_deposits(cli: Cli, rows: Callable[..., str]) -> None:
    """Money goes to many cards; a second run finds it done."""
    cards = [cli.open_card() for _ in range(3)]
    content = "".join(f"{n},{card},20.5{n}\n" for n, card in enumerate(cards))
    args = ("bulk", "deposit", rows("row_id,card_no,amount\n" + content), "--job", "top-up")
    result = cli.run(*args)
    assert result.exit_code == 0, result.output
    assert "done             3" in result.stdout
    assert "ordered: 61.53 USD" in result.stdout
    assert "Depositing 3/3" in result.stderr
    assert "nothing was sent" in cli.run(*args).stderr
    assert cli.sandbox.controls.ledger().orders == 6


def test_a_limit_by_currency_needs_currencies(cli: Cli, rows: Callable[..., str]) -> None:
    """Rows about cards do not say their currency, so a limit for one would mean nothing."""
    name = rows(f"row_id,card_no,amount\na,{cli.open_card()},20\n")
    args = ("bulk", "deposit", name, "--job", "t")
    refused = cli.run(*args, "--max-total", "USD=50")
    assert (refused.exit_code, "without a currency" in refused.stderr) == (2, True)
    assert "20 (currency unknown)" in cli.run(*args, "--dry-run").stdout
    assert cli.run(*args, "--max-total", "19.99").exit_code == 2
    assert cli.run(*args, "--max-total", "20").exit_code == 0


@pytest.mark.parametrize("kind", ["freeze", "unfreeze", "update", "withdraw"])
def test_the_other_operations(cli: Cli, rows: Callable[..., str], kind: str) -> None:
    """Each takes its file; a faulty one is named by line."""
    faulty = cli.run("bulk", kind, rows("row_id,card_no,colour\n"), "--job", "t")
    assert (faulty.exit_code, "unknown column: colour" in faulty.stderr) == (2, True)
    card = cli.open_card()
    if kind == "unfreeze":
        cli.run("cards", "freeze", card)
    columns = {"withdraw": ("amount", "5"), "update": ("spending_controls", "[]")}
    name, value = columns.get(kind, ("client_remark", "hello"))
    result = cli.run("bulk", kind, rows(f"row_id,card_no,{name}\na,{card},{value}\n"), "--job", "t")
    assert result.exit_code in (0, 4), result.output
    assert cli.sandbox.controls.ledger().orders >= (2 if result.exit_code == 0 else 1)


def test_every_kind_has_its_command(cli: Cli) -> None:
    """What the schema allows in bulk is a command, with its columns in the help."""
    shown = cli.run("bulk", "--help").stdout
    assert all(f"  {kind}" in shown for kind in kinds() if kind != "open")
    assert "Columns: row_id, card_no, amount" in cli.run("bulk", "deposit", "--help").stdout


def test_cancelling_is_typed(cli: Cli, rows: Callable[..., str]) -> None:
    """Cancelling asks for the number of cards, even in a sandbox; else nothing happens."""
    cards = [cli.open_card() for _ in range(2)]
    name = rows("row_id,card_no\n" + "".join(f"r{card},{card}\n" for card in cards))
    args = ("bulk", "cancel", name, "--job", "t")
    assert cli.run(*args).exit_code == 2
    cli.interactive = True
    for answer in ("y\n", "3\n", "\n"):
        result = cli.run(*args, input=answer)
        assert result.exit_code == 1
        assert "for good" in result.stderr
        assert cards[0] in result.stderr
    assert cli.sandbox.controls.ledger().orders == 2
    assert cli.run(*args, input="2\n").exit_code == 0
    assert cli.sandbox.controls.ledger().orders == 4


def test_cancelling_in_a_script(cli: Cli, rows: Callable[..., str]) -> None:
    """Without a person, --yes needs the number of cards as well; the money comes back."""
    name = rows(f"row_id,card_no\na,{cli.open_card()}\n")
    args = ("bulk", "cancel", name, "--job", "t", "--yes")
    assert cli.run(*args).exit_code == 2
    assert "Cancel 1 card at " in cli.run(*args, "--max-rows", "1", "--dry-run").stdout
    result = cli.run(*args, "--max-rows", "1")
    assert result.exit_code == 0
    assert "back from the cards: " in result.stdout
    assert "\non the cards" not in result.stdout


def test_audit(cli: Cli, rows: Callable[..., str]) -> None:
    """Journal and ledger of a job agree; an order of somebody else is a difference, or is not."""
    assert cli.run("issue", rows(THREE), "--job", "t").exit_code == 0
    agreed = cli.run("audit", "--journal", "t.journal")
    assert (agreed.exit_code, agreed.stdout) == (0, "")
    assert "USD: journal 95.10, ledger 95.10, the same; others 0" in agreed.stderr
    assert "journal and ledger agree" in agreed.stderr
    card_no = cli.open_card()
    other = cli.run("audit", "--journal", "t.journal")
    assert other.exit_code == 7
    [line] = [json.loads(text) for text in other.stdout.splitlines()]
    assert (line["difference"], line["ledger"][0]["card_no"]) == ("not in journal", card_no)
    assert cli.run("audit", "--journal", "t.journal", "--ignore-others").exit_code == 0


def test_audit_of_a_job_under_way(cli: Cli, rows: Callable[..., str]) -> None:
    """Rows that are not final are no difference, but they are no agreement either."""
    cli.sandbox.controls.set_latency(None)
    cli.run("issue", rows(THREE), "--job", "t", "--wait", "0")
    result = cli.run("audit", "--journal", "t.journal")
    assert (result.exit_code, result.stdout) == (5, "")
    assert "not final: 3 rows" in result.stderr


def test_audit_of_another_server(cli: Cli, rows: Callable[..., str]) -> None:
    """A journal is compared with the ledger that it belongs to, and with no other."""
    cli.run("issue", rows(THREE), "--job", "t")
    cli.base_url = FAR
    result = cli.run("audit", "--journal", "t.journal")
    assert result.exit_code == 2
    assert "belongs to http://127.0.0.1" in result.stderr
    assert SandboxSettings().tenant_id in result.stderr


def test_workbooks(cli: Cli, tmp_path: Path) -> None:
    """Rows may come from one sheet of a workbook."""
    xlsxwriter = pytest.importorskip("xlsxwriter")
    pytest.importorskip("python_calamine")
    book = xlsxwriter.Workbook(str(tmp_path / "rows.xlsx"))
    for name in ("may", "june"):
        sheet = book.add_worksheet(name)
        sheet.write_row(0, 0, ("row_id", "card_type_id", "amount"))
        sheet.write_row(1, 0, (name, 111001, 50.1))
    book.close()
    several = cli.run("issue", "rows.xlsx", "--job", "t")
    assert (several.exit_code, "several sheets" in several.stderr) == (2, True)
    assert cli.run("issue", "rows.xlsx", "--job", "t", "--sheet", "june").exit_code == 0
    assert cli.sandbox.controls.ledger().created_amount == Decimal("50.1")


def test_a_worker_without_its_extra(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is missing is told before the worker says that it is at work."""
    monkeypatch.setitem(sys.modules, "pgqueuer", None)
    result = cli.run("worker", "--postgres", "postgresql://127.0.0.1:1/cards", "--yes")
    assert result.exit_code == 2
    assert "fincard-async[distributed]" in result.stderr
    assert "working at" not in result.stderr
