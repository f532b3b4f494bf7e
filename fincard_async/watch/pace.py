"""How fast a watch may ask: a budget, and less where the server refuses. Pure.

A sweep over a hundred thousand cards can ask for more than the server gives. Bounding what is in
flight does not help there, since a server that refuses at once takes any number of calls; what
helps is to find the rate that it bears::

    rate   |      budget ................................
           |                      * refused        *
    peak   |                 ___*|           ___ *|
           |              *      |        *       |
    KEEP   |            *        |      *         |
           |___________|_________|_____|__________|______ time
                       first refusal: what was answered then is only a guess, so grow at once;
                       later ones: back to the known peak slowly, linger there, look for more

The more a refusal costs (the server asks everybody to pause), the longer the peak is kept.
"""

from __future__ import annotations

import math
from typing import Final

KEEP: Final = 0.9
"""Share of the answered rate that is left after a refusal."""
SEEK: Final = 2.0
"""Factor per second by which the rate grows as long as no peak is known."""
GROW: Final = 1.2
"""The same beyond a peak that is known."""
BELOW: Final = 0.97
"""Share of a rate that was refused which is taken for the peak."""
RECOVER: Final = 3.0
"""Seconds until the peak is tried again, and so many times the pause that the server asked for:"""
PER_PAUSE: Final = 20.0
WINDOW: Final = 0.5
"""Seconds over which answers are counted, and for which calls sent at an old rate are in flight."""
PER_REFUSAL: Final = 50
"""Answers that make up for one refusal: up to 2 % are single faults, not overload. They may come
close together, by chance; so what was earned is kept, up to what one window of answers earns."""
LEAST_KEPT: Final = 100
"""Answers that may be kept at least, however slow the watch."""
FLOOR: Final = 1.0
"""Calls per second that are always tried."""
SLACK: Final = 0.02
"""Seconds of unused time that may be made up for, since no timer wakes anybody exactly."""
_LONG: Final = 300.0
"""Seconds of growth after which the rate is beyond every budget."""


class Pace:
    """Spaces calls evenly, at most ``budget`` per second (``inf``: as fast as the server bears)."""

    __slots__ = (
        "_answered",
        "_before",
        "_budget",
        "_cut_at",
        "_deaf_until",
        "_next",
        "_peak",
        "_recover",
        "_since",
        "_spare",
    )

    def __init__(self, budget: float, now: float) -> None:
        self._budget = budget
        self._peak = math.inf
        self._cut_at = self._deaf_until = -math.inf
        self._recover = 0.0
        self._next = self._since = now
        self._answered = 0
        self._before = 0.0
        """Answers per second in the window before."""
        self._spare = PER_REFUSAL
        """Answers that no refusal has used up; one refusal is always borne."""

    def rate(self, now: float) -> float:
        """Calls per second that may start now; ``inf`` without a budget and without refusals."""
        if self._peak == math.inf:
            return self._budget
        since = min(max(0.0, now - self._cut_at), self._recover + _LONG)
        if not self._recover:
            share: float = KEEP * SEEK**since
        elif since < self._recover:
            share = 1.0 - (1.0 - KEEP) * (1.0 - since / self._recover) ** 3
        else:
            share = GROW ** (since - self._recover)
        return max(FLOOR, min(self._budget, self._peak * share))

    def wait(self, now: float) -> float:
        """Seconds until the next call may start; books nothing."""
        return max(0.0, self._next - now)

    def book(self, now: float) -> None:
        """A call starts."""
        self._next = max(self._next, now - SLACK) + 1.0 / self.rate(now)

    def tell(self, now: float, *, answered: int, refused: int, paused: float = 0.0) -> None:
        """What became of attempts since the last time.

        Args:
            now: Monotonic seconds.
            answered: Attempts that were answered well.
            refused: Attempts that were refused for overload.
            paused: Seconds for which the server wants no call from now on.
        """
        self._answered += answered
        self._next = max(self._next, now + paused)
        if now < self._deaf_until:
            return
        most = max(LEAST_KEPT, self._answered, int(self._before * WINDOW))
        self._spare = min(self._spare + answered, most) - PER_REFUSAL * refused
        # One refusal is enough if it stops everybody; else it may be a single fault.
        if self._spare < 0 or (refused and paused > 0):
            self._cut(now, paused)
        elif now - self._since >= WINDOW:
            self._before = self._answered / (now - self._since)
            self._begin(now)

    def _cut(self, now: float, paused: float) -> None:
        known, elapsed, rate = self._peak != math.inf, now - self._since, self.rate(now)
        if elapsed >= WINDOW / 2:
            borne = min(rate, self._answered / elapsed)
        elif known:
            borne = rate * BELOW  # too early to have counted how much of it is answered
        else:
            borne = min(rate, max(self._before, self._answered / (WINDOW / 2)))
        self._peak = max(FLOOR, borne)
        self._recover = RECOVER + PER_PAUSE * paused if known else 0.0
        self._cut_at = now + paused
        self._deaf_until = self._cut_at + WINDOW
        self._spare = PER_REFUSAL
        self._begin(self._cut_at)

    def _begin(self, now: float) -> None:
        self._since = now
        self._answered = 0
