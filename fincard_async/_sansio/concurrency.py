"""How many calls may be in flight: fewer while the server is in trouble, more when it is well.

Retries under jitter alone can hold a server down for ever; what lets it recover is fewer calls in
flight. But single faults are no overload: among thousands of calls there is always one, and a limit
that is cut for each of them never stands where it should. So clean answers earn what troubles
spend: one trouble in ``PER_TROUBLE`` answers is borne, and as many at once as the answers of one
round (all calls in flight) have earned. An outage has spent that within a round::

    limit  |_____                           __ beyond: +1, +2, +4..., an eighth at most
    bad    |- - -|- - - - - - - - - __.-'''
           |     |            .-'
           |     |        .'   a sixth of what is missing, for each window of clean answers
           |     |______.'
           |_____|____________________________________ time
            the share of troubles is too high: CUT, at most once per CUT_EVERY

To add one per window, as is usual, takes 1,500 windows for what one cut takes of 5,000: minutes,
where an answer takes half a second. So a step grows with what is missing, up to a part of the most
that is allowed: what one cut took is back after 30 to 45 windows, and what an outage took after
about 100, be it of 100 or of 5,000. Close to what was too much before, where a small server keeps
the limit most of the time, steps are small. No step is more than what was just answered well.
"""

from __future__ import annotations

from typing import Final

CUT: Final = 0.7
CUT_EVERY: Final = 0.5
PER_TROUBLE: Final = 50
"""Clean answers that make up for one trouble: up to 2 % are single faults."""
LEAST_ROUND: Final = 200
"""Answers of a round at least; else a few faults near each other, by chance, would be overload."""
MOST_STEPS: Final = 64
"""A step is one ``MOST_STEPS``th of the most that is allowed, or less; but at least one call."""


class AdaptiveLimit:
    """Between 1 and ``most``; begins at ``most``, with nothing earned."""

    __slots__ = (
        "_bad",
        "_clean",
        "_earned",
        "_last_cut",
        "_most",
        "_now",
        "_step",
        "_well",
        "value",
    )

    def __init__(self, most: int) -> None:
        self._most = self._bad = self._now = float(max(1, most))
        self.value = max(1, most)
        """The number in force."""
        self._well = False
        """Another clean answer would change nothing; asked for each of them, so it is kept."""
        self._earned = self._clean = 0
        self._step = 1.0
        self._last_cut = float("-inf")

    def clean(self) -> None:
        """An answer came, and the server is well."""
        if self._well:
            return
        all_earned = max(self.value, LEAST_ROUND)
        self._earned = min(self._earned + 1, all_earned)
        if self._now < self._most:
            self._clean += 1
            if self._clean >= self.value:
                self._grow()
        else:
            self._well = self._earned == all_earned

    def trouble(self, now: float) -> None:
        """A time-out, 429 or 503."""
        self._well = False
        if self._earned >= PER_TROUBLE:
            self._earned -= PER_TROUBLE
            return
        self._clean = self._earned = 0
        if now >= self._last_cut + CUT_EVERY:
            self._last_cut = now
            self._bad = self._now
        # Where answers are quick it may have grown since the last cut; that was too early.
        self._now = min(self._now, max(1.0, self._bad * CUT))
        self._step = 1.0
        self.value = int(self._now)

    def _grow(self) -> None:
        """A window of answers was clean, but for single faults."""
        self._clean = 0
        missing = self._bad - self._now
        if missing >= 1.0:
            step = min(self._now, missing / 6)
        else:
            step = self._step
            self._step = min(2 * step, self._now / 8)
        step = max(1.0, min(step, self._most // MOST_STEPS))
        self._now = min(self._most, self._now + step)
        self.value = int(self._now)
