"""A bulk job killed again and again: none doubled, none lost; and a harness that would see it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .sabotage import BUGS

pytestmark = pytest.mark.slow

UNMEASURED = {name: text for name, text in os.environ.items() if not name.startswith("COVERAGE")}
"""Coverage would make the runs slow, and what is killed cannot tell it anything."""


def harness(*args: str) -> subprocess.CompletedProcess[str]:
    """Run the harness in a process without threads, from which it can fork."""
    return subprocess.run(
        [sys.executable, "-m", "tests.crash", *args],
        cwd=Path(__file__).parents[2],
        env=UNMEASURED,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )


def test_no_kill_costs_money() -> None:
    """Killed at every labelled point, on servers of every kind: the ledger has what was ordered."""
    done = harness("--runs", "72")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("bug", BUGS)
def test_the_harness_sees(bug: str) -> None:
    """With a bug in journal or wire, runs go wrong."""
    done = harness("--runs", "8", "--seed", "5", "--bug", bug)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "BAD run" in done.stdout
