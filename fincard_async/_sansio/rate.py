"""A rate limit as a pure function of time (GCRA): how long must this call wait?"""

from __future__ import annotations


class RateLimit:
    """``rate`` calls per second, ``burst`` at once after a pause; first come first served."""

    def __init__(self, rate: float, burst: int) -> None:
        if rate <= 0 or burst < 1:
            raise ValueError("rate must be positive and burst at least 1")
        self._interval = 1.0 / rate
        self._slack = (burst - 1) * self._interval
        self._next = float("-inf")

    def wait(self, now: float, ahead: int = 0) -> float:
        """Seconds that a call arriving now would wait behind ``ahead`` others; books nothing."""
        following = max(self._next, now) + ahead * self._interval if ahead else self._next
        return max(0.0, following - self._slack - now)

    def book(self, now: float) -> float:
        """Take the next place and return the seconds until it."""
        wait = self.wait(now)
        self._next = max(self._next, now) + self._interval
        return wait
