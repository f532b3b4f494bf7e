"""Killed at random moments and run again: no card twice, none lost.

Nothing here waits for a time to pass: the ledger of the sandbox, or a line of progress, says when
to strike. Where processes are killed is random and printed; ``KILL_SEED`` repeats a run.
"""

from __future__ import annotations

import json
import os
import random
import shlex
import shutil
import signal
import sqlite3
import subprocess
import tempfile
from collections.abc import Callable
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("click")
pytest.importorskip("rich")

from fincard_async.sandbox import Sandbox

from .processes import CARDS, Served, finish, pipe, start

pytestmark = pytest.mark.slow

ROWS = 200
SUM = Decimal("33774.25")
SEED = int(os.environ.get("KILL_SEED", random.SystemRandom().randrange(10**6)))


@pytest.fixture
def dice() -> random.Random:
    """Random moments; the seed is in the output of a test that fails."""
    print(f"KILL_SEED={SEED}")  # noqa: T201 - shown when a test fails
    return random.Random(SEED)


def issue(server: Served, folder: Path, *args: str) -> subprocess.Popen[str]:
    """Start, or go on with, the job of these tests."""
    return start(["issue", str(CARDS), "--job", "t", *args], cwd=folder, settings=server.settings)


def wait_for_orders(server: Served, count: int, process: subprocess.Popen[str]) -> None:
    """Return when the ledger has this many orders; the process must still be at work."""
    while server.control("ledger")["orders"] < count:
        assert process.poll() is None, process.communicate()[1]


def intents(folder: Path) -> int:
    """Rows under way in a copy of the journal, as the next run will find it."""
    with tempfile.TemporaryDirectory() as copy:
        for file in folder.glob("t.journal*"):
            shutil.copy(file, copy)
        with closing(sqlite3.connect(Path(copy) / "t.journal")) as journal:
            (found,) = journal.execute("SELECT count(*) FROM rows WHERE state = 'intent'")
    return int(found[0])


def check_ledger(server: Served, folder: Path) -> None:
    """Exactly the cards of the file: by count, by order number and by sum."""
    ledger = server.control("ledger")
    assert (ledger["cards"], ledger["orders"]) == (ROWS, ROWS)
    assert Decimal(str(ledger["created_amount"])) == SUM
    listed = finish(
        ["transactions", "operations", "--format", "ndjson"], cwd=folder, settings=server.settings
    )
    orders: list[dict[str, Any]] = [json.loads(line) for line in listed.stdout.splitlines()]
    assert len({order["merchant_order_no"] for order in orders}) == ROWS
    assert len({order["card_no"] for order in orders}) == ROWS
    assert sum(Decimal(order["amount"]) for order in orders) == SUM
    assert {order["status"] for order in orders} == {"success"}


def test_issue_survives_five_kills(
    serve: Callable[..., Served], tmp_path: Path, dice: random.Random
) -> None:
    """After five kill -9 with rows in flight, a last run ends with 200 cards and the exact sum."""
    server = serve("--latency-ms", "100")
    moments = sorted(dice.sample(range(1, ROWS - 10), 5))
    print("killed at orders", moments)  # noqa: T201 - shown when a test fails
    under_way = 0
    for moment in moments:
        process = issue(server, tmp_path)
        wait_for_orders(server, moment, process)
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        under_way += intents(tmp_path)
    assert under_way > 0
    last = issue(server, tmp_path, "--report", "out.ndjson")
    out, err = last.communicate()
    assert last.returncode == 0, out + err
    check_ledger(server, tmp_path)
    results = [json.loads(line) for line in (tmp_path / "out.ndjson").read_text().splitlines()]
    assert [row["state"] for row in results] == ["issued"] * ROWS
    assert len({row["card_no"] for row in results}) == ROWS


def test_the_demo_survives_two_kills(tmp_path: Path, dice: random.Random) -> None:
    """The demo takes its own server down with it, twice, and finishes all the same."""
    for _ in range(2):
        process = start(["demo"], cwd=tmp_path)
        lines = pipe(process.stderr)
        for _ in range(dice.randrange(2, 6)):
            assert lines.readline().startswith("Issuing ")
        process.kill()
        process.communicate()
    done = finish(["demo"], cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "200 rows, 200 cards, none doubled, none lost" in done.stdout
    with Sandbox(state=tmp_path / "fincard-demo" / "sandbox.state") as sandbox:
        ledger = sandbox.controls.ledger()
    assert (ledger.cards, ledger.orders, ledger.created_amount) == (ROWS, ROWS, SUM)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_drains_and_prints_the_way_on(
    serve: Callable[..., Served], tmp_path: Path, number: signal.Signals
) -> None:
    """The first Ctrl-C lets rows in flight end, exits with 3, and its command goes on."""
    server = serve("--latency-ms", "100")
    process = issue(server, tmp_path, "--concurrency", "4")
    wait_for_orders(server, 20, process)
    process.send_signal(number)
    out, err = process.communicate()
    assert process.returncode == 3, out + err
    assert "waiting for the rows in flight" in err
    assert 20 <= server.control("ledger")["orders"] < ROWS
    command = shlex.split(err.splitlines()[-1])
    assert command[0] == "fincard"
    done = finish(command[1:], cwd=tmp_path, settings=server.settings)
    assert done.returncode == 0, done.stdout + done.stderr
    check_ledger(server, tmp_path)


def test_the_second_signal_stops_at_once(serve: Callable[..., Served], tmp_path: Path) -> None:
    """With a server that hangs, the second Ctrl-C ends the run; later nothing is doubled."""
    server = serve("--latency-ms", "100")
    process = issue(server, tmp_path)
    wait_for_orders(server, 20, process)
    server.process.send_signal(signal.SIGSTOP)
    try:
        process.send_signal(signal.SIGINT)
        lines = pipe(process.stderr)
        while "once more stops at once" not in lines.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, err = process.communicate()
    finally:
        server.process.send_signal(signal.SIGCONT)
    assert process.returncode == 3
    assert err.splitlines()[-1].startswith("  fincard issue ")
    done = issue(server, tmp_path)
    out, err = done.communicate()
    assert done.returncode == 0, out + err
    check_ledger(server, tmp_path)


def test_an_interrupted_demo_says_how_to_go_on(tmp_path: Path) -> None:
    """Ctrl-C in the demo exits with 3 and names the command; so it does while balances are read."""
    process = start(["demo", "--rows", "40"], cwd=tmp_path)
    lines = pipe(process.stderr)
    while not lines.readline().startswith("Issuing 0/"):
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    assert process.returncode == 3
    assert err.splitlines()[-1] == "  fincard demo --rows 40"
    process = start(["demo", "--rows", "40"], cwd=tmp_path)
    lines = pipe(process.stderr)
    while not lines.readline().startswith("Balances "):
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    assert process.returncode == 3
    assert err.splitlines()[-1] == "  fincard demo --rows 40"
    assert finish(["demo", "--rows", "40"], cwd=tmp_path).returncode == 0
