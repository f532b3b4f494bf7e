"""A worker: takes chunks from the queue and runs them, until it is told to stop.

What cannot be done now goes back into the queue with a pause. What would not get better by itself
ends the worker: credentials that are refused, or several chunks in a row that stopped because rows
went wrong.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Final

import anyio

from fincard_async._runtime.ports import SystemClock
from fincard_async._sansio.secret import Secret
from fincard_async.client import FincardClient
from fincard_async.errors import FincardError, JournalError, JournalLocked

from .chunks import ChunkReport, run_chunk
from .engine import EngineSettings
from .pgqueuer import AT_ONCE, HEARTBEAT_SECONDS, ChunkName, Line, work
from .postgres import Place, SharedRate
from .postgres.connect import as_place
from .postgres.lease import LEASE_SECONDS
from .stopping import Stop

logger = logging.getLogger("fincard_async")

AGAIN_SECONDS: Final = 10.0
"""Pause before a chunk whose rows are not at rest, or whose journal failed, is taken up again."""
STOPS_IN_A_ROW: Final = 3
"""So many chunks that stopped by themselves, one after the other, end the worker."""

Told = Callable[[ChunkName, ChunkReport | FincardError], None]


async def run_worker(
    client: FincardClient,
    url: str | Secret | Place,
    *,
    stop: anyio.Event,
    settings: EngineSettings | None = None,
    rate: SharedRate | None = None,
    lease: float = LEASE_SECONDS,
    heartbeat: float = HEARTBEAT_SECONDS,
    again: float = AGAIN_SECONDS,
    until_empty: bool = False,
    told: Told | None = None,
) -> str | None:
    """Work at the chunks that wait for this client's server and tenant.

    Args:
        client: Who calls.
        url: The database; see ``PostgresJournal``.
        stop: Set it to take nothing new, let rows in flight come to their answer, and hand the
            chunks back.
        settings: How rows are carried out; ``concurrency`` is that of the worker as a whole.
        rate: Calls per second of all machines together.
        lease: See ``run_chunk``.
        heartbeat: Seconds after which PgQueuer gives the chunks of a silent worker to another.
        again: Seconds before a chunk that is not at rest is taken up again.
        until_empty: End when no chunk waits any more.
        told: Called after each chunk with its report, or with the error that ended it.

    Returns:
        Why it ended by itself; None if it was asked to, or if no chunk waits.

    Raises:
        MissingExtraError: PgQueuer or asyncpg is not installed.
        Unauthenticated, PermissionDenied, UsageError: No chunk would fare better.
    """
    place = as_place(url)
    settings = settings or EngineSettings(final_timeout=30.0)
    settings = replace(settings, concurrency=max(1, settings.concurrency // AT_ONCE))
    worker = _Worker(client, place, stop, settings, rate, lease, again, told)
    line = Line(client.origin, client.tenant_id)
    await work(place, line, worker.handle, stop, heartbeat=heartbeat, until_empty=until_empty)
    if worker.failure is not None:
        raise worker.failure
    return worker.reason


class _Worker:
    """What one worker knows."""

    def __init__(
        self,
        client: FincardClient,
        place: Place,
        stop: anyio.Event,
        settings: EngineSettings,
        rate: SharedRate | None,
        lease: float,
        again: float,
        told: Told | None,
    ) -> None:
        self._client = client
        self._place = place
        self._stop = stop
        self._settings = settings
        self._rate = rate
        self._lease = lease
        self._again = again
        self._told = told
        self._stops = 0
        self.failure: FincardError | None = None
        self.reason: str | None = None

    async def handle(self, name: ChunkName) -> float | None:
        """Run a chunk; None if it is done, else the seconds after which it comes back."""
        outcome = await self._run(name)
        self._tell(name, outcome)
        if isinstance(outcome, ChunkReport):
            return self._after(outcome)
        if isinstance(outcome, JournalLocked):
            return self._lease
        if not isinstance(outcome, JournalError):
            self.failure = self.failure or outcome
            self._stop.set()
        return self._again

    async def _run(self, name: ChunkName) -> ChunkReport | FincardError:
        asked = Stop(SystemClock())
        listening = asyncio.create_task(self._pass_on(asked))
        try:
            return await run_chunk(
                self._client,
                self._place,
                job=name.job,
                chunk=name.chunk,
                settings=self._settings,
                rate=self._rate,
                lease=self._lease,
                stop=asked,
            )
        except FincardError as error:
            return error
        finally:
            listening.cancel()

    async def _pass_on(self, asked: Stop) -> None:
        await self._stop.wait()
        asked.ask()

    def _after(self, report: ChunkReport) -> float | None:
        reason = report.rows.reason
        self._stops = 0 if reason is None else self._stops + 1
        if self._stops >= STOPS_IN_A_ROW:
            self.reason = reason
            self._stop.set()
        if report.at_rest:
            return None
        return 0.0 if self._stop.is_set() and reason is None else self._again

    def _tell(self, name: ChunkName, outcome: ChunkReport | FincardError) -> None:
        if self._told is None:
            return
        try:
            self._told(name, outcome)
        except Exception as error:  # noqa: BLE001 - foreign code; nothing that watches ends a run
            self._told = None
            logger.warning("callback of the worker dropped after %s", type(error).__name__)
