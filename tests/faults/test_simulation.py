"""Many simulated days: the real client and the real sandbox on counted time, everything by seed.

``FINCARD_SEED=123`` plays one seed and prints its trace; ``FINCARD_SEEDS=100000`` plays more.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable

import pytest

from .scenario import Report, play

pytestmark = pytest.mark.faults

SEEDS = int(os.environ.get("FINCARD_SEEDS", "2000"))
BLOCKS = 8
"""The seeds are dealt to as many tests, so that several processes can share them."""
ONE = os.environ.get("FINCARD_SEED")


@pytest.mark.timeout(0)
@pytest.mark.parametrize("block", range(BLOCKS))
def test_seeds(block: int, record_property: Callable[[str, object], None]) -> None:
    """Whatever goes wrong, the client's words agree with the books, and in the end all is known."""
    ends: Counter[str] = Counter()
    faults: Counter[str] = Counter()
    seeds = range(block, SEEDS, BLOCKS)
    for seed in seeds:
        report = play(seed)
        assert not report.wrong, _told(report)
        ends += report.ends
        faults += report.faults
    record_property("calls", dict(ends))
    record_property("faults", faults.total())
    # A run without faults would prove nothing.
    assert faults.total() >= 5 * len(seeds)
    assert {"result", "refused", "success", "absent"} <= ends.keys()


@pytest.mark.parametrize("seed", [3, 17, 404])
def test_a_seed_repeats(seed: int) -> None:
    """The same seed gives the same day, event by event."""
    first, second = play(seed), play(seed)
    assert first.trace == second.trace
    assert len(first.trace) > 20
    assert (first.ends, first.faults) == (second.ends, second.faults)


@pytest.mark.skipif(ONE is None, reason="FINCARD_SEED names no seed")
def test_one_seed(capsys: pytest.CaptureFixture[str]) -> None:
    """The seed that a failure named, with its whole trace."""
    report = play(int(ONE or 0))
    with capsys.disabled():
        print("", *report.trace, report.ends, report.faults, sep="\n")  # noqa: T201
    assert not report.wrong, _told(report)


def _told(report: Report) -> str:
    wrong = "\n  ".join(report.wrong)
    return (
        f"seed {report.seed} (FINCARD_SEED={report.seed} repeats it)\n  {wrong}\n"
        f"faults: {dict(report.faults)}\n" + "\n".join(report.trace[-40:])
    )
