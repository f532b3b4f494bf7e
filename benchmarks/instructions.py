"""Instructions of one call, counted by callgrind: noise of the machine hardly moves them.

Only the calls are counted, not the start of the interpreter: they run inside of libc's ``qsort``,
which nothing else here uses, and callgrind collects from its entry to its end. Needs valgrind.
``python -m benchmarks.instructions`` takes some minutes.
"""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Final

from benchmarks.answers import ANSWERS
from benchmarks.canned_server import canned_server
from benchmarks.contestants import CONTROL, GROUPS, Setting
from benchmarks.worker import run

CALLS: Final = 500
CONCURRENCY: Final = 50


def inside_qsort(work: Callable[[], object]) -> None:
    """Let libc call ``work`` once, as the comparison of two numbers."""
    compare = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)

    def called(first: int, second: int) -> int:
        work()
        return 0

    ctypes.CDLL(None).qsort((ctypes.c_int * 2)(), 2, ctypes.sizeof(ctypes.c_int), compare(called))


def calls(group: str, name: str, origin: str) -> None:
    """What runs under callgrind."""
    loop = asyncio.new_event_loop()
    client = GROUPS[group][name](Setting(origin, CONCURRENCY, None))
    call = loop.run_until_complete(client.__aenter__())
    loop.run_until_complete(run(call, CALLS, CONCURRENCY))  # opens connections, builds decoders
    inside_qsort(lambda: loop.run_until_complete(run(call, CALLS, CONCURRENCY)))
    loop.run_until_complete(client.__aexit__(None, None, None))
    loop.close()


def counted(group: str, name: str, origin: str) -> int:
    """Instructions of one call."""
    done = subprocess.run(
        [
            *("valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"),
            *("--toggle-collect=qsort*", sys.executable),
            *("-m", "benchmarks.instructions", "--group", group),
            *("--client", name, "--origin", origin),
        ],
        check=True,
        capture_output=True,
        text=True,
        env={"PYTHONHASHSEED": "0", "PATH": "/usr/bin:/bin"},
    )
    found = re.search(r"Collected : (\d+)", done.stderr)
    assert found is not None, done.stderr[-500:]
    return int(found[1]) // CALLS


def main() -> None:
    """Count, or be counted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--group", choices=("balance", "page", "parts"), default="balance")
    parser.add_argument("--client")
    parser.add_argument("--origin")
    options = parser.parse_args()
    if options.client:
        calls(options.group, options.client, options.origin)
        return
    with canned_server(ANSWERS) as address:
        base = 0
        for name in GROUPS[options.group]:
            if name == CONTROL:
                continue
            each = counted(options.group, name, address.plain)
            base = base or each
            print(f"{name}: {each / 1000:.0f} k instructions, {each / base:.2f}", flush=True)


if __name__ == "__main__":
    main()
