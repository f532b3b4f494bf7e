"""Several processes begin the same job on the same journal at the same moment.

``python -m tests.crash.race N`` prints what became of each as JSON. The one that gets the journal
keeps it until every other has been told that it cannot have it.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import NoReturn

import anyio
from anyio import to_thread

from fincard_async import FincardClient
from fincard_async.bulk import BulkIssue, SqliteJournal
from fincard_async.bulk.entry import Header
from fincard_async.bulk.ports import Journal, Plan
from fincard_async.errors import JournalLocked
from fincard_async.sandbox import SandboxSettings
from fincard_async.testing import sandbox_login

from .bench import Bench
from .life import JOB, rows_of
from .points import DeadlyJournal, Strike

ROWS = rows_of(12)


class Held(DeadlyJournal):
    """A journal that, once open, waits for a byte before it goes on."""

    def __init__(self, journal: Journal, go_on: int) -> None:
        super().__init__(journal, Strike(None))
        self._go_on = go_on

    async def open(self, header: Header, plan: Plan) -> None:
        await super().open(header, plan)
        await to_thread.run_sync(os.read, self._go_on, 1)


async def _compete(origin: str, path: Path, go_on: int) -> dict[str, object]:
    settings = SandboxSettings()
    async with FincardClient(
        base_url=origin, auth=sandbox_login(settings), tenant_id=settings.tenant_id
    ) as client:
        job = BulkIssue(client, journal=Held(SqliteJournal(path), go_on), concurrency=4)
        try:
            report = await job.run(ROWS, job=JOB)
        except JournalLocked as error:
            return {"pid": os.getpid(), "locked": error.message}
        return {"pid": os.getpid(), "complete": report.complete}


def _process(origin: str, path: Path, start: int, go_on: int, tell: int) -> NoReturn:
    try:
        os.read(start, 1)
        found = anyio.run(_compete, origin, path, go_on)
    except BaseException as error:  # noqa: BLE001 - whatever it is, the parent waits for a line
        found = {"pid": os.getpid(), "failed": repr(error)}
    os.write(tell, json.dumps(found).encode() + b"\n")
    os._exit(0)


def main(count: int) -> None:
    """Let them compete; print one line of JSON."""
    start, go_on, told = os.pipe(), os.pipe(), os.pipe()
    with Bench() as bench, tempfile.TemporaryDirectory() as folder:
        origin = bench.start(seed=1, dedupe="none", latency_ms=0, faults=False)
        children: list[int] = []
        for _ in range(count):
            pid = os.fork()
            if pid == 0:
                _process(origin, Path(folder) / "race.journal", start[0], go_on[0], told[1])
            children.append(pid)
        os.write(start[1], b"x" * count)
        os.close(told[1])
        with os.fdopen(told[0]) as lines:
            found = [json.loads(lines.readline()) for _ in range(count - 1)]
            os.write(go_on[1], b"x" * count)
            found.append(json.loads(lines.readline()))
        for pid in children:
            os.waitpid(pid, 0)
        books = bench.books()
    orders = {number: len(amounts) for number, amounts in books.orders.items()}
    sys.stdout.write(json.dumps({"processes": found, "orders": orders}))


if __name__ == "__main__":
    main(int(sys.argv[1]))
