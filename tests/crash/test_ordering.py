"""Power loss, by order of events: an intent is on the disk before its request is on the wire.

What a loss of power leaves behind is what the disk had acknowledged. So it is enough to show that
the commit of an intent *returned* before aiohttp began with its request, that a commit returns only
when the disk has it (the pragmas), and that this check would see it if it were otherwise.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import aiohttp
import msgspec
import pytest

from fincard_async import FincardClient
from fincard_async._generated.operations.cards import OPEN
from fincard_async.bulk import BulkIssue, SqliteJournal
from fincard_async.bulk.entry import Entry
from fincard_async.bulk.ports import Journal
from fincard_async.sandbox import RandomFaults, Sandbox, SandboxSettings
from fincard_async.sandbox.app import serve
from fincard_async.testing import sandbox_login

from .clock import FastClock
from .life import JOB, number_of, rows_of
from .points import DeadlyJournal, Strike

pytestmark = pytest.mark.anyio

ROWS = rows_of(24)
RATES = {"commit-then-reset": 0.15, "drop-before-commit": 0.15}
SYNC_FULL = 2
PLANNED = "SELECT 1 FROM sqlite_master WHERE name = 'rows'"


class Durable(NamedTuple):
    """A commit returned, and with it this many attempts of this order may be sent."""

    number: str
    sends: int


class Trace:
    """What happened, in order: commits that returned, and requests that began."""

    def __init__(self) -> None:
        self.durable: list[Durable] = []
        self.begun: list[tuple[int, str]] = []
        """How many commits had returned when the request of an order began, and its number."""
        self.pragmas: dict[str, object] = {}

    def connect(self, *args: Any, **settings: Any) -> sqlite3.Connection:
        """In place of ``sqlite3.connect``."""
        db = sqlite3.connect(*args, factory=TracedConnection, **settings)
        db.trace = self
        return db

    def config(self) -> aiohttp.TraceConfig:
        """For an aiohttp session: notes when a request begins, before a connection is taken."""

        async def begin(_: object, context: SimpleNamespace, __: object) -> None:
            context.commits = len(self.durable)

        async def chunk(
            _: object, context: SimpleNamespace, params: aiohttp.TraceRequestChunkSentParams
        ) -> None:
            if params.url.path == OPEN.path:
                number = msgspec.json.decode(params.chunk)["merchantOrderNo"]
                self.begun.append((context.commits, number))

        config = aiohttp.TraceConfig()
        config.on_request_start.append(begin)
        config.on_request_chunk_sent.append(chunk)
        return config

    def early(self) -> list[str]:
        """Orders of which an attempt began before it was durable."""
        found: list[str] = []
        attempts: Counter[str] = Counter()
        for commits, number in self.begun:
            attempts[number] += 1
            allowed = max(
                (item.sends for item in self.durable[:commits] if item.number == number), default=0
            )
            if attempts[number] > allowed:
                found.append(number)
        return found


class TracedConnection(sqlite3.Connection):
    """Notes what is durable, after a commit returned."""

    trace: Trace

    def execute(self, sql: str, *args: Any) -> sqlite3.Cursor:
        cursor = super().execute(sql, *args)
        if sql == "COMMIT" and super().execute(PLANNED).fetchone():
            rows = super().execute("SELECT order_no, sends FROM rows WHERE state = 'intent'")
            self.trace.durable += [Durable(number, sends) for number, sends in rows]
        return cursor

    def close(self) -> None:
        for name in ("journal_mode", "synchronous", "locking_mode"):
            self.trace.pragmas[name] = super().execute(f"PRAGMA {name}").fetchone()[0]
        super().close()


class Hasty(DeadlyJournal):
    """A seeded bug: intents are written soon, and not before they are sent."""

    async def commit(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            self.record(entry)


async def run(folder: Path, trace: Trace, journal: Journal) -> None:
    """Run the job over HTTP, with attempts that are lost on both ways."""
    clock = FastClock()
    settings = SandboxSettings(latency_ms=0)
    plan = RandomFaults(7, RATES, only="mutations")
    with Sandbox(settings, clock=clock.wall) as sandbox:
        async with (
            serve(sandbox, faults=plan) as origin,
            aiohttp.ClientSession(trace_configs=[trace.config()]) as session,
            FincardClient(
                base_url=origin,
                auth=sandbox_login(settings),
                tenant_id=settings.tenant_id,
                session=session,
                timeout=600,
                clock=clock,
            ) as client,
        ):
            job = BulkIssue(client, journal=journal, concurrency=4, clock=clock)
            await job.run(ROWS, job=JOB)
        assert plan.injected
        assert sandbox.controls.ledger().cards == len(ROWS)


async def test_an_intent_is_durable_before_its_first_byte(tmp_path: Path) -> None:
    """For every attempt of every row the commit of its intent returned before it began."""
    trace = Trace()
    await run(tmp_path, trace, SqliteJournal(tmp_path / "j", connect=trace.connect))
    assert {number for _, number in trace.begun} == set(map(number_of, ROWS))
    assert len(trace.begun) > len(ROWS)
    assert trace.early() == []


async def test_a_commit_is_on_the_disk(tmp_path: Path) -> None:
    """The pragmas in force make a commit wait for the disk, and keep everybody else out."""
    trace = Trace()
    await run(tmp_path, trace, SqliteJournal(tmp_path / "j", connect=trace.connect))
    assert trace.pragmas == {
        "journal_mode": "truncate",
        "synchronous": SYNC_FULL,
        "locking_mode": "exclusive",
    }


async def test_the_check_sees_an_early_send(tmp_path: Path) -> None:
    """With a journal that commits late, the same check finds early sends."""
    trace = Trace()
    journal = SqliteJournal(tmp_path / "j", connect=trace.connect)
    await run(tmp_path, trace, Hasty(journal, Strike(None)))
    assert trace.early()
