"""The whole table: ``python -m benchmarks``, or ``nox -s bench``; 3 to 8 minutes.

Figures are ratios of client CPU for one call, to a bare aiohttp call in the same rounds. What is
printed is Markdown, as it stands in docs/performance.md.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import platform
import statistics
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final, NamedTuple

from benchmarks.answers import ANSWERS
from benchmarks.canned_server import Address, canned_server
from benchmarks.contestants import BASE
from benchmarks.start_up import start_up

SHOWN: Final = (
    *("aiohttp", "msgspec", "httptools", "uvloop"),
    *("httpx", "httpx-aiohttp", "pydantic", "stripe", "lithic"),
)
"""Packages whose version is told."""


class Cell(NamedTuple):
    """One process of measurements."""

    group: str
    loop: str
    wire: str
    concurrency: int
    calls: int

    @property
    def title(self) -> str:
        """Head of its part of the table."""
        what = "page of 100 records" if self.group == "page" else "balance"
        return f"{what}, {self.loop}, {self.wire}, C={self.concurrency}"


CELLS: Final = (
    *(Cell("peers", "asyncio", "plain", c, 1500) for c in (1, 50, 500)),
    Cell("balance", "asyncio", "TLS", 50, 1500),
    *(Cell("balance", "uvloop", "plain", c, 1500) for c in (1, 50, 500)),
    Cell("balance", "uvloop", "TLS", 50, 1500),
    Cell("page", "asyncio", "plain", 1, 300),
    Cell("page", "asyncio", "plain", 50, 300),
)


def measured(cell: Cell, address: Address, rounds: int) -> dict[str, dict[str, Any]]:
    """The figures of one cell, from a fresh process."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "benchmarks.worker", "--group", cell.group),
            *("--origin", address.tls if cell.wire == "TLS" else address.plain),
            *("--trust", address.authority if cell.wire == "TLS" else ""),
            *("--loop", cell.loop, "--concurrency", str(cell.concurrency)),
            *("--calls", str(cell.calls), "--rounds", str(rounds)),
        ],
        check=True,
        capture_output=True,
        text=True,
    )
    found: dict[str, dict[str, Any]] = json.loads(done.stdout)
    return found


def lines(cell: Cell, found: dict[str, dict[str, Any]]) -> list[str]:
    """Its rows of the table."""
    rows = [f"| **{cell.title}** | | | | | |"]
    for name, figures in found.items():
        if "missing" in figures:
            rows.append(f"| {name} | not measured: {figures['missing']} | | | | |")
            continue
        ratios = [
            mine / base for mine, base in zip(figures["cpu"], found[BASE]["cpu"], strict=True)
        ]
        rows.append(
            f"| {name} | {statistics.median(ratios):.2f} ({min(ratios):.2f}..{max(ratios):.2f})"
            f" | {statistics.median(figures['cpu']) * 1e6:.0f} | {figures['rate']:.0f}"
            f" | {figures['p50'] * 1e3:.2f} | {figures['p99'] * 1e3:.2f} |"
        )
    return rows


def heading(rounds: int) -> str:
    """When, and with what."""
    versions = [f"{name} {version(name)}" for name in SHOWN if _is_installed(name)]
    return (
        f"`nox -s bench` on {dt.datetime.now(dt.UTC).date()},"
        f" CPython {platform.python_version()},\n"
        f"{', '.join(versions)};\n"
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start, {rounds} rounds."
    )


def _is_installed(name: str) -> bool:
    try:
        version(name)
    except PackageNotFoundError:
        return False
    return True


def main() -> None:
    """Measure every cell, print the table as it grows, and write the figures where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="of each client in each cell (5)")
    parser.add_argument("--json", type=Path, help="also write all figures to this file")
    parser.add_argument("--only", default="", help="cells whose title has this text")
    options = parser.parse_args()
    print(f"{heading(options.rounds)}\n")
    print("| client | CPU per call, ratio (range) | CPU us | calls/s | p50 ms | p99 ms |")
    print("|---|---|---:|---:|---:|---:|")
    everything: dict[str, object] = {}
    with canned_server(ANSWERS) as address:
        for cell in CELLS:
            if options.only in cell.title:
                found = measured(cell, address, options.rounds)
                print("\n".join(lines(cell, found)), flush=True)
                everything[cell.title] = found
    if not options.only:
        for name, figure in start_up().items():
            print(f"| {name} | {figure} | | | | |", flush=True)
            everything[name] = figure
    if options.json:
        options.json.write_text(json.dumps(everything, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
