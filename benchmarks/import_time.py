"""CPU to import the package and construct a client, beside ``import aiohttp``; fresh processes."""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys

BARE = "import aiohttp"
OURS = (
    "import aiohttp\n"
    "from fincard_async import FincardClient, BearerToken\n"
    "FincardClient(base_url='http://127.0.0.1:1', auth=BearerToken('t'), tenant_id='t').cards"
)


def cpu_of(code: str) -> float:
    """Seconds of CPU of one fresh interpreter."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", code], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Alternate both, and print the ratio and the difference."""
    cpu_of(BARE), cpu_of(OURS)
    pairs = [(cpu_of(BARE), cpu_of(OURS)) for _ in range(15)]
    ratio = statistics.median(ours / bare for bare, ours in pairs)
    extra = statistics.median(ours - bare for bare, ours in pairs)
    print(f"import and construct: {ratio:.2f} x import aiohttp, {extra * 1000:.0f} ms more CPU")


if __name__ == "__main__":
    main()
