"""``fincard demo``: the main job from end to end, with nothing but this package.

The server is a sandbox inside this process, and its state is a file beside the journal: a kill -9
takes down client and server together, and the next run finds both where they were.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click

from fincard_async import FincardClient
from fincard_async._generated.models.cards import CardBalance
from fincard_async.bulk import IssueRow, Report, check_rows, read_rows
from fincard_async.sandbox import Sandbox, SandboxSettings, SandboxTransport
from fincard_async.testing import sandbox_client

from .advice import FAILED, INTERRUPTED
from .balances import Balance, read_balances
from .job import JobSettings, run_job, say_resume
from .output import say
from .progress import meter
from .settings import Setup, pass_setup, run
from .summary import compare, print_by_type, print_report

JOB: Final = "demo"
_STATE, _JOURNAL, _ROWS = "sandbox.state", "cards.journal", "cards.csv"
_ANSWER_SECONDS: Final = 0.25
"""How long a call takes, so that there is something to watch and to interrupt."""
_LATENCY_MS: Final = 1000
"""How long a card takes from order to success."""
_ISSUING, _READING = 8, 20


@click.command(short_help="Issue the cards of an example file; needs no account.")
@click.option(
    "--dir",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("fincard-demo"),
    show_default=True,
    help="Where the demo keeps its files.",
)
@click.option("--rows", "count", type=click.IntRange(1), help="Issue only the first rows.")
@click.option("--fresh", is_flag=True, help="Forget the last demo and start anew.")
@pass_setup
def demo(setup: Setup, folder: Path, count: int | None, fresh: bool) -> None:
    """Issue the cards of a CSV file against a sandbox inside this process.

    Needs no account, no settings and no network. Stop it half-way, with Ctrl-C or kill -9, and run
    the same command again: it finishes, with no card doubled and none lost.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if fresh:
        _forget(folder)
    rows = _rows(folder, count)
    settings = SandboxSettings(latency_ms=_LATENCY_MS)
    with Sandbox(settings, state=folder / _STATE) as sandbox:
        try:
            code = run(_demo, setup, sandbox, folder, rows)
        except KeyboardInterrupt:
            code = INTERRUPTED
    say_resume(setup, code)
    raise click.exceptions.Exit(code)


async def _demo(setup: Setup, sandbox: Sandbox, folder: Path, rows: Sequence[IssueRow]) -> int:
    """Issue, read balances, show, compare; returns the exit code."""
    source = folder / _ROWS
    say(
        f"Issuing the {len(rows)} cards of {source} in a sandbox inside this process."
        " Stop it at any time, even with kill -9: the same command goes on."
    )
    click.echo()
    transport = SandboxTransport(sandbox, delay=_ANSWER_SECONDS)
    async with sandbox_client(sandbox=sandbox, transport=transport) as client:
        types = await client.cards.list_types()
        check_rows(rows, types, str(source))
        how = JobSettings(job=JOB, journal=folder / _JOURNAL, concurrency=_ISSUING)
        outcome = await run_job(client, rows, how)
        report = outcome.report
        if report is None or not report.complete:
            return outcome.exit_code
        balances = await _read_balances(client, report)
    click.echo()
    print_by_type(rows, report, types, balances)
    click.echo()
    print_report(report)
    agrees = compare(rows, report, sandbox.controls.ledger())
    if outcome.had_finished:
        say("This demo had finished before, and nothing was sent. To start anew, add --fresh.")
    else:
        say("Next: `fincard sandbox` in one shell, `fincard issue FILE --job NAME` in another.")
    return outcome.exit_code if agrees else FAILED


async def _read_balances(client: FincardClient, report: Report) -> dict[str, CardBalance]:
    card_nos = [row.card_no for row in report.results if row.card_no is not None]
    balances: dict[str, CardBalance] = {}

    def found(balance: Balance) -> None:
        if not isinstance(balance, CardBalance):
            raise balance[1]
        balances[balance.card_no] = balance
        shown.update(len(balances))

    with meter("Balances", len(card_nos)) as shown:
        await read_balances(client, card_nos, _READING, found)
    return balances


def _rows(folder: Path, count: int | None) -> list[IssueRow]:
    """The rows of this demo: a copy, so that every run of it has the same."""
    path = folder / _ROWS
    if not path.exists():
        lines = _packaged().read_text("utf-8").splitlines(keepends=True)
        made = path.with_name(f"{_ROWS}.{os.getpid()}.tmp")
        made.write_text("".join(lines[: None if count is None else count + 1]), "utf-8")
        made.replace(path)
    rows = read_rows(path)
    if count is not None and len(rows) != count:
        raise click.UsageError(f"this demo has {len(rows)} rows already; --fresh starts anew")
    return rows


def _packaged() -> Path:
    """The example file: in the wheel beside this module, in the repository in ``examples``."""
    beside = Path(__file__).with_name(_ROWS)
    return beside if beside.exists() else Path(__file__).parents[2] / "examples" / _ROWS


def _forget(folder: Path) -> None:
    """Remove the files of the last demo, and nothing else that may be in the folder."""
    for name in (_ROWS, _JOURNAL, f"{_JOURNAL}-journal", _STATE):
        (folder / name).unlink(missing_ok=True)
