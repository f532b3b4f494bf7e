"""Deadlines for many exchanges with one timer: a little late, never early.

A timer per call is a heap operation twice, and a cancelled handle that stays in the loop's heap.
Deadlines of calls are seconds and seldom reached, so each goes into the slot of its sixteenth of a
second, and one timer wakes for the next slot in use.
"""

from __future__ import annotations

import asyncio
import time
from typing import Final, Protocol

SLOT: Final = 1 / 16
"""Seconds; a deadline may be noticed that much later."""


class Expires(Protocol):
    """What can run out of time."""

    def expire(self) -> None:
        """The deadline is over."""
        ...


class Wheel:
    """Slots of things that expire."""

    __slots__ = ("_loop", "_next", "_slots", "_timer")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._slots: dict[int, set[Expires]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._next = 0

    def add(self, item: Expires, deadline: float) -> set[Expires]:
        """Let ``item`` expire at ``deadline`` (monotonic); give back the slot to leave again."""
        number = int(deadline / SLOT) + 1
        slot = self._slots.get(number)
        if slot is None:
            slot = self._slots[number] = set()
            if self._timer is None or number < self._next:
                self._arm(number)
        slot.add(item)
        return slot

    @property
    def is_empty(self) -> bool:
        """True if nothing is left that could expire."""
        return not any(self._slots.values())

    def close(self) -> None:
        """Nothing expires any more."""
        self._slots.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self, number: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._next = number
        self._timer = self._loop.call_later(max(0.0, number * SLOT - time.monotonic()), self._turn)

    def _turn(self) -> None:
        self._timer = None
        # By the clock that set the deadlines: a loop may run its timers a moment early.
        now = time.monotonic()
        due = sorted(number for number in self._slots if number * SLOT <= now)
        for number in due:
            for item in tuple(self._slots.pop(number)):
                item.expire()
        if self._slots and self._timer is None:
            self._arm(min(self._slots))
