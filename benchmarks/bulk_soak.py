"""A long bulk job under faults and kills: exact books, flat memory, quick resume.

A server in a process of its own lets a share of the orders go wrong. The job runs in processes of
its own, each killed with SIGKILL when the ledger has reached the next of evenly spread counts; the
last one comes to its end. Printed: kills, faults, the verdict of the ledger, the peak memory of the
job's processes over that of an interpreter that does nothing, the time from the start of a process
to its first call (the first one plans the job, the others resume it), and rows per second. The exit
code is 0 only if all of that is as it must be.

``--rows 1000000 --kills 10`` is the long run: about ten minutes on an idle machine of two cores.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
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
MOST_MEMORY = 200 * MIB
LONGEST_RESUME = 10.0


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
    starts: list[float] = []
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
            starts.append(first - started)
            orders, now = ask(origin, "state")["orders"], time.monotonic() - began
            print(
                f"{now:.0f} s: process {kill} ended, {orders:,} orders,"
                f" first call after {starts[-1]:.1f} s, {ended[-1].peak // MIB} MiB",
                file=sys.stderr,
                flush=True,
            )
        found = ask(origin, "state")
    seconds = time.monotonic() - began
    kills = sum(end.code == -signal.SIGKILL for end in ended)
    faults = sum(found["faults"].values())
    peak = max(end.peak for end in ended) - own
    resumes = starts[1:] or [0.0]
    exact = found["orders"] == rows and Decimal(found["total"]) == rows * AMOUNT
    print(f"rows {rows:,}, kills {kills}, faults {faults:,} ({_shown(found['faults'])})")
    print(f"ledger: {found['orders']:,} orders, {Decimal(found['total']):,} USD, exact: {exact}")
    print(f"repeated numbers refused by the server: {found['repeated']:,}")
    print(f"peak memory over the interpreter's own {own / MIB:.0f} MiB: {peak / MIB:.0f} MiB")
    print(f"start to first call of the first process, which plans: {starts[0]:.1f} s")
    print(f"resume to first call: median {median(resumes):.1f} s, longest {max(resumes):.1f} s")
    print(f"{seconds:.0f} s in all, {rows / seconds:,.0f} rows/s with every restart")
    good = (
        exact
        and kills == options.kills
        and ended[-1].code == 0
        and peak < MOST_MEMORY
        and max(resumes) < LONGEST_RESUME
        # A soak that met fewer faults than half of its share proves little.
        and faults >= rows * options.faults / 2
    )
    print(f"verdict: {'good' if good else 'NOT GOOD'}")
    return 0 if good else 1


def _shown(faults: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in sorted(faults.items()))


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
