"""One process of a job: it runs the job until it is killed or comes to its end."""

from __future__ import annotations

import json
import os
import sys
import traceback
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Final, Literal, NoReturn

import anyio

from fincard_async import FincardClient
from fincard_async._generated.operations import cards, transactions
from fincard_async._runtime.ports import Transport
from fincard_async._sansio import order_no
from fincard_async._transports.session import SessionTransport
from fincard_async.bulk import (
    BulkIssue,
    IssueRow,
    Report,
    ReportFile,
    RowResult,
    SqliteJournal,
    read_results,
)
from fincard_async.errors import FincardError
from fincard_async.sandbox import SandboxSettings
from fincard_async.sandbox.catalog import PREPAID
from fincard_async.testing import sandbox_login

from .clock import FastClock
from .points import DeadlyJournal, DeadlyTransport, Strike, connector
from .sabotage import JOURNALS, WIRES

JOB: Final = "crash"
_PATIENCE: Final = 600.0
"""Seconds of the fast clock for one call; a call takes milliseconds of the other one."""


@dataclass(frozen=True, kw_only=True)
class Life:
    """How one process runs the job, and where it strikes itself."""

    base_url: str
    folder: Path
    rows: tuple[IssueRow, ...]
    dedupe: Literal["error", "replay", "none"]
    skew: float
    point: str | None = None
    nth: int = 1
    bug: str | None = None

    @property
    def results(self) -> Path:
        """Where the report goes that came to its end."""
        return self.folder / "results.json"

    @property
    def journal(self) -> Path:
        """The journal of all processes."""
        return self.folder / "crash.journal"

    @property
    def report(self) -> Path:
        """The report that all processes write."""
        return self.folder / "report.ndjson"


def rows_of(count: int) -> tuple[IssueRow, ...]:
    """Rows with different amounts, so that sums tell them apart."""
    return tuple(
        IssueRow(row_id=f"row-{n}", card_type_id=PREPAID, amount=Decimal(50) + Decimal(n * n) / 4)
        for n in range(count)
    )


def number_of(row: IssueRow) -> str:
    """The order number of a row."""
    return order_no.derive(namespace=JOB, operation=cards.OPEN.name, row_key=row.row_id)


def begin(life: Life) -> int:
    """Fork a process that lives this life; its id."""
    sys.stdout.flush()
    sys.stderr.flush()
    return os.fork() or _live(life)


def _live(life: Life) -> NoReturn:
    code = 70
    try:
        code = anyio.run(_run, life)
    except BaseException:  # noqa: BLE001 - told to whoever reads the output of the harness
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


async def _run(life: Life) -> int:
    """0: every row is at rest; 1: it takes another run."""
    strike = Strike(life.point, life.nth)
    clock = FastClock(life.skew)
    wire: Transport = SessionTransport(life.base_url)
    if (plant := WIRES.get(life.bug or "")) is not None:
        wire = plant(wire, frozenset(map(number_of, life.rows)))
    wire = DeadlyTransport(wire, strike, cards.OPEN.path, transactions.OPERATIONS.path)
    settings = SandboxSettings()
    client = FincardClient(
        base_url=life.base_url,
        auth=sandbox_login(settings),
        tenant_id=settings.tenant_id,
        timeout=_PATIENCE,
        transport=wire,
        clock=clock,
    )
    journal = SqliteJournal(life.journal, connect=connector(strike))
    with ReportFile(life.report, JOB) as results:

        def ended(row: RowResult) -> None:
            strike("before a report line")
            results.write(row)
            results.sync()
            strike("after a report line")

        job = BulkIssue(
            client,
            journal=JOURNALS.get(life.bug or "", DeadlyJournal)(journal, strike),
            concurrency=4,
            on_result=ended,
            dedupe=life.dedupe,
            clock=clock,
        )
        async with client:
            try:
                report = await job.run(life.rows, job=JOB)
            except FincardError as error:
                sys.stderr.write(f"a run ended with {type(error).__name__}: {error.message}\n")
                return 1
        results.complete(read_results(life.journal))
    return _tell(life, report)


def _tell(life: Life, report: Report) -> int:
    states = {row.order_no: row.state.value for row in read_results(life.journal)}
    half = life.results.with_suffix(".half")  # a kill may fall between opening and writing
    half.write_text(json.dumps(states), "utf-8")
    half.replace(life.results)
    return 0 if report.complete else 1
