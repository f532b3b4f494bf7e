"""What a watch counts, and what it says of itself."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Final

logger = logging.getLogger("fincard_async")

_STRETCHED: Final = 1.2
"""Times the interval from which on a watch says that it cannot keep it."""
_WEIGHT: Final = 0.02
"""Weight of one read in the achieved interval."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchStats:
    """A watch at one moment; see ``BalanceWatch.stats``.

    Attributes:
        cards: Cards that are watched.
        reads: Answers that counted, since the start.
        changes: Answers that were another balance than before; first ones do not count.
        errors: Reads that failed.
        discarded: Answers thrown away, because a mutation of the card overlapped the read.
        failing: Cards whose latest read failed.
        in_flight: Reads under way.
        waiting: Changes that the consumer has not taken yet.
        interval: Seconds between two reads of a card, as asked for.
        achieved_interval: Seconds between two reads of a card at rest, as it is; 0.0 until known.
        behind: Seconds by which the latest read came later than it was due.
        rate_limit: Reads per second that may start now; ``inf`` if nothing holds them back.
    """

    cards: int
    reads: int
    changes: int
    errors: int
    discarded: int
    failing: int
    in_flight: int
    waiting: int
    interval: float
    achieved_interval: float
    behind: float
    rate_limit: float

    @property
    def stretched(self) -> bool:
        """True if the interval cannot be kept at present.

        Either cards are read too seldom, or not even the first sweep ends within it.
        """
        return self.achieved_interval > _STRETCHED * self.interval or self.behind > self.interval


class Counters:
    """The numbers of one watch, as they grow."""

    __slots__ = (
        "_said",
        "achieved",
        "changes",
        "discarded",
        "errors",
        "failing",
        "in_flight",
        "interval",
        "reads",
    )

    def __init__(self, interval: float) -> None:
        self.interval = interval
        self.reads = self.changes = self.errors = self.discarded = 0
        self.failing = self.in_flight = 0
        self.achieved = 0.0
        self._said = False

    def gap(self, seconds: float) -> None:
        """A card at rest was read again after so long; says once when that is too long."""
        if self.achieved:
            self.achieved += _WEIGHT * (seconds - self.achieved)
        else:
            self.achieved = seconds
        if self._said:
            self._said = self.achieved > self.interval * (1 + (_STRETCHED - 1) / 2)
        elif self.achieved > _STRETCHED * self.interval:
            self._said = True
            logger.warning(
                "the watch cannot keep its interval of %.3g s: a card is read every %.3g s",
                self.interval,
                self.achieved,
            )
