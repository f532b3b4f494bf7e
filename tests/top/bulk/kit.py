"""What the tests of bulk jobs share: a sandbox, a wire that loses answers, a watched journal."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Mapping,
    Sequence,
)
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import anyio
import anyio.lowlevel
import msgspec

from fincard_async._generated.models.common import OperationType
from fincard_async._generated.models.transactions import OperationRecord
from fincard_async._sansio import order_no
from fincard_async._sansio.messages import HttpRequest, HttpResponse, TransportFailure
from fincard_async.bulk import (
    BulkIssue,
    IssueRow,
    Journal,
    Report,
    RowState,
    SqliteJournal,
    run_rows,
)
from fincard_async.bulk.entry import Entry, Header
from fincard_async.bulk.kinds import kinds, operation_of
from fincard_async.bulk.planning import BATCH, RowPlan, Rows
from fincard_async.client import FincardClient
from fincard_async.sandbox import Ledger, Sandbox, SandboxSettings, SandboxTransport
from fincard_async.sandbox.catalog import PREPAID
from fincard_async.testing import FakeClock, reply, sandbox_client

JOB = "payroll"
HEADER = Header(job=JOB, kind="open", server="http://127.0.0.1", tenant="sandbox")

_ORDERS = {operation_of(kind).path for kind in kinds()}

PATIENT = 1_000_000.0
"""Seconds; the pause of one row moves the clock of all, which must not end the others' calls."""

Fate = Literal[
    "answer", "lost before", "lost after", "not sent", "late", "busy", "busy after", "refused"
]
"""What becomes of a card order: carried out and answered; the connection breaks before or after it
is carried out; no connection; carried out only after the caller gave up; HTTP 503 without or after
carrying it out; refused without a look at the number."""


def rows_of(count: int, amount: str = "50") -> list[IssueRow]:
    """Rows with different amounts, so that sums tell them apart."""
    return [
        IssueRow(row_id=f"row-{n}", card_type_id=PREPAID, amount=Decimal(amount) + n)
        for n in range(count)
    ]


def plan_of(rows: Rows, job: str = JOB, kind: str = "open") -> RowPlan:
    """The plan of these rows."""
    return RowPlan(rows, operation=operation_of(kind), job=job)


def planned(rows: Rows, job: str = JOB, kind: str = "open") -> list[Entry]:
    """The entries of these rows, all at once."""

    async def collect() -> list[Entry]:
        plan = plan_of(rows, job, kind)
        entries = [entry async for batch in plan for entry in batch]
        plan.finish()
        return entries

    return anyio.run(collect)


class ListPlan:
    """A plan of entries that were made somewhere else."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self.entries = list(entries)
        self.digest = ""
        self.mark = ""
        self.rows = 0
        self.doubled: list[tuple[Entry, int]] = []

    def __aiter__(self) -> AsyncIterator[Sequence[Entry]]:
        return self.unlike({})

    async def unlike(self, marks: Mapping[int, str]) -> AsyncIterator[Sequence[Entry]]:
        """All batches."""
        for start in range(0, len(self.entries), BATCH):
            batch = self.entries[start : start + BATCH]
            self.digest = f"digest of {[entry.payload for entry in self.entries[: start + BATCH]]}"
            self.rows += len(batch)
            yield batch

    def repeated(self, entry: Entry, first: int) -> None:
        """Remember it."""
        self.doubled.append((entry, first))

    def finish(self) -> str:
        """The digest of all."""
        return self.digest


def total(rows: Iterable[IssueRow]) -> Decimal:
    """The sum of their amounts."""
    return sum((row.amount for row in rows), Decimal(0))


def number_of(row: IssueRow, job: str = JOB) -> str:
    """The order number of a row."""
    return order_no.derive(namespace=job, operation="cards.open", row_key=row.row_id)


def first(*fates: Fate) -> Callable[[str, int], Fate]:
    """These fates for the first attempts of every row, then answers."""

    def fate(number: str, attempt: int) -> Fate:
        return fates[attempt] if attempt < len(fates) else "answer"

    return fate


class Wire:
    """A transport to a sandbox that decides the fate of each card order.

    ``fate`` is given the order number and how many attempts there were before.
    """

    def __init__(
        self, sandbox: Sandbox, fate: Callable[[str, int], Fate] = lambda *_: "answer"
    ) -> None:
        self.fate = fate
        self.orders: list[str] = []
        """Order numbers of card orders, in the order in which they were handed over."""
        self.attempts: Counter[str] = Counter()
        """The same with those that were not sent."""
        self.look_ups: list[Mapping[str, Any]] = []
        """Bodies of operation queries."""
        self.before_order: Callable[[str], object] = lambda _: None
        self.hold: Callable[[str], Awaitable[None]] = lambda _: anyio.lowlevel.checkpoint()
        """Awaited while an order is under way."""
        self.after_order: Callable[[], object] = lambda: None
        self.before_look_up: Callable[[], object] = lambda: None
        self.answer_look_up: Callable[[HttpResponse], HttpResponse] = lambda response: response
        self.refusal = "Insufficient balance"
        self.in_flight = self.most_in_flight = 0
        self._sandbox = SandboxTransport(sandbox)
        self.late: list[HttpRequest] = []
        """Card orders that are under way although their caller gave up."""
        self.intercept: Callable[[HttpRequest], HttpResponse] | None = None
        """Answers card orders in place of the sandbox."""
        self.last_path = ""
        self.last_headers: Mapping[str, str] = {}
        """Of the last query."""

    async def send(self, request: HttpRequest, timeout: float) -> HttpResponse:
        if request.path in _ORDERS:
            self.in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
            try:
                return await self._order(request, timeout)
            finally:
                self.in_flight -= 1
        if request.path.endswith("/transaction"):
            self.before_look_up()
        response = await self._sandbox.send(request, timeout)
        if request.path.endswith("/transaction"):
            self.last_path, self.last_headers = request.path, request.headers
            self.look_ups.append(msgspec.json.decode(request.body))
            return self.answer_look_up(response)
        return response

    async def _order(self, request: HttpRequest, timeout: float) -> HttpResponse:
        number: str = msgspec.json.decode(request.body)["merchantOrderNo"]
        fate = self.fate(number, self.attempts[number])
        self.attempts[number] += 1
        if fate == "not sent":
            raise TransportFailure("connect", sent=False, detail="no connection")
        self.before_order(number)
        self.orders.append(number)
        await self.hold(number)
        if self.intercept is not None:
            return self.intercept(request)
        if fate in ("answer", "lost after", "busy after"):
            response = await self._sandbox.send(request, timeout)
            self.after_order()
            await anyio.lowlevel.checkpoint()
            if fate == "answer":
                return response
        if fate == "late":
            self.late.append(request)
        if fate.startswith("busy"):
            return reply(status=503, msg="busy", headers={"retry-after": "45"})
        if fate == "refused":
            return reply(success=False, code=-1, msg=self.refusal)
        raise TransportFailure("lost", sent=True, detail="the connection broke")

    async def deliver_late(self) -> None:
        """What was under way all the time reaches the sandbox now."""
        for request in self.late:
            await self._sandbox.send(request, 1.0)
        self.late.clear()

    async def aclose(self) -> None:
        await self._sandbox.aclose()


class World:
    """A sandbox, a client over a wire, and a job in a journal file."""

    def __init__(self, folder: Path, client: FincardClient, sandbox: Sandbox, wire: Wire) -> None:
        self.client = client
        self.sandbox = sandbox
        self.wire = wire
        self.clock: FakeClock
        self.path = folder / "cards.journal"

    def job(
        self, connect: Callable[..., sqlite3.Connection] = sqlite3.connect, **settings: Any
    ) -> BulkIssue:
        settings.setdefault("clock", self.clock)
        journal = SqliteJournal(self.path, connect=connect)
        return BulkIssue(self.client, journal=journal, **settings)

    async def run(self, rows: Rows, job: str = JOB, **settings: Any) -> Report:
        return await self.job(**settings).run(rows, job=job)

    async def chunk(self, journal: Journal, **settings: Any) -> Report:
        """Run rows of a journal that is open."""
        return await run_rows(self.client, journal, clock=self.clock, **settings)

    @property
    def ledger(self) -> Ledger:
        return self.sandbox.controls.ledger()

    async def orders(self) -> list[OperationRecord]:
        """The card orders on the server's books, read over another wire."""
        async with sandbox_client(
            sandbox=self.sandbox, clock=self.clock, timeout=PATIENT
        ) as client:
            return await client.transactions.operations(type=OperationType.CREATE).collect()

    def assert_exact(self, rows: Iterable[IssueRow]) -> None:
        """One card per row on the server's books, and the exact sum: none doubled, none lost."""
        rows = list(rows)
        assert self.ledger.cards == len(rows)
        assert self.ledger.created_amount == total(rows)


