"""Stage 4 of a call: a place among those in flight, and a place in the rate."""

from __future__ import annotations

from types import TracebackType

import anyio

from fincard_async._sansio.options import Limits
from fincard_async._sansio.outcome import not_sent
from fincard_async._sansio.rate import RateLimit
from fincard_async.errors import ConfigError, ConnectFailed

from .ports import Clock


class Limiter:
    """Bounds the calls in flight and, where asked, per second; first come first served."""

    def __init__(self, limits: Limits, clock: Clock) -> None:
        if limits.max_concurrency < 1:
            raise ConfigError("max_concurrency must be at least 1")
        if limits.rate is not None and (limits.rate <= 0 or limits.burst < 1):
            raise ConfigError("rate must be more than 0 and burst at least 1")
        self._clock = clock
        self._places = anyio.Semaphore(limits.max_concurrency)
        self._rate = None if limits.rate is None else RateLimit(limits.rate, limits.burst)

    def permit(self, deadline: float) -> Permit:
        """A place for one attempt, as an async context manager.

        Raises:
            ConnectFailed: No place before the deadline; nothing was sent.
        """
        return Permit(self, deadline)

    async def acquire(self, deadline: float) -> None:
        """Wait for a place; a wait that cannot end in time is refused at once."""
        if self._rate is not None:
            now = self._clock.monotonic()
            if now + self._rate.wait(now) > deadline:
                raise _too_late()
            if (seconds := self._rate.book(now)) > 0:
                await self._clock.sleep(seconds)
        try:
            self._places.acquire_nowait()
        except anyio.WouldBlock:
            with anyio.move_on_after(max(0.0, deadline - self._clock.monotonic())) as scope:
                await self._places.acquire()
            if scope.cancelled_caught:
                raise _too_late() from None

    def release(self) -> None:
        """Give the place back."""
        self._places.release()


class Permit:
    """One place, held while an attempt is on the wire."""

    __slots__ = ("_deadline", "_limiter")

    def __init__(self, limiter: Limiter, deadline: float) -> None:
        self._limiter = limiter
        self._deadline = deadline

    async def __aenter__(self) -> None:
        await self._limiter.acquire(self._deadline)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._limiter.release()


def _too_late() -> ConnectFailed:
    return not_sent("no place under the client's limits before the deadline")
