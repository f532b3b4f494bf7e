"""Sums over the runs of a harness, as the table that it prints."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from .points import POINTS
from .runs import MODES, Outcome

_COLUMNS = "{:<8}{:>7}{:>8}{:>8}{:>8}{:>9}{:>9}{:>9}{:>7}{:>7}"
_HEAD = (
    *("server", "runs", "lives", "kills", "rows", "faults"),
    *("parked", "doubled", "lost", "wrong"),
)


class Table:
    """What was run, what was done to it, and what came of it."""

    def __init__(self, outcomes: Iterable[Outcome] = ()) -> None:
        self.outcomes = list(outcomes)

    @property
    def kills(self) -> Counter[str]:
        """Real kills by point."""
        return sum((outcome.kills for outcome in self.outcomes), Counter[str]())

    @property
    def faults(self) -> Counter[str]:
        """Faults that really happened."""
        return sum((outcome.faults for outcome in self.outcomes), Counter[str]())

    @property
    def bad(self) -> list[Outcome]:
        """Runs in which money went wrong, or the harness did."""
        return [outcome for outcome in self.outcomes if not outcome.good]

    @property
    def unused(self) -> list[str]:
        """Points at which nobody was killed."""
        return [point for point in POINTS if not self.kills[point]]

    def lines(self) -> Iterable[str]:
        """As a person reads it."""
        yield _COLUMNS.format(*_HEAD)
        for mode in MODES:
            yield _line(mode, [outcome for outcome in self.outcomes if outcome.mode == mode])
        yield _line("all", self.outcomes)
        yield "kills: " + _listed(self.kills)
        yield "faults: " + _listed(self.faults)
        for outcome in self.bad[:10]:
            told = {name: getattr(outcome, name) for name in ("doubled", "lost", "wrong")}
            yield f"BAD run {outcome.index} of seed {outcome.seed}, {outcome.mode}: {told}"


def _line(name: str, outcomes: Sequence[Outcome]) -> str:
    counts = (
        len(outcomes),
        sum(outcome.lives for outcome in outcomes),
        sum(outcome.kills.total() for outcome in outcomes),
        sum(outcome.rows for outcome in outcomes),
        sum(outcome.faults.total() for outcome in outcomes),
        sum(outcome.parked for outcome in outcomes),
        sum(len(outcome.doubled) for outcome in outcomes),
        sum(len(outcome.lost) for outcome in outcomes),
        sum(len(outcome.wrong) for outcome in outcomes),
    )
    return _COLUMNS.format(name, *counts)


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
