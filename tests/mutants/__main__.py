"""Plant each bug in a copy of the package, run the tests that must notice it, print the table."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from .table import MUTANTS, Mutant
from .webhooks import WEBHOOK_MUTANTS

ROOT = Path(__file__).parents[2]
COPIED = ("fincard_async", "tests", "schema")
PROCESSES = 2
FAILED = 1
"""What pytest returns if a test failed; anything else but 0 means that it could not run."""


class Run(NamedTuple):
    """What became of one bug."""

    name: str
    verdict: str
    seconds: float
    noticed: str
    """The first test that failed."""

    @property
    def good(self) -> bool:
        """True if it was caught."""
        return self.verdict == "caught"


def main() -> int:
    """Run all, or those whose name contains an argument; 0 if each was caught."""
    every = (*MUTANTS, *WEBHOOK_MUTANTS)
    chosen = [m for m in every if not sys.argv[1:] or any(word in m.name for word in sys.argv[1:])]
    with TemporaryDirectory() as folder:
        tests = sorted({test for mutant in chosen for test in mutant.tests})
        control = Mutant("(no bug)", "__init__.py", "", "", tuple(tests))
        healthy = _run(control, Path(folder) / "control")
        if healthy.verdict != "SURVIVED":
            print(f"the tests fail without any bug: {healthy.noticed}")
            return 1
        with ThreadPoolExecutor(PROCESSES) as pool:
            places = [Path(folder) / str(number) for number in range(len(chosen))]
            runs = list(pool.map(_run, chosen, places))
    width = max(len(run.name) for run in runs)
    for run in runs:
        print(f"{run.name:{width}}  {run.verdict:8}  {run.seconds:4.1f} s  {run.noticed}")
    caught = sum(run.good for run in runs)
    print(f"{caught} of {len(runs)} caught")
    return 0 if caught == len(runs) else 1


def _run(mutant: Mutant, place: Path) -> Run:
    begun = time.monotonic()
    for name in COPIED:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, place / name, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", place)
    target = place / "fincard_async" / mutant.file
    text = target.read_text(encoding="utf-8")
    if mutant.old and text.count(mutant.old) != 1:
        return Run(mutant.name, "NO TEXT", 0.0, f"found {text.count(mutant.old)} times")
    if mutant.old:
        target.write_text(text.replace(mutant.old, mutant.new), encoding="utf-8")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-x", "-q", "--timeout=60", "-p", "no:randomly"),
            *("-p", "no:cacheprovider", *(f"tests/{test}" for test in mutant.tests)),
        ],
        cwd=place,
        env={**os.environ, "FINCARD_SEEDS": "1600", "PYTHONPATH": str(place)},
        capture_output=True,
        text=True,
        check=False,
    )
    shutil.rmtree(place)
    verdict = {0: "SURVIVED", FAILED: "caught"}.get(done.returncode, "BROKEN")
    found = re.search(r"^(?:FAILED|ERROR) tests/(\S+)", done.stdout, re.MULTILINE)
    noticed = found[1] if found else "" if verdict == "SURVIVED" else done.stdout[-300:]
    return Run(mutant.name, verdict, time.monotonic() - begun, noticed)


if __name__ == "__main__":
    sys.exit(main())
