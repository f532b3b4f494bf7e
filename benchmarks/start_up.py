"""What importing the package and constructing a client cost, beside ``import aiohttp``."""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
from typing import Final

BARE: Final = "import aiohttp, msgspec"
OURS: Final = (
    "import aiohttp, msgspec\n"
    "from fincard_async import FincardClient, BearerToken\n"
    "FincardClient(base_url='https://sandbox.example', auth=BearerToken('t'), tenant_id='t').cards"
)
# Not ru_maxrss: a new process is charged there for the memory of the one that started it.
_MEMORY: Final = (
    "\nprint(next(line for line in open('/proc/self/status') if 'VmHWM' in line).split()[1])"
)


def cost_of(code: str) -> tuple[float, int]:
    """Seconds of CPU, and KiB of memory, of one fresh interpreter."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-c", code + _MEMORY], check=True, capture_output=True, text=True
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return spent, int(done.stdout)


def start_up(rounds: int = 11) -> dict[str, str]:
    """Both alternate; the median of the differences."""
    cost_of(BARE), cost_of(OURS)
    pairs = [(cost_of(BARE), cost_of(OURS)) for _ in range(rounds)]
    extra = [(ours[0] - bare[0]) * 1000 for bare, ours in pairs]
    bare_ms = statistics.median(bare[0] for bare, _ in pairs) * 1000
    memory = statistics.median((ours[1] - bare[1]) / 1024 for bare, ours in pairs)
    return {
        "import and construct, CPU": f"{statistics.median(extra):.0f} ms ({min(extra):.0f}.."
        f"{max(extra):.0f}) more than aiohttp + msgspec ({bare_ms:.0f} ms)",
        "import and construct, memory": f"{memory:.1f} MiB more than aiohttp + msgspec",
    }


if __name__ == "__main__":
    for name, figure in start_up().items():
        print(f"{name}: {figure}")
