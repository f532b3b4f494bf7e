"""Who reads, and when: one timer, and a few workers that take whatever is due.

::

    timer     sleeps until the first card is due, and wakes a worker
    worker    takes the first card that is due; wakes another if there is more; visits it

There is no task for a card. A worker that has read a card takes the next one without asking
anybody, so under load the timer does nothing.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import anyio

from .card import WatchedCard
from .pace import Pace
from .schedule import Schedule
from .turnstile import Turnstile

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

    from fincard_async._runtime.limiter import Limiter
    from fincard_async._runtime.ports import Clock

Visit = Callable[[WatchedCard], Awaitable[None]]
"""Reads a card whose turn it is; raises nothing."""


class Crew:
    """Visits cards as the schedule and the pace allow, several at once."""

    def __init__(
        self,
        visit: Visit,
        *,
        schedule: Schedule,
        pace: Pace,
        concurrency: int,
        limiter: Limiter,
        clock: Clock,
    ) -> None:
        self.schedule = schedule
        self.pace = pace
        self.behind = 0.0
        """Seconds by which the latest card came later than it was due."""
        self._visit = visit
        self._concurrency = concurrency
        self._limiter = limiter
        self._clock = clock
        self._told = (limiter.answered, limiter.troubled)
        self._turnstile = Turnstile()
        self._group: TaskGroup | None = None
        self._workers = 0
        self._idle: list[anyio.Event] = []
        self._nap: anyio.CancelScope | None = None
        self._rearm = anyio.Event()
        self._stopped = False

    def start(self, group: TaskGroup) -> None:
        """Begin."""
        self._group = group
        group.start_soon(self._keep_time)
        group.start_soon(self._turnstile.turn)

    def stop(self) -> None:
        """Take no card any more."""
        self._stopped = True
        self.wake_timer()

    def soon(self, card: WatchedCard) -> None:
        """Visit a card now, or as soon as the visit under way has ended."""
        if card.reading:
            card.again = True
        else:
            self.schedule.put(card, self._clock.monotonic())
            self.wake_timer()

    def look_at_load(self, now: float) -> None:
        """Slow down where the client's attempts, whoever made them, met signs of overload."""
        limiter, (answered, troubled) = self._limiter, self._told
        self.pace.tell(
            now,
            answered=limiter.answered - answered,
            refused=limiter.troubled - troubled,
            paused=limiter.paused(now),
        )
        self._told = limiter.answered, limiter.troubled

    def wake_timer(self) -> None:
        """Something is due at another time than it was."""
        self._rearm.set()
        if self._nap is not None:
            self._nap.cancel()

    async def _keep_time(self) -> None:
        while not self._stopped:
            self._rearm = anyio.Event()
            pause = self._until_next(self._clock.monotonic())
            if pause <= 0:
                self._call_worker()
                await self._rearm.wait()
            elif pause == math.inf:
                await self._rearm.wait()
            else:
                with anyio.CancelScope() as self._nap:
                    await self._clock.sleep(pause)
                self._nap = None

    async def _work(self) -> None:
        while True:
            await self._turnstile.pass_through()
            card = self._take()
            if card is not None:
                await self._visit(card)
                continue
            wake = anyio.Event()
            self._idle.append(wake)
            self.wake_timer()
            await wake.wait()

    def _until_next(self, now: float) -> float:
        return max(self.schedule.next_due() - now, self.pace.wait(now))

    def _take(self) -> WatchedCard | None:
        """The next card, if it is due and the pace allows it."""
        now = self._clock.monotonic()
        self.look_at_load(now)
        if self._stopped or self.pace.wait(now) > 0:
            return None
        due = self.schedule.next_due()
        card = self.schedule.take(now)
        if card is not None:
            self.behind = now - due
            self.pace.book(now)
            self._hand_on(now)
        return card

    def _hand_on(self, now: float) -> None:
        """While this worker is busy, another one or the timer must see to what comes next."""
        if self._until_next(now) <= 0:
            self._call_worker()
        elif self._idle or self._workers < self._concurrency:
            self.wake_timer()

    def _call_worker(self) -> None:
        """Wake one that is idle, or hire one: there are no more than were ever needed at once."""
        if self._idle:
            self._idle.pop().set()
        elif self._workers < self._concurrency and self._group is not None:
            self._workers += 1
            self._group.start_soon(self._work)
