"""A retry budget: retries are paid from a purse that only clean successes fill.

Jitter alone does not stop a struggling server from being finished off by its clients' retries. A
purse does: while most calls succeed, it stays full and nobody notices it; in an outage it is empty
after some tens of retries, and from then on each call is sent once.
"""

from __future__ import annotations

CAPACITY = 500
TRANSIENT_COST = 14
THROTTLE_COST = 5
REWARD = 1


class RetryBudget:
    """The purse of one client for its one host. Source: correctness 0 (row 11), 4.2."""

    __slots__ = ("_left",)

    def __init__(self) -> None:
        self._left = CAPACITY

    @property
    def left(self) -> int:
        """What is in the purse."""
        return self._left

    def pay(self, cost: int) -> bool:
        """Take ``cost``, or leave the purse alone and return False."""
        if cost > self._left:
            return False
        self._left -= cost
        return True

    def refund(self, paid: int) -> None:
        """The retry that was paid for succeeded; or, with 0 paid, a first attempt did."""
        if self._left < CAPACITY:
            self._left = min(CAPACITY, self._left + (paid or REWARD))
