"""One run of the harness: a job, the kills that it meets, and the verdict of the ledger."""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Final, Literal

from .bench import Bench, Books
from .life import Life, begin, number_of, rows_of
from .points import ONCE, POINTS

MODES: Final[tuple[Literal["error", "replay", "none"], ...]] = ("error", "replay", "none")
"""What the server does with a repeated order number."""
_MOST_LIVES: Final = 25
_LIVES_WITH_A_BUG: Final = 5
_LONGEST_LIFE: Final = 60.0
_BETWEEN: Final = 1_100.0
"""Seconds of the fast clock between two runs of a job: longer than a request can be under way."""
_MEMORY: Final = "/dev/shm"
"""SIGKILL does not reach what the kernel has: a disk would only make the runs slow."""


@dataclass
class Outcome:
    """How a run ended."""

    index: int
    seed: int
    mode: Literal["error", "replay", "none"]
    kills: Counter[str] = field(default_factory=Counter[str])
    """Real kills by point; ``at random`` for those from outside."""
    lives: int = 0
    rows: int = 0
    parked: int = 0
    faults: Counter[str] = field(default_factory=Counter[str])
    doubled: list[str] = field(default_factory=list[str])
    lost: list[str] = field(default_factory=list[str])
    wrong: list[str] = field(default_factory=list[str])
    """What else is not as it must be."""

    @property
    def good(self) -> bool:
        """None doubled, none lost, exact sums."""
        return not (self.doubled or self.lost or self.wrong)


def run(bench: Bench, index: int, seed: int, bug: str | None = None) -> Outcome:
    """Play one run; the same index and seed meet the same faults and labelled kills."""
    dice = Random(f"{seed}/{index}")
    mode: Literal["error", "replay", "none"] = MODES[index % len(MODES)] if bug is None else "none"
    outcome = Outcome(index, seed, mode)
    folder = Path(tempfile.mkdtemp(dir=_MEMORY if Path(_MEMORY).is_dir() else None))
    try:
        _play(bench, folder, outcome, dice, bug)
    finally:
        shutil.rmtree(folder)
    return outcome


def _play(bench: Bench, folder: Path, outcome: Outcome, dice: Random, bug: str | None) -> None:
    rows = rows_of(dice.randint(6, 12))
    outcome.rows = len(rows)
    url = bench.start(
        seed=outcome.seed * 1_000_003 + outcome.index,
        dedupe=outcome.mode,
        latency_ms=dice.choice([0, 0, 2_000]),
    )
    plans = _plans(outcome.index, dice)
    code: int | None = None
    most = _MOST_LIVES if bug is None else _LIVES_WITH_A_BUG
    while code != 0 and outcome.lives < most:
        point, nth, after = next(plans)
        life = Life(
            base_url=url,
            folder=folder,
            rows=rows,
            dedupe=outcome.mode,
            skew=outcome.lives * _BETWEEN,
            point=point,
            nth=nth,
            bug=bug,
        )
        code = _end_of(begin(life), after)
        outcome.lives += 1
        if code == -signal.SIGKILL:
            outcome.kills[point or "at random"] += 1
        elif code not in (0, 1):
            outcome.wrong.append(f"life {outcome.lives} ended with {code}")
            break
        if _at_rest(life.results):
            break
        bench.advance(_BETWEEN)
    else:
        if code != 0:
            outcome.wrong.append(f"not at its end after {outcome.lives} lives")
    results, report = folder / "results.json", folder / "report.ndjson"
    states = json.loads(results.read_text("utf-8")) if results.exists() else {}
    judge(outcome, {number_of(row): row.amount for row in rows}, states, bench.books())
    lines = [json.loads(line) for line in report.read_text("utf-8").splitlines()]
    if {line["order_no"]: line["state"] for line in lines} != states:
        outcome.wrong.append("the report does not say what the journal says")


def _at_rest(results: Path) -> bool:
    """Whether the last life came to its end and left nothing that another one could do."""
    if not results.exists():
        return False
    states = set(json.loads(results.read_text("utf-8")).values())
    return not states & {"planned", "intent", "unknown", "accepted"}


def _plans(index: int, dice: Random) -> Iterator[tuple[str | None, int, float | None]]:
    """Where each life is struck: the first at the next label, then by chance, at last nowhere."""
    point = POINTS[index // len(MODES) % len(POINTS)]
    yield point, 1 if point in ONCE else dice.randint(1, 3), None
    for _ in range(3):
        match dice.randrange(4):
            case 0:
                yield None, 1, dice.uniform(0.0, 0.15)
            case 1 | 2:
                yield dice.choice(POINTS), 1, None
            case _:
                yield None, 1, None
    while True:
        yield None, 1, None


def _end_of(pid: int, kill_after: float | None) -> int:
    """How a process ended, as ``subprocess`` counts: the signal that ended it, negative."""
    handle = os.pidfd_open(pid)
    try:
        if not _ended(handle, _LONGEST_LIFE if kill_after is None else kill_after):
            os.kill(pid, signal.SIGKILL if kill_after is not None else signal.SIGABRT)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    finally:
        os.close(handle)


def _ended(handle: int, seconds: float) -> bool:
    return bool(select.select([handle], [], [], seconds)[0])


def judge(
    outcome: Outcome, wanted: Mapping[str, Decimal], states: Mapping[str, str], books: Books
) -> None:
    """Compare the ledger with what was wanted; the client's own states excuse parked rows only.

    A server that does not refuse a repeated number leaves rows for which nobody knows whether they
    were carried out; such a row is parked, unsent a second time. Then it must not be on the ledger.
    """
    outcome.faults.update(books.faults)
    parked = {number for number, state in states.items() if state == "parked"}
    if outcome.mode != "none":
        parked = set()
    outcome.parked = len(parked)
    outcome.doubled += [n for n, amounts in books.orders.items() if len(amounts) > 1]
    outcome.doubled += [n for n in books.doubled if n not in outcome.doubled]
    outcome.lost += [n for n in wanted if n not in books.orders and n not in parked]
    outcome.wrong += [f"{n} is parked and on the ledger" for n in parked & books.orders.keys()]
    outcome.wrong += [f"{n} is nobody's" for n in books.orders if n not in wanted]
    total = sum((amount for n, amount in wanted.items() if n not in parked), Decimal(0))
    if books.created != total or books.cards != len(wanted) - len(parked):
        outcome.wrong.append(f"{books.cards} cards for {books.created} instead of {total}")
