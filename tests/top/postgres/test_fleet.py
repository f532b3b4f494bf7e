"""Eight workers on one job: killed at random, one paused and woken late. The ledger is the judge.

``FINCARD_FLEET_SEED=7`` repeats a run, ``FINCARD_FLEET_RUNS=100`` does more of them.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import anyio
import pytest

from fincard_async._sansio.options import Dedupe
from fincard_async.bulk import IssueRow, RowState
from fincard_async.bulk.chunks import AT_REST, plan_job
from fincard_async.bulk.pgqueuer import Line, enqueue
from fincard_async.bulk.postgres import Planned, PostgresJobs
from fincard_async.sandbox.catalog import PREPAID

from .fleet import SETTINGS, Fleet, SandboxServer, client_of, sandbox
from .kit import session
from .waiting import wait_until

pytest.importorskip("pgqueuer")
pytestmark = pytest.mark.slow

FIRST = int(os.environ.get("FINCARD_FLEET_SEED", "1"))
RUNS = int(os.environ.get("FINCARD_FLEET_RUNS", "1"))
JOB = "fleet"
WORKERS = 8
KILLS = 4
ROWS = [
    IssueRow(row_id=f"row-{n}", card_type_id=PREPAID, amount=Decimal("50.01") + n)
    for n in range(120)
]
CHUNK_ROWS = 8
SUM = sum((row.amount for row in ROWS), Decimal(0))
SECONDS = 90.0
FAULTS = {
    "drop-before-commit": 0.03,
    "commit-then-drop": 0.04,
    "commit-then-502": 0.03,
    "503-before-commit": 0.01,
    "drop-then-commit": 0.02,
    "500-then-commit": 0.02,
    "commit-then-reset": 0.02,
    "commit-then-garbage": 0.02,
    "commit-then-missing-card-no": 0.01,
}


class Trial:
    """One job, its workers, and somebody who is out to break it."""

    def __init__(self, url: str, server: SandboxServer, fleet: Fleet, dice: random.Random) -> None:
        self.url = url
        self.server = server
        self.fleet = fleet
        self.dice = dice

    async def plan(self) -> None:
        async with client_of(self.server.base_url) as client:
            planned = await plan_job(client, self.url, ROWS, job=JOB, chunk_rows=CHUNK_ROWS)
        line = Line(self.server.base_url, SETTINGS.tenant_id)
        assert await enqueue(self.url, line, JOB, range(planned.chunks)) == planned.chunks

    async def look(self) -> tuple[Planned, Counter[RowState]]:
        async with PostgresJobs(self.url) as jobs:
            planned = await jobs.find(JOB)
            return planned, Counter(await jobs.counts(planned))

    def counts(self) -> Counter[RowState]:
        """Rows by state now."""
        return anyio.run(self.look)[1]

    def at_rest(self) -> bool:
        """True if there is nothing left to do."""
        return all(state in AT_REST for state in self.counts())

    async def holders(self) -> dict[int, tuple[int, int]]:
        """By process: the chunk it holds with rows under way, and its epoch."""
        async with session(self.url) as other:
            found = await other.fetch(
                "SELECT substring(c.holder FROM '[0-9]+$')::integer, c.chunk, c.epoch"
                " FROM fincard.chunks c WHERE c.pid IS NOT NULL AND EXISTS (SELECT FROM"
                f" fincard.rows r WHERE r.seq / {CHUNK_ROWS} = c.chunk AND r.state = 'intent')"
            )
        return {process: (chunk, epoch) for process, chunk, epoch in found}

    async def epoch(self, chunk: int) -> int:
        async with session(self.url) as other:
            found: int = await other.fetchval(
                "SELECT epoch FROM fincard.chunks WHERE chunk = $1", chunk
            )
        return found

    def kill_some(self, *, sent_once: bool) -> None:
        """Kill workers at random moments of the job, and put others in their place."""
        moments = iter(sorted(self.dice.sample(range(10, len(ROWS) * 3 // 4), KILLS)))
        moment = next(moments, None)
        end = time.monotonic() + SECONDS
        # Sent once, rows of the killed are parked, so that late moments may never come.
        while moment is not None and not (sent_once and self.at_rest()):
            assert time.monotonic() < end, str(self.counts())
            if self.server.orders() >= moment:
                self.fleet.kill(self.dice.choice(self.fleet.workers))
                self.fleet.start()
                moment = next(moments, None)

    def pause_one(self) -> tuple[int, int]:
        """Stop a worker in the middle of its rows; its process, and what it had told by then."""
        wait_until(lambda: self.server.orders() >= 5, SECONDS)
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            for pid, (chunk, epoch) in anyio.run(self.holders).items():
                os.kill(pid, signal.SIGSTOP)
                if anyio.run(self.holders).get(pid) == (chunk, epoch):
                    self.fleet.workers = [each for each in self.fleet.workers if each.pid != pid]
                    return pid, chunk
                os.kill(pid, signal.SIGCONT)
        raise AssertionError("no worker was ever at work")


@contextmanager
def trial(url: str, folder: Path, dedupe: Dedupe, seed: int) -> Generator[Trial]:
    """Eight workers that have begun."""
    with sandbox(dedupe, seed, FAULTS) as server:
        fleet = Fleet(url, server.base_url, dedupe, folder)
        found = Trial(url, server, fleet, random.Random(seed))
        anyio.run(found.plan)
        try:
            for _ in range(WORKERS):
                fleet.start()
            yield found
        finally:
            fleet.end()


@pytest.mark.parametrize("seed", range(FIRST, FIRST + RUNS))
@pytest.mark.parametrize("dedupe", ["error", "none"] if RUNS == 1 else ["error", "replay", "none"])
def test_eight_workers(url: str, tmp_path: Path, dedupe: Dedupe, seed: int) -> None:
    """Killed, paused and woken late: no order doubled, none lost, the exact sum on the books."""
    with trial(url, tmp_path, dedupe, seed) as job:
        paused, chunk = job.pause_one()
        before = anyio.run(job.epoch, chunk)
        job.kill_some(sent_once=dedupe == "none")
        wait_until(job.at_rest, SECONDS, lambda: str(job.counts()))
        assert anyio.run(job.epoch, chunk) > before, "its rows were taken over while it slept"
        books = job.server.books()
        told = len(job.fleet.told(paused))
        os.kill(paused, signal.SIGCONT)
        wait_until(lambda: len(job.fleet.told(paused)) > told, SECONDS)
        late = job.fleet.told(paused)[told:]
        os.kill(paused, signal.SIGKILL)
        check(job, dedupe)
        assert job.fleet.kills == KILLS or (dedupe == "none" and job.fleet.kills)
        assert "the journal in" in late, "it must have learnt that it may not go on"
        assert {len(books.numbers), books.orders} <= {len(job.server.books().numbers), books.orders}


def check(job: Trial, dedupe: Dedupe) -> None:
    """The verdict, from the server's books; the journal must agree with them."""
    books, counts = job.server.books(), job.counts()
    assert len(books.numbers) == books.orders == len(books.records), "an order was doubled"
    if dedupe != "none":
        assert counts == {RowState.ISSUED: len(ROWS)}
        assert (books.cards, books.orders, books.created_amount) == (len(ROWS), len(ROWS), SUM)
        return
    # Sent once: what was lost on the way is parked, and everything else is there.
    assert counts[RowState.ISSUED] + counts[RowState.PARKED] == len(ROWS)
    assert books.orders >= counts[RowState.ISSUED] > 0
    assert books.created_amount == sum((record.amount or 0 for record in books.records), Decimal(0))
