"""A clock that stands still until somebody sleeps."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import anyio
import anyio.lowlevel


class FakeClock:
    """Time for tests: ``sleep`` returns at once and moves the clock; ``slept`` lists the pauses.

    Whoever waits with a deadline, such as a call for its place, gives up when the clock gets there.
    """

    def __init__(self, *, monotonic: float = 1000.0, wall: float = 1_767_225_600.0) -> None:
        self._monotonic = monotonic
        self._wall = wall
        self.slept: list[float] = []
        self._limits: dict[anyio.CancelScope, float] = {}

    def monotonic(self) -> float:
        """Seconds since an arbitrary moment."""
        return self._monotonic

    def wall(self) -> float:
        """Seconds since the epoch; starts at 2026-01-01 UTC."""
        return self._wall

    async def sleep(self, seconds: float) -> None:
        """Let other tasks run, then move the clock to the end of the pause; pauses overlap."""
        self.slept.append(seconds)
        end = self._monotonic + seconds
        await anyio.lowlevel.checkpoint()
        self.advance(max(0.0, end - self._monotonic))

    @contextmanager
    def limit(self, seconds: float) -> Generator[anyio.CancelScope]:
        """A scope that is cancelled when the clock has moved so far."""
        with anyio.CancelScope() as scope:
            if seconds <= 0:
                scope.cancel()
            self._limits[scope] = self._monotonic + seconds
            try:
                yield scope
            finally:
                del self._limits[scope]

    def advance(self, seconds: float) -> None:
        """Move the clock."""
        self._monotonic += seconds
        self._wall += seconds
        if seconds:
            self._end_limits()

    def _end_limits(self) -> None:
        for scope, end in self._limits.items():
            if end <= self._monotonic:
                scope.cancel()
