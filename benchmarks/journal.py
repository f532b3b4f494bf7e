"""What the journal of a bulk job costs: durable rows per second, and issuing with and without it.

Issuing is measured over HTTP against a server in a process of its own, as users do it, and in one
process with a sandbox, where nothing hides the work of either side.

Usage: python -m benchmarks.journal [rows] [rounds]
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from decimal import Decimal
from pathlib import Path
from statistics import median

from benchmarks.ledger_server import ledger_server
from fincard_async import BearerToken, FincardClient, Limits
from fincard_async.bulk import BulkIssue, Entry, Header, IssueRow, RowState, SqliteJournal
from fincard_async.bulk.kinds import operation_of
from fincard_async.bulk.plan import Event, advance
from fincard_async.bulk.planning import RowPlan
from fincard_async.sandbox import Sandbox, SandboxSettings, SandboxTransport
from fincard_async.sandbox.catalog import PREPAID
from fincard_async.testing import sandbox_client

HEADER = Header(job="benchmark", kind="open", server="http://127.0.0.1", tenant="sandbox")
SETTINGS = SandboxSettings(funds=Decimal(10**12), latency_ms=0)
GROUP = 256
CASES = ((8, 0.02, 1), (64, 0.02, 5), (64, 0.0, 5))
OVER_HTTP = CASES[:2]
"""Rows under way at once, how long the server takes to answer in seconds, and how many times the
rows."""


async def rows_of(count: int) -> AsyncIterator[IssueRow]:
    for number in range(count):
        yield IssueRow(row_id=f"row-{number}", card_type_id=PREPAID, amount=Decimal(50))


def plan_of(count: int) -> RowPlan:
    return RowPlan(rows_of(count), operation=operation_of("open"), job="benchmark")


async def durable_rows(folder: Path, count: int) -> dict[str, float]:
    """Rows per second: planned, intended in groups, ended, and compared when the job goes on."""
    journal = SqliteJournal(folder / "rows.journal")
    rates: dict[str, float] = {}

    async def timed(name: str, act: Callable[[], Awaitable[object]]) -> None:
        began = time.perf_counter()
        await act()
        rates[name] = count / (time.perf_counter() - began)

    async def change(states: Sequence[RowState], event: Event, *, wait: bool) -> None:
        after = -1
        while entries := await journal.read(states, after=after, limit=GROUP):
            after = entries[-1].seq
            changed = [advance(entry, event, now=1) for entry in entries]
            if wait:
                await journal.commit(changed)
            else:
                record_all(journal, changed)
        await journal.flush()

    await timed("planned", lambda: journal.open(HEADER, plan_of(count)))
    await timed("intents", lambda: change([RowState.PLANNED], Event.DISPATCHED, wait=True))
    await timed("results", lambda: change([RowState.INTENT], Event.SUCCEEDED, wait=False))
    await journal.close()
    await timed("compared", lambda: journal.open(HEADER, plan_of(count)))
    await journal.close()
    return rates


def record_all(journal: SqliteJournal, entries: Sequence[Entry]) -> None:
    for entry in entries:
        journal.record(entry)


async def with_journal(client: FincardClient, folder: Path, count: int, concurrency: int) -> None:
    journal = SqliteJournal(folder / "cards.journal")
    job = BulkIssue(client, journal=journal, concurrency=concurrency, breaker=None)
    report = await job.run(rows_of(count), job="benchmark")
    assert report.ok, report


async def without_journal(
    client: FincardClient, folder: Path, count: int, concurrency: int
) -> None:
    """What a script without a journal does: as many tasks, one call for each row."""
    left = iter(range(count))

    async def work() -> None:
        for _ in left:
            order = await client.cards.open(card_type_id=PREPAID, amount=Decimal(50))
            assert order.card_no

    await asyncio.gather(*(work() for _ in range(concurrency)))


async def rate(
    issue: Callable[[FincardClient, Path, int, int], Awaitable[None]],
    count: int,
    concurrency: int,
    delay: float,
) -> float:
    with tempfile.TemporaryDirectory() as folder, Sandbox(SETTINGS) as sandbox:
        transport = SandboxTransport(sandbox, delay=delay)
        limits = Limits(max_concurrency=concurrency)
        async with sandbox_client(sandbox=sandbox, transport=transport, limits=limits) as client:
            await client.cards.list_types()
            began = time.perf_counter()
            await issue(client, Path(folder), count, concurrency)
            return count / (time.perf_counter() - began)


async def rate_over_http(
    issue: Callable[[FincardClient, Path, int, int], Awaitable[None]],
    origin: str,
    count: int,
    concurrency: int,
) -> float:
    with tempfile.TemporaryDirectory() as folder:
        async with FincardClient(
            base_url=origin,
            auth=BearerToken("token"),
            tenant_id="benchmark",
            limits=Limits(max_concurrency=concurrency),
        ) as client:
            warm = (client.cards.open(card_type_id=PREPAID, amount=50) for _ in range(concurrency))
            await asyncio.gather(*warm)
            began = time.perf_counter()
            await issue(client, Path(folder), count, concurrency)
            return count / (time.perf_counter() - began)


def compare_over_http(count: int, rounds: int) -> None:
    for concurrency, delay, times in OVER_HTTP:
        ratios: list[float] = []
        rates: list[float] = []
        for _ in range(rounds):
            found: list[float] = []
            for issue in (without_journal, with_journal):
                with ledger_server(0.0, delay) as origin:  # a fresh ledger: numbers are derived
                    run = rate_over_http(issue, origin, times * count, concurrency)
                    found.append(asyncio.run(run))
            ratios.append(found[1] / found[0])
            rates.append(found[1])
        name = f"over HTTP, {concurrency} x {delay * 1000:.0f} ms"
        print(f"{name + ', with journal / without':44} {shown(ratios, '.2f')}")
        print(f"{name + ', orders/s':44} {shown(rates, ',.0f')}")


def shown(values: Sequence[float], form: str) -> str:
    return f"{median(values):{form}}  ({min(values):{form}} .. {max(values):{form}})"


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    found: dict[str, list[float]] = {}
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            for name, value in asyncio.run(durable_rows(Path(folder), 10 * count)).items():
                found.setdefault(name, []).append(value)
    for name, values in found.items():
        print(f"{name + ', rows/s':44} {shown(values, ',.0f')}")
    compare_over_http(count, rounds)
    for concurrency, delay, times in CASES:
        ratios: list[float] = []
        for _ in range(rounds):
            bare = asyncio.run(rate(without_journal, times * count, concurrency, delay))
            kept = asyncio.run(rate(with_journal, times * count, concurrency, delay))
            ratios.append(kept / bare)
        name = f"in process, journal / without, {concurrency} x {delay * 1000:.0f} ms"
        print(f"{name:44} {shown(ratios, '.2f')}")


if __name__ == "__main__":
    main()
