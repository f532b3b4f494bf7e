"""How many calls may be in flight: more while all is well, fewer at the first sign of trouble.

Retries under jitter alone can hold a server down for ever; what lets it recover is fewer calls in
flight. The number grows by one for each window of clean answers, and is cut at most once per
``CUT_EVERY`` seconds, so that one bad moment, seen by many calls, counts once.
"""

from __future__ import annotations

CUT = 0.7
CUT_EVERY = 0.5


class AdaptiveLimit:
    """Additive increase, multiplicative decrease, between 1 and ``most``."""

    __slots__ = ("_clean", "_last_cut", "_most", "_now", "value")

    def __init__(self, most: int) -> None:
        self._most = most
        self._now = float(most)
        self.value = max(1, most)
        """The number in force."""
        self._clean = 0
        self._last_cut = float("-inf")

    def clean(self) -> None:
        """An answer came, and the server is well."""
        if self._now >= self._most:
            return
        self._clean += 1
        if self._clean >= self.value:
            self._clean = 0
            self._now = min(float(self._most), self._now + 1.0)
            self.value = int(self._now)

    def trouble(self, now: float) -> None:
        """A time-out, 429 or 503."""
        self._clean = 0
        if now >= self._last_cut + CUT_EVERY:
            self._last_cut = now
            self._now = max(1.0, self._now * CUT)
            self.value = int(self._now)
