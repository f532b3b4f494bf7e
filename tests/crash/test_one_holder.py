"""Several processes on one journal: exactly one works, the others say who."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from .life import number_of, rows_of
from .test_crash import UNMEASURED

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("count", [2, 8])
def test_exactly_one_gets_the_journal(count: int) -> None:
    """One process issues every card once, every other names the one that holds the journal.

    The server would carry out a repeated number: only the lock keeps it from issuing twice.
    """
    done = subprocess.run(
        [sys.executable, "-m", "tests.crash.race", str(count)],
        cwd=Path(__file__).parents[2],
        env=UNMEASURED,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    found = json.loads(done.stdout)
    winners = [process for process in found["processes"] if "complete" in process]
    assert [winner["complete"] for winner in winners] == [True]
    told = [process["locked"] for process in found["processes"] if "locked" in process]
    assert len(told) == count - 1
    assert all(str(winners[0]["pid"]) in message for message in told)
    assert found["orders"] == {number_of(row): 1 for row in rows_of(12)}
