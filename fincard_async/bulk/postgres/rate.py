"""One rate for any number of machines, kept by one row in PostgreSQL.

The row holds the moment from which on places are free (GCRA). A worker reserves a block of places
by moving that moment on, in one statement, and spends them one by one at the times they are for.
Blocks never overlap, so that all workers together keep the rate, in whatever order they ask. A
worker that dies with a block leaves its places unused: the rate is a little lower for that long,
never higher. A place that is not used in time is thrown away, so that a worker that was paused does
not wake up with a burst.

A block is as large as the line of those who wait here, up to half a second of the whole rate.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

import anyio

from fincard_async._runtime.ports import Clock, SystemClock
from fincard_async._sansio.outcome import not_sent
from fincard_async._sansio.secret import Secret
from fincard_async.errors import ConfigError, ConnectFailed, JournalError

from .connect import Connection, Place, as_place, translated
from .schema import migrate

BLOCK_SECONDS: Final = 0.5
KEPT_SECONDS: Final = 1.0
"""So long after its time a place may still be used."""
_NOW: Final = "extract(epoch FROM clock_timestamp())::double precision"
_MOST_AHEAD: Final = 3600.0
"""Seconds; a row that is further ahead was written under a clock that has been set back."""
_RESERVE: Final = f"""
    INSERT INTO fincard.rates AS r (name, next_at)
    VALUES ($1, {_NOW} + $2::double precision * $3::integer)
    ON CONFLICT (name) DO UPDATE SET next_at = $2 * $3 + CASE
        WHEN r.next_at BETWEEN {_NOW} AND {_NOW} + {_MOST_AHEAD} THEN r.next_at ELSE {_NOW} END
    RETURNING r.next_at - $2 * $3 - {_NOW}
"""
_SECONDS: Final = 5.0


class SharedRate:
    """Calls per second of all machines together; give it to ``run_chunk``.

    Args:
        url: The database.
        name: Who shares it: everybody with the same name in the same database. Such as the name
            of the server and the tenant whose limit it is.
        rate: Calls per second; the same everywhere.
        burst: Calls that may start at once after a pause.
        clock: Time of this process; for tests.
    """

    def __init__(
        self,
        url: str | Secret | Place,
        *,
        name: str,
        rate: float,
        burst: int = 1,
        clock: Clock | None = None,
    ) -> None:
        if not rate > 0 or burst < 1 or not name:
            raise ConfigError("rate must be more than 0, burst at least 1, and name not empty")
        self._place = as_place(url)
        self._name = name
        self._interval = 1.0 / rate
        self._slack = (burst - 1) * self._interval
        self._largest = max(1, int(rate * BLOCK_SECONDS))
        self._clock = clock or SystemClock()
        self._turn = anyio.Lock()
        self._waiting = 0
        self._places: deque[float] = deque()
        self._connection: Connection | None = None

    async def acquire(self, deadline: float) -> None:
        """Wait for a place; first come first served in this process.

        Raises:
            ConnectFailed: None before the deadline, or the database cannot be asked; nothing was
                sent. ``retry_after`` is the time until there may be one.
        """
        self._waiting += 1
        try:
            with self._clock.limit(deadline - self._clock.monotonic()):
                async with self._turn:
                    await self._take(deadline)
                    return
        finally:
            self._waiting -= 1
        raise _too_late(self._interval)

    async def aclose(self) -> None:
        """Close the connection; a later ``acquire`` opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()

    async def _take(self, deadline: float) -> None:
        """Sleep until the next place, for all who are in line behind."""
        while True:
            while self._places and self._places[0] < self._clock.monotonic() - KEPT_SECONDS:
                self._places.popleft()
            if not self._places:
                await self._reserve()
            delay = self._places[0] - self._clock.monotonic()
            if delay <= 0:
                self._places.popleft()
                return
            if self._places[0] >= deadline:
                raise _too_late(delay)
            await self._clock.sleep(delay)

    async def _reserve(self) -> None:
        count = min(max(1, self._waiting), self._largest)
        try:
            with translated(self._place.name):
                connection = await self._connect()
                wait: float = await connection.fetchval(
                    _RESERVE, self._name, self._interval, count, timeout=_SECONDS
                )
        except JournalError as error:
            await self.aclose()
            raise not_sent(f"the shared rate cannot be asked: {error.message}") from None
        now = self._clock.monotonic()
        first = wait - self._slack
        self._places += (now + max(0.0, first + n * self._interval) for n in range(count))

    async def _connect(self) -> Connection:
        if self._connection is None or self._connection.is_closed():
            self._connection = await self._place.connect()
            await migrate(self._connection, self._place.name)
            # Nothing is lost with the last reservation but a moment's evenness.
            await self._connection.execute("SET synchronous_commit = off")
        return self._connection


def _too_late(seconds: float) -> ConnectFailed:
    error = not_sent("no place in the shared rate before the deadline")
    error.retry_after = seconds
    return error


class RowsGate:
    """Lets an attempt go when the shared rate has a place for it and the rows are still held.

    Args:
        check: Raises a JournalError if they may not be held any more; it is called last, so that
            nothing but the first byte comes after it.
        rate: Of all machines; None for no limit.
    """

    def __init__(self, check: Callable[[], None], rate: SharedRate | None = None) -> None:
        self._check = check
        self._rate = rate

    async def enter(self, deadline: float) -> None:
        """Wait for a place, then check; see ``Gate``."""
        if self._rate is not None:
            await self._rate.acquire(deadline)
        try:
            self._check()
        except JournalError as error:
            raise not_sent(error.message) from None
