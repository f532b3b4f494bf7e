"""A long bulk job under faults and kills: exact books, flat memory, quick resume.

A server in a process of its own lets a share of the orders go wrong. The job runs in processes of
its own, each killed with SIGKILL when the ledger has reached the next of evenly spread counts; the
last one comes to its end. Printed: what the ledger says, the peak memory of the job's processes
beside that of an interpreter that does nothing, the time from the start of a process that resumes
to its first call, and rows per second.

``--rows 1000000`` is the long run.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from statistics import median
from typing import NamedTuple

import anyio

from benchmarks.ledger_server import ask, ledger_server
from fincard_async import BearerToken, FincardClient, Limits
from fincard_async.bulk import BulkIssue, SqliteJournal, issue_rows

JOB = "soak"
AMOUNT = Decimal("50.25")
MIB = 1024
"""Kilobytes, as the kernel counts memory."""


class Ended(NamedTuple):
    """How a process of the job ended."""

    code: int
    peak: int
    """Most memory it held, in kilobytes."""


def main(argv: Sequence[str]) -> int:
    options = _options(argv)
    if options.child:
        anyio.run(_issue, options.child, Path(options.folder), options.concurrency)
        return 0
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        return _soak(options, Path(folder))


def _options(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bulk_soak")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--faults", type=float, default=0.01, help="share of the orders")
    parser.add_argument("--concurrency", type=int, default=32)
    parser.add_argument("--folder", help="where journal and rows are kept; default: TMPDIR")
    parser.add_argument("--child", metavar="ORIGIN", help=argparse.SUPPRESS)
    return parser.parse_args(argv)


async def _issue(origin: str, folder: Path, concurrency: int) -> None:
    """What a process of the job does."""
    async with FincardClient(
        base_url=origin,
        auth=BearerToken("token"),
        tenant_id="soak",
        limits=Limits(max_concurrency=concurrency),
    ) as client:
        job = BulkIssue(
            client, journal=SqliteJournal(folder / "soak.journal"), concurrency=concurrency
        )
        report = await job.run(issue_rows(folder / "rows.csv"), job=JOB)
        assert report.ok, report.counts


def _soak(options: argparse.Namespace, folder: Path) -> int:
    rows: int = options.rows
    with (folder / "rows.csv").open("w") as file:
        file.write("row_id,card_type_id,amount\n")
        file.writelines(f"row-{n},111001,{AMOUNT}\n" for n in range(rows))
    own = _memory_of_nothing()
    ended: list[Ended] = []
    resumes: list[float] = []
    began = time.monotonic()
    with ledger_server(options.faults) as origin:
        for kill in range(1, options.kills + 2):
            ask(origin, "mark")
            started = time.monotonic()
            process = _start(origin, folder, options.concurrency)
            if kill <= options.kills:
                _wait(origin, process, rows * kill // (options.kills + 1))
                process.send_signal(signal.SIGKILL)
            ended.append(_end_of(process))
            first = ask(origin, "state")["first_call"]
            if kill > 1 and first is not None:
                resumes.append(first - started)
            orders, now = ask(origin, "state")["orders"], time.monotonic() - began
            print(f"{now:.0f} s: process {kill} ended, {orders:,} orders", file=sys.stderr)
        found = ask(origin, "state")
    seconds = time.monotonic() - began
    kills = sum(end.code == -signal.SIGKILL for end in ended)
    peak = max(end.peak for end in ended) - own
    exact = found["orders"] == rows and Decimal(found["total"]) == rows * AMOUNT
    print(f"rows {rows:,}, kills {kills}, faults {sum(found['faults'].values()):,}")
    print(f"ledger: {found['orders']:,} orders, {Decimal(found['total']):,} USD, exact: {exact}")
    print(f"repeated numbers refused by the server: {found['repeated']:,}")
    print(f"peak memory over the interpreter's own {own / MIB:.0f} MiB: {peak / MIB:.0f} MiB")
    print(f"resume to first call: median {median(resumes):.1f} s, longest {max(resumes):.1f} s")
    print(f"{seconds:.0f} s in all, {rows / seconds:,.0f} rows/s with every restart")
    good = exact and kills == options.kills and ended[-1].code == 0
    return 0 if good and peak < 200 * MIB and max(resumes) < 10 else 1


def _wait(origin: str, process: subprocess.Popen[bytes], count: int) -> None:
    """Return when the ledger has so many orders; the process must still be at work."""
    while ask(origin, "wait", count)["orders"] < count:
        if process.poll() is not None:
            raise SystemExit(f"the job ended with {process.returncode} before it was killed")


def _memory_of_nothing() -> int:
    """Peak of an interpreter that does nothing; ``wait4`` would count its parent's before exec."""
    code = "print(open('/proc/self/status').read())"
    status = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
    return int(next(line.split()[1] for line in status.splitlines() if b"VmHWM" in line))


def _start(origin: str, folder: Path, concurrency: int) -> subprocess.Popen[bytes]:
    command = ["-m", "benchmarks.bulk_soak", "--child", origin, "--folder", str(folder)]
    return subprocess.Popen([sys.executable, *command, "--concurrency", str(concurrency)])


def _end_of(process: subprocess.Popen[bytes]) -> Ended:
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return Ended(process.returncode, used.ru_maxrss)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
