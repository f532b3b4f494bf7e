"""Lists that move while they are read, by a seed or by a script.

Every query is a step. A row of the table shows from its first step up to the step at which it goes,
so that at each step there is one true list, and which rows stood still all the time is known::

    sandbox.controls.move_lists(seed=7, inserts=0.2, leaves=0.1, unstable_ties=True)

Rows that are added to the table later show at once, as always.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final, TypeVar

R = TypeVar("R")

FOR_EVER: Final = 1 << 62


@dataclass(frozen=True, slots=True, kw_only=True)
class Motion:
    """How lists move. Shares are of the rows that there are when the first query comes.

    Attributes:
        seed: Repeats the choices.
        inserts: Share of the newest rows that are added, oldest first, while others are read.
        late: Share of the rows that show late, in the midst of those that are there.
        leaves: Share of the rows that leave the list, such as by a change of their status.
        unstable_ties: Rows of the same millisecond change places from query to query.
        stale_totals: Share of the answers whose total is that of an earlier step.
        steps: Queries over which all this happens.
        script: Row, counted from the oldest, its first step, and the step at which it goes (None:
            never); in place of what the seed would choose for it.
    """

    seed: int = 0
    inserts: float = 0.0
    late: float = 0.0
    leaves: float = 0.0
    unstable_ties: bool = False
    stale_totals: float = 0.0
    steps: int = 50
    script: Sequence[tuple[int, int, int | None]] = ()


class Moving:
    """Lists in motion."""

    def __init__(self, motion: Motion) -> None:
        self.step = 0
        """Queries so far."""
        self._motion = motion
        self._plans: dict[int, list[tuple[int, int]]] = {}

    def page(
        self,
        table: Sequence[R],
        fits: Callable[[R], bool],
        time: Callable[[R], int],
        number: int,
        size: int,
    ) -> tuple[int, list[R]]:
        """Total and rows of one page at the next step, newest first."""
        plan, motion = self._plan(table), self._motion
        self.step += 1
        fitting = [(index, row) for index, row in enumerate(table) if fits(row)]
        chance = Random(f"{motion.seed}/{self.step}")
        counted_at = self.step
        if chance.random() < motion.stale_totals:
            counted_at = max(1, self.step - chance.randint(1, 5))
        total = sum(_shows(plan, index, counted_at) for index, _ in fitting)
        rows = [row for index, row in fitting if _shows(plan, index, self.step)]
        if motion.unstable_ties:
            chance.shuffle(rows)
            rows.sort(key=time)
        rows.reverse()
        return total, rows[(number - 1) * size : number * size]

    def stood_still(self, table: Sequence[R]) -> list[R]:
        """Rows of the table that showed at every step so far."""
        plan = self._plan(table)
        return [
            row
            for index, row in enumerate(table)
            if _shows(plan, index, 1) and _shows(plan, index, max(1, self.step))
        ]

    def _plan(self, table: Sequence[object]) -> list[tuple[int, int]]:
        """First step and last of each row."""
        if id(table) not in self._plans:
            motion, count = self._motion, len(table)
            chance = Random(f"{motion.seed}/plan/{len(self._plans)}")
            first_new = count - round(count * motion.inserts)
            plan = [self._life(chance) for _ in range(count)]
            moments = sorted(chance.randint(2, motion.steps) for _ in range(first_new, count))
            plan[first_new:] = [
                (moment, last) for moment, (_, last) in zip(moments, plan[first_new:], strict=True)
            ]
            for row, first, last in motion.script:
                if 0 <= row < count:
                    plan[row] = (first, FOR_EVER if last is None else last)
            self._plans[id(table)] = plan
        return self._plans[id(table)]

    def _life(self, chance: Random) -> tuple[int, int]:
        motion = self._motion
        late, goes, *moments = (chance.random() for _ in range(4))
        first, last = (2 + int(moment * (motion.steps - 1)) for moment in moments)
        return (
            first if late < motion.late else 0,
            last if goes < motion.leaves else FOR_EVER,
        )


def _shows(plan: Sequence[tuple[int, int]], index: int, step: int) -> bool:
    return index >= len(plan) or plan[index][0] <= step < plan[index][1]
