"""Instructions of one call, counted by callgrind: the same on a noisy machine as on a quiet one.

Each client makes calls in two runs of different length; the difference is the cost of the calls
alone. Needs valgrind. ``python -m benchmarks.instructions`` takes some minutes.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import ssl
import subprocess
import sys
from typing import Final

from benchmarks.answers import ANSWERS
from benchmarks.canned_server import canned_server
from benchmarks.contestants import BASE, LEAN, OURS, SESSION, Setting
from benchmarks.worker import run

SHORT, LONG = 500, 1500
CONCURRENCY: Final = 50


async def calls(name: str, origin: str, count: int) -> None:
    """What runs under callgrind."""
    trust: ssl.SSLContext | None = None
    async with OURS[name](Setting(origin, CONCURRENCY, trust)) as call:
        await run(call, count, CONCURRENCY)


def counted(name: str, origin: str, count: int) -> int:
    """Instructions of a whole process that makes so many calls."""
    done = subprocess.run(
        [
            *("valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", sys.executable),
            *("-m", "benchmarks.instructions", "--client", name, "--origin", origin),
            *("--calls", str(count)),
        ],
        check=True,
        capture_output=True,
        text=True,
        env={"PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1", "PATH": "/usr/bin:/bin"},
    )
    found = re.search(r"Collected : (\d+)", done.stderr)
    assert found is not None, done.stderr[-500:]
    return int(found[1])


def main() -> None:
    """Count, or be counted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--client", choices=OURS)
    parser.add_argument("--origin")
    parser.add_argument("--calls", type=int)
    options = parser.parse_args()
    if options.client:
        asyncio.run(calls(options.client, options.origin, options.calls))
        return
    with canned_server(ANSWERS) as address:
        base = 0.0
        for name in (BASE, LEAN, SESSION):
            counted(name, address.plain, SHORT)  # the first run of all writes caches
            few, many = (counted(name, address.plain, count) for count in (SHORT, LONG))
            each = (many - few) / (LONG - SHORT)
            base = base or each
            print(f"{name}: {each / 1000:.0f} k instructions, {each / base:.2f}", flush=True)


if __name__ == "__main__":
    main()
