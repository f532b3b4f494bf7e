"""When each card is read next. Pure: one heap, and the clock is an argument.

Every card has its own place in the interval, given by its hash, so that a sweep is spread evenly
and stays so: after a read the card is due at its place in one of the next intervals. When there is
more to do than can be done, cards are taken in the order in which they were due; so all wait alike,
and the interval stretches evenly.
"""

from __future__ import annotations

import heapq
import math
from typing import Final

from .card import WatchedCard, phase_of

LEAST_GAP: Final = 0.5
"""Share of the interval that lies at least between two reads of a card that is at rest."""
MOST_BACKOFF: Final = 16
"""Intervals between reads of a card that keeps failing, at most."""


class Schedule:
    """The cards that wait for a read, by the time at which they are due."""

    def __init__(self, interval: float, hot_factor: float, started: float) -> None:
        self.interval = interval
        self._hot_factor = hot_factor
        self._started = started
        self._heap: list[tuple[float, int, WatchedCard]] = []
        self._pushed = 0

    def put(self, card: WatchedCard, due: float) -> None:
        """Read the card at ``due``; an earlier entry of it is forgotten."""
        card.due = due
        self._pushed += 1  # so that two cards are never compared
        heapq.heappush(self._heap, (due, self._pushed, card))

    def next_due(self) -> float:
        """Monotonic seconds at which the first card is due; ``inf`` if none waits."""
        while self._heap and self._heap[0][0] != self._heap[0][2].due:
            heapq.heappop(self._heap)  # it was put elsewhere meanwhile, or is read, or left
        return self._heap[0][0] if self._heap else math.inf

    def take(self, now: float) -> WatchedCard | None:
        """The card that is due first, if one is; it is out of the schedule then."""
        if self.next_due() > now:
            return None
        card = heapq.heappop(self._heap)[2]
        card.due = math.inf
        return card

    def after_read(self, card: WatchedCard, now: float, *, hurry: bool) -> float:
        """When to read a card again that was read now; ``hurry``: hot cards may come sooner."""
        if card.hot and hurry and self._hot_factor > 1.0:
            return now + self.interval / self._hot_factor
        return self._place(card, now + self.interval * LEAST_GAP)

    def after_failure(self, card: WatchedCard, now: float) -> float:
        """When to read a card again whose reads fail: less and less often."""
        intervals = min(MOST_BACKOFF, 2 ** min(card.failures - 1, 10))
        return self._place(card, now + self.interval * (intervals - 1 + LEAST_GAP))

    def _place(self, card: WatchedCard, earliest: float) -> float:
        """The card's place in the interval, the first time at or after ``earliest``."""
        first = self._started + phase_of(card.card_no) * self.interval
        return first + math.ceil((earliest - first) / self.interval) * self.interval
