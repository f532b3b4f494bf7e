"""What importing the package and constructing a client cost, beside ``import aiohttp``.

Both with bytecode, which pip writes when it installs, and without, as in a container that was told
to write none: there every start compiles what it imports, aiohttp too.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
from typing import Final

BARE: Final = "import aiohttp, msgspec"
OURS: Final = (
    "import aiohttp, msgspec\n"
    "from fincard_async import FincardClient, BearerToken\n"
    "FincardClient(base_url='https://sandbox.example', auth=BearerToken('t'), tenant_id='t').cards"
)
WAYS: Final = {"with speedups": "", "without": "session"}
# Not ru_maxrss: a new process is charged there for the memory of the one that started it.
_MEMORY: Final = (
    "\nprint(next(line for line in open('/proc/self/status') if 'VmHWM' in line).split()[1])"
)


def cost_of(code: str, env: dict[str, str]) -> tuple[float, int]:
    """Seconds of CPU, and KiB of memory, of one fresh interpreter."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-c", code + _MEMORY], check=True, capture_output=True, text=True, env=env
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return spent, int(done.stdout)


def compared(env: dict[str, str], rounds: int) -> tuple[str, str]:
    """Time and memory: both alternate; the median of the differences."""
    cost_of(BARE, env), cost_of(OURS, env)  # these write the bytecode, if any
    pairs = [(cost_of(BARE, env), cost_of(OURS, env)) for _ in range(rounds)]
    extra = sorted((ours[0] - bare[0]) * 1000 for bare, ours in pairs)
    bare_ms = statistics.median(bare[0] for bare, _ in pairs) * 1000
    memory = statistics.median((ours[1] - bare[1]) / 1024 for bare, ours in pairs)
    middle = f"{extra[len(extra) // 4]:.0f}..{extra[-1 - len(extra) // 4]:.0f}"
    return (
        f"{statistics.median(extra):.0f} ms (half of the rounds: {middle}) more than"
        f" aiohttp + msgspec ({bare_ms:.0f} ms)",
        f"{memory:.1f} MiB more than aiohttp + msgspec",
    )


def start_up(rounds: int = 21) -> dict[str, str]:
    """By way and by what is on the disk."""
    table: dict[str, str] = {}
    plain = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    with tempfile.TemporaryDirectory() as cache:
        written = {**plain, "PYTHONPYCACHEPREFIX": cache}
        none = {**plain, "PYTHONPYCACHEPREFIX": cache + "/none", "PYTHONDONTWRITEBYTECODE": "1"}
        for way, variable in WAYS.items():
            way_too = {"FINCARD_TRANSPORT": variable}
            time, memory = compared({**written, **way_too}, rounds)
            compiling, _ = compared({**none, **way_too}, rounds)
            table[f"import and construct, CPU, {way}"] = time
            table[f"import and construct, CPU, {way}, no bytecode"] = compiling
            table[f"import and construct, memory, {way}"] = memory
    return table


if __name__ == "__main__":
    for name, figure in start_up().items():
        print(f"{name}: {figure}")