@asynccontextmanager
async def world_in(
    folder: Path,
    *,
    latency_ms: int | None = 0,
    state: Path | None = None,
    **settings: Any,
) -> AsyncGenerator[World]:
    """A world whose sandbox lives on the clock of the job; the client has a clock of its own."""
    clock = FakeClock()
    settings = {"funds": Decimal(10_000_000), "latency_ms": latency_ms, **settings}
    with Sandbox(SandboxSettings(**settings), clock=clock.wall, state=state) as sandbox:
        wire = Wire(sandbox)
        async with sandbox_client(
            sandbox=sandbox, transport=wire, clock=clock, timeout=PATIENT
        ) as client:
            world = World(folder, client, sandbox, wire)
            world.clock = clock
            yield world


def states(report: Report) -> Counter[RowState]:
    """Rows by state, without zeros."""
    return Counter({state: count for state, count in report.counts.items() if count})


class WatchedConnection(sqlite3.Connection):
    """Knows what is committed, and fails commits on demand."""

    commits_left: int | None = None
    """Commits of row changes that succeed; None for all."""
    committed: dict[str, tuple[str, int]]
    """State and attempts of each changed row, by order number."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.committed = {}
        self.statements: list[str] = []
        self._changed: list[int] = []

    def close(self) -> None:
        self.pragmas = {
            name: super(WatchedConnection, self).execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "locking_mode", "application_id")
        }
        super().close()

    def execute(self, sql: str, *args: Any) -> sqlite3.Cursor:
        self.statements.append(sql)
        if sql.startswith("UPDATE rows"):
            self._changed += [seq for seq, *_ in msgspec.json.decode(args[0][0])]
        if sql == "COMMIT" and self._changed:
            if self.commits_left == 0:
                raise _disk_error()
            if self.commits_left is not None:
                self.commits_left -= 1
        cursor = super().execute(sql, *args)
        if sql == "COMMIT":
            found = "SELECT order_no, state, sends FROM rows WHERE seq = ?"
            for seq in self._changed:
                number, *after = super().execute(found, (seq,)).fetchone()
                self.committed[number] = tuple(after)
            self._changed.clear()
        return cursor


def _disk_error() -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR
    return error


class Connector:
    """Makes watched connections, and remembers the last."""

    def __init__(self, commits_left: int | None = None) -> None:
        self._commits_left = commits_left
        self.db: WatchedConnection

    def __call__(self, *args: Any, **settings: Any) -> sqlite3.Connection:
        self.db = sqlite3.connect(*args, factory=WatchedConnection, **settings)
        self.db.commits_left = self._commits_left
        return self.db
