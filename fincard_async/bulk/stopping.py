"""Ending a run early, without leaving anybody asleep."""

from __future__ import annotations

import math

import anyio

from fincard_async._runtime.ports import Clock


class Stop:
    """Whether a run shall end before its work is done; every pause of the run is taken here.

    Args:
        clock: Time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._deadline = math.inf
        self._asked = anyio.Event()
        self.reason: str | None = None
        """Why, if nobody asked for it."""

    @property
    def asked(self) -> bool:
        """True if nothing new shall be sent."""
        if not self._asked.is_set() and self._clock.monotonic() >= self._deadline:
            self.ask("the deadline of the run has passed")
        return self._asked.is_set()

    def ask(self, reason: str | None = None) -> None:
        """End the run; the first reason counts."""
        if not self._asked.is_set():
            self.reason = reason
            self._asked.set()

    def ask_after(self, seconds: float | None) -> None:
        """End the run by itself after so many seconds from now."""
        self._deadline = math.inf if seconds is None else self._clock.monotonic() + seconds

    async def pause(self, seconds: float) -> bool:
        """Wait, but not beyond the moment at which the run shall end; False if it shall."""
        seconds = min(seconds, self._deadline - self._clock.monotonic())
        if seconds > 0 and not self.asked:
            async with anyio.create_task_group() as group:
                group.start_soon(self._end, group.cancel_scope)
                await self._clock.sleep(seconds)
                group.cancel_scope.cancel()
        return not self.asked

    async def _end(self, scope: anyio.CancelScope) -> None:
        await self._asked.wait()
        scope.cancel()
