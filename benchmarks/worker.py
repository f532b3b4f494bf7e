"""One cell of the table: a group of clients at one concurrency on one event loop, as JSON.

Rounds of all clients alternate in this one process, so that noise meets all of them alike.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import ssl
import statistics
import sys
import time
from contextlib import AsyncExitStack

from benchmarks.contestants import GROUPS, OURS, Call, Setting


def cpu() -> float:
    """Seconds of CPU of this process so far."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


async def run(call: Call, calls: int, concurrency: int, took: list[float] | None = None) -> int:
    """Make about so many calls; the number made. With ``took``, note each call's seconds."""
    each = max(1, calls // concurrency)

    async def work() -> None:
        for _ in range(each):
            await call()

    async def timed(took: list[float]) -> None:
        for _ in range(each):
            begun = time.perf_counter()
            await call()
            took.append(time.perf_counter() - begun)

    await asyncio.gather(*(work() if took is None else timed(took) for _ in range(concurrency)))
    return each * concurrency


async def measure(options: argparse.Namespace) -> dict[str, dict[str, object]]:
    """Rounds of every client of the group; one that cannot be had says why."""
    trust = None if not options.trust else ssl.create_default_context(cafile=options.trust)
    setting = Setting(options.origin, options.concurrency, trust)
    found: dict[str, dict[str, object]] = {}
    calls: dict[str, Call] = {}
    async with AsyncExitStack() as stack:
        for name, opened in GROUPS[options.group].items():
            try:
                calls[name] = await stack.enter_async_context(opened(setting))
            except (ImportError, RuntimeError) as error:
                found[name] = {"missing": str(error).splitlines()[0][:80]}
        spent: dict[str, list[float]] = {name: [] for name in calls}
        wall: dict[str, list[float]] = {name: [] for name in calls}
        for number in range(options.rounds + 1):
            for name, call in calls.items():
                count = options.calls if name in OURS else max(options.concurrency, options.few)
                before, begun = cpu(), time.perf_counter()
                made = await run(call, count, options.concurrency)
                if number:  # the first round warms up
                    spent[name].append((cpu() - before) / made)
                    wall[name].append(made / (time.perf_counter() - begun))
        for name, call in calls.items():
            took: list[float] = []
            count = options.calls if name in OURS else max(options.concurrency, options.few)
            await run(call, count, options.concurrency, took)
            took.sort()
            found[name] = {
                "cpu": spent[name],
                "rate": statistics.median(wall[name]),
                "p50": took[len(took) // 2],
                "p99": took[len(took) * 99 // 100],
            }
    return found


def main() -> None:
    """Measure, and print one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--origin", required=True)
    parser.add_argument("--trust", default="")
    parser.add_argument("--group", choices=GROUPS, required=True)
    parser.add_argument("--loop", choices=("asyncio", "uvloop"), default="asyncio")
    parser.add_argument("--concurrency", type=int, required=True)
    parser.add_argument("--calls", type=int, required=True)
    parser.add_argument("--few", type=int, default=150, help="calls of a slow peer in a round")
    parser.add_argument("--rounds", type=int, required=True)
    options = parser.parse_args()
    if options.loop == "uvloop":
        import uvloop

        json.dump(uvloop.run(measure(options)), sys.stdout)
    else:
        json.dump(asyncio.run(measure(options)), sys.stdout)


if __name__ == "__main__":
    main()
