"""One session that holds rows: it carries every write and every read, one after the other.

It takes whatever waits, commits it as one transaction, tells those who wait, and takes whatever
waits by then: under load many rows share one commit, and no row waits for a timer. When nothing
waits it writes all the same, now and then, to put its lease off. After the first error nothing is
written any more, and every later call says so.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final, TypeVar, cast

import anyio

from fincard_async.bulk.entry import Entry
from fincard_async.errors import JournalError, JournalLocked

from .connect import Connection, broken, translated
from .lease import BEATS, TRUSTED, Hold
from .records import to_arrays
from .statements import HOLDER, LET_GO, WRITE

T = TypeVar("T")

_CLOSE_SECONDS: Final = 30.0
_LINGER_SECONDS: Final = 0.02
_MOST_KEPT: Final = 256


@dataclass(slots=True, eq=False)
class _Job:
    """One thing for the session to do: bring entries up to date, or call a function."""

    entries: Sequence[Entry] = ()
    call: Callable[[Connection], Awaitable[object]] | None = None
    done: asyncio.Future[object] | None = None


class Session:
    """A connection whose session holds rows.

    Args:
        connection: The session.
        hold: What it holds.
        name: Of the database, for messages.
    """

    def __init__(self, connection: Connection, hold: Hold, name: str) -> None:
        self.hold = hold
        self._connection = connection
        self._name = name
        self._queue: deque[_Job | None] = deque()
        self._arrived = asyncio.Event()
        self._failure: JournalError | None = None
        self._task = asyncio.create_task(self._work())

    async def commit(self, entries: Sequence[Entry]) -> None:
        """Bring entries up to date; they are durable when this returns."""
        await self._wait_for(_Job(entries))

    def record(self, entry: Entry) -> None:
        """Bring an entry up to date soon."""
        self._put(_Job((entry,)))

    async def ask(self, call: Callable[[Connection], Awaitable[T]]) -> T:
        """Call a function with the connection, after everything that was asked for before."""
        return cast(T, await self._wait_for(_Job(call=call)))

    def check(self) -> None:
        """Raise if a write has failed, or if others may have taken the rows by now."""
        if self._failure is None and self._connection.is_closed():
            self._fail(broken(self._name))
        if self._failure is None and not self.hold.alive():
            self._fail(
                JournalError(
                    f"the journal in {self._name}: this process was held up, or the server did not"
                    f" answer, for {self.hold.lease * TRUSTED:.0f} s, so that others may have taken"
                    " its rows. Nothing was sent after this; run the same job again"
                )
            )
        if self._failure is not None:
            raise _again(self._failure)

    async def close(self) -> None:
        """Make durable what is recorded and let go, even when cancelled.

        A server that does not answer cannot hold this up: what is not written is looked up later.
        """
        self._queue.append(None)
        self._arrived.set()
        with anyio.move_on_after(_CLOSE_SECONDS, shield=True):
            await self._task
        self._connection.terminate()

    async def _wait_for(self, job: _Job) -> object:
        job.done = asyncio.get_running_loop().create_future()
        self._put(job)
        return await asyncio.shield(job.done)

    def _put(self, job: _Job) -> None:
        self._queue.append(job)
        self._arrived.set()

    async def _work(self) -> None:
        going_on = True
        while going_on:
            jobs = await self._waiting()
            going_on = None not in jobs
            found = [job for job in jobs if job is not None]
            if not found and going_on:
                found = [_Job()]
            for writing, group in groupby(found, key=lambda job: job.call is None):
                work = self._write if writing else self._answer
                await work(tuple(group))
        await self._let_go()

    async def _waiting(self) -> list[_Job | None]:
        """Everything that waits, None as the last; nothing, if it is time for a sign of life.

        Results for which nobody waits are kept for a moment, to share a commit with what comes.
        """
        if not self._queue:
            await self._arrival(self.hold.lease / BEATS)
        while self._queue and len(self._queue) < _MOST_KEPT and not self._urgent():
            if not await self._arrival(_LINGER_SECONDS):
                break
        jobs = list(self._queue)
        self._queue.clear()
        return jobs

    def _urgent(self) -> bool:
        return any(job is None or job.done is not None for job in self._queue)

    async def _arrival(self, seconds: float) -> bool:
        self._arrived.clear()
        with anyio.move_on_after(seconds):
            await self._arrived.wait()
            return True
        return False

    async def _write(self, jobs: Sequence[_Job]) -> None:
        entries = [entry for job in jobs for entry in job.entries]
        error: Exception | None = self._failure
        if error is None:
            try:
                await self._commit(entries)
            except JournalError as failure:
                error = self._failure or self._fail(failure)
            except Exception as unforeseen:  # noqa: BLE001 - whatever it is, somebody waits for it
                error = self._fail(JournalError(f"the journal failed: {type(unforeseen).__name__}"))
        for job in jobs:
            _tell(job, error)

    async def _commit(self, entries: Sequence[Entry]) -> None:
        hold, connection = self.hold, self._connection
        arrays = to_arrays(entries)
        began = hold.clock()
        with translated(self._name):
            found = await connection.fetchrow(
                WRITE,
                hold.job_id,
                hold.chunk,
                hold.epoch,
                hold.lease,
                hold.first,
                hold.last,
                *arrays,
                timeout=hold.lease * TRUSTED,
            )
            assert found is not None
            mine, written = found
            if not mine:
                holder = await connection.fetchval(HOLDER, hold.job_id, hold.chunk)
                raise JournalLocked(
                    f"the journal in {self._name}: these rows were taken over by"
                    f" {holder or 'another worker'}; nothing was written or sent after that"
                )
        if written != len(arrays[0]):
            raise JournalError(
                f"the journal in {self._name}: rows are missing; restore the database"
            )
        hold.beat = began

    async def _answer(self, jobs: Sequence[_Job]) -> None:
        for job in jobs:
            assert job.call is not None
            if self._failure is not None:
                _tell(job, self._failure)
                continue
            try:
                with translated(self._name):
                    _tell(job, None, await job.call(self._connection))
            except Exception as error:  # noqa: BLE001 - whatever it is, somebody waits for it
                _tell(job, error)

    async def _let_go(self) -> None:
        try:
            if self._failure is None:
                hold = self.hold
                await self._connection.fetchval(LET_GO, hold.job_id, hold.chunk, hold.epoch)
                await self._connection.close(timeout=1.0)
        except Exception:  # noqa: BLE001
            """The session ends anyway, and its locks with it."""

    def _fail(self, failure: JournalError) -> JournalError:
        self._failure = failure
        return failure


def _tell(job: _Job, error: Exception | None, result: object = None) -> None:
    if job.done is None or job.done.done():
        return
    if error is None:
        job.done.set_result(result)
    else:
        job.done.set_exception(_again(error))
        job.done.exception()  # whoever was cancelled does not ask for it


def _again(error: Exception) -> Exception:
    """The same error for another raise: a shared one would collect the tracebacks of all."""
    return type(error)(error.message) if isinstance(error, JournalError) else error
