"""Stage 4 of a call: a place among those in flight, and a place in the rate.

Who waits, waits in a lane: money before reads, reads before sweeps, and first come first served
inside a lane. A call that cannot get a place before its deadline is refused at once rather than at
the end, and so is a call whose lane is full. When the server asks for a pause, everybody pauses,
not only the call that was told.

Each step costs the same however many wait: a line is an ordered dictionary, which gives up its
first as easily as one from its middle, so ten thousand calls may be cancelled at once.
"""

from __future__ import annotations

from collections import OrderedDict
from types import TracebackType

import anyio

from fincard_async._sansio.concurrency import AdaptiveLimit
from fincard_async._sansio.options import Lane, Limits
from fincard_async._sansio.outcome import overloaded
from fincard_async._sansio.rate import RateLimit
from fincard_async.errors import ConfigError, LocalOverload

from .ports import Clock


class _Ticket:
    """One call that waits."""

    __slots__ = ("granted", "wake")

    def __init__(self) -> None:
        self.granted = False
        self.wake = anyio.Event()


class Limiter:
    """Bounds the calls in flight and, where asked, the calls per second."""

    def __init__(self, limits: Limits, clock: Clock) -> None:
        if limits.max_concurrency < 1:
            raise ConfigError("max_concurrency must be at least 1")
        if limits.rate is not None and (limits.rate <= 0 or limits.burst < 1):
            raise ConfigError("rate must be more than 0 and burst at least 1")
        if limits.max_waiting < 0:
            raise ConfigError("max_waiting must not be negative")
        self._clock = clock
        self._most_waiting = limits.max_waiting
        self._rate = None if limits.rate is None else RateLimit(limits.rate, limits.burst)
        self._limit = AdaptiveLimit(limits.max_concurrency)
        self._in_flight = 0
        self.answered = self.troubled = 0
        """Attempts since the start that were answered well, and that met a sign of overload."""
        self._paused_until = float("-inf")
        self._is_paused = False
        """False if no pause is in force; True until somebody looks after its end."""
        self._lanes = tuple(OrderedDict[_Ticket, None]() for _ in Lane)

    @property
    def in_flight(self) -> int:
        """Places that are taken."""
        return self._in_flight

    @property
    def allowed(self) -> int:
        """Places that there are, at the moment."""
        return self._limit.value

    def take(self) -> bool:
        """A place for one attempt, if one is free and nobody waits; give it back by ``release``.

        The usual case, and the cheap one: without a rate or a pause, the clock is not asked.
        """
        if (
            self._in_flight >= self._limit.value
            or self._rate is not None
            or self._is_paused
            or any(self._lanes)
        ):
            return False
        self._in_flight += 1
        return True

    def permit(self, deadline: float, lane: Lane) -> Permit:
        """A place for one attempt, as an async context manager.

        Raises:
            LocalOverload: No place before the deadline, or too many wait; nothing was sent.
        """
        return Permit(self, deadline, lane)

    def pause(self, seconds: float) -> None:
        """Let nobody go for ``seconds``; a longer pause that is in force stays."""
        self._paused_until = max(self._paused_until, self._clock.monotonic() + seconds)
        self._is_paused = True

    def paused(self, now: float) -> float:
        """Seconds for which nobody may go from now on, because the server asked for it."""
        return max(0.0, self._paused_until - now)

    def clean(self) -> None:
        """An attempt was answered well."""
        self.answered += 1
        self._limit.clean()

    def trouble(self) -> None:
        """An attempt met a sign of overload."""
        self.troubled += 1
        self._limit.trouble(self._clock.monotonic())

    async def acquire(self, deadline: float, lane: Lane) -> None:
        """Wait for a place."""
        now = self._clock.monotonic()
        if self._in_flight < self._limit.value and self._delay(now) <= 0 and not self._ahead(lane):
            self._take(now)
            return
        line = self._lanes[lane]
        if len(line) >= self._most_waiting:
            raise overloaded(f"local overload: {len(line)} calls of this lane wait (max_waiting)")
        if now + self._delay(now, self._ahead(lane)) > deadline:
            raise self._too_late()
        ticket = _Ticket()
        line[ticket] = None
        try:
            await self._wait(ticket, deadline)
        except BaseException:
            self._withdraw(ticket, lane)
            raise

    def release(self) -> None:
        """Give a place back."""
        self._in_flight -= 1
        if any(self._lanes):
            self._dispatch()

    async def _wait(self, ticket: _Ticket, deadline: float) -> None:
        while True:
            self._dispatch()
            if ticket.granted:
                return
            now = self._clock.monotonic()
            first = self._in_flight < self._limit.value and self._first() is ticket
            delay = self._delay(now) if first else 0.0
            if now + delay >= deadline:
                raise self._too_late()
            if delay > 0:
                # Time is all that is missing: the first in line sleeps, for all the others.
                await self._clock.sleep(delay)
            else:
                with self._clock.limit(deadline - now) as scope:
                    await ticket.wake.wait()
                if scope.cancelled_caught and not ticket.granted:
                    raise self._too_late()
                ticket.wake = anyio.Event() if not ticket.granted else ticket.wake

    def _withdraw(self, ticket: _Ticket, lane: Lane) -> None:
        """A caller left: its place in the line, or the place it had just been given, goes on."""
        if ticket.granted:
            self.release()
        else:
            del self._lanes[lane][ticket]
            self._dispatch()

    def _dispatch(self) -> None:
        """Give free places to those who are next; wake the first who must wait for time."""
        now = self._clock.monotonic()
        while self._in_flight < self._limit.value:
            ticket = self._first()
            if ticket is None:
                return
            if self._delay(now) > 0:
                ticket.wake.set()
                return
            next(line for line in self._lanes if line).popitem(last=False)
            ticket.granted = True
            self._take(now)
            ticket.wake.set()

    def _take(self, now: float) -> None:
        self._in_flight += 1
        if self._rate is not None:
            self._rate.book(now)

    def _delay(self, now: float, ahead: int = 0) -> float:
        self._is_paused = self._paused_until > now
        rate = 0.0 if self._rate is None else self._rate.wait(now, ahead)
        return max(rate, self._paused_until - now)

    def _too_late(self) -> LocalOverload:
        """No place in time; where the server asked for the pause, with what is left of it."""
        error = overloaded("no place under the client's limits before the deadline")
        if (left := self._paused_until - self._clock.monotonic()) > 0:
            error.retry_after = left
        return error

    def _ahead(self, lane: Lane) -> int:
        """How many go before a call that now joins this lane."""
        return sum(map(len, self._lanes[: lane + 1]))

    def _first(self) -> _Ticket | None:
        return next((next(iter(line)) for line in self._lanes if line), None)


class Permit:
    """One place, held while an attempt is on the wire."""

    __slots__ = ("_deadline", "_lane", "_limiter")

    def __init__(self, limiter: Limiter, deadline: float, lane: Lane) -> None:
        self._limiter = limiter
        self._deadline = deadline
        self._lane = lane

    async def __aenter__(self) -> None:
        await self._limiter.acquire(self._deadline, self._lane)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._limiter.release()
