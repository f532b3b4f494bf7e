"""The journal of a job: what is durable, and when. Source: correctness 3.3.

::

    B1  every row is in the journal before the first is sent            open()
    B2  an intent is committed before the first byte of its request     await commit()
    B3  a result is written soon; losing it costs one look-up           record()
    B4  everything is committed before the report                       await flush()

One thread owns the connection. It takes whatever waits, commits it as one transaction, tells those
who wait, and takes whatever waits by then: under load many rows share one commit, and no row waits
for a timer. After a failed commit nothing is written any more, and every later call says so.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TypeVar, cast

import anyio
from anyio import from_thread, to_thread
from anyio.lowlevel import EventLoopToken, current_token

from fincard_async.errors import JournalError

from .plan import Entry, RowState
from .store import Connect, Header, Store

T = TypeVar("T")

_CLOSE_SECONDS = 30.0
_LINGER_SECONDS = 0.02
_MOST_KEPT = 256


@dataclass(slots=True, eq=False)
class _Job:
    """One thing for the thread to do: bring entries up to date, or call a function."""

    entries: Sequence[Entry] = ()
    call: Callable[[], object] | None = None
    done: anyio.Event | None = None
    result: object = None
    error: Exception | None = field(default=None, repr=False)


class SqliteJournal:
    """A journal in one SQLite file, made readable for its owner only.

    ``BulkIssue.run`` opens, locks and closes it. Each job needs a file of its own, and the file
    must stay on a local disk until the job is complete.

    Args:
        path: The file; it is made if it does not exist.
        connect: Makes the connection in place of ``sqlite3.connect``; for tests.
    """

    def __init__(self, path: str | os.PathLike[str], *, connect: Connect = sqlite3.connect) -> None:
        self.path = Path(path)
        self._store = Store(self.path, connect)
        self._queue: SimpleQueue[_Job | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._token: EventLoopToken | None = None
        self._failure: JournalError | None = None

    async def open(self, header: Header, entries: Sequence[Entry]) -> None:
        """Lock the file and write, or compare, the header and the rows (B1).

        Raises:
            JournalLocked: Another run holds it; the message names the file.
            JournalError: It cannot be used or belongs to something else; the message says to what.
        """
        if self._thread is not None:
            raise JournalError(f"the journal {self.path} is in use by another run of this process")
        self._failure = None
        self._queue = SimpleQueue()
        self._token = current_token()
        self._thread = threading.Thread(target=self._work, name="fincard-journal", daemon=True)
        self._thread.start()
        try:
            await self._ask(lambda: self._store.open(header, entries))
        except BaseException:
            await self.close()
            raise

    async def commit(self, entries: Sequence[Entry]) -> None:
        """Bring entries up to date; they are durable when this returns (B2).

        Raises:
            JournalError: This or an earlier commit failed; nothing may be sent any more.
        """
        await self._wait_for(_Job(entries))

    def record(self, entry: Entry) -> None:
        """Bring an entry up to date soon (B3); an error shows at the next call."""
        self._queue.put(_Job((entry,)))

    async def flush(self) -> None:
        """Return when everything recorded so far is durable (B4)."""
        await self.commit(())

    def check(self) -> None:
        """Raise if a commit has failed: nothing may be sent any more."""
        if self._failure is not None:
            raise _again(self._failure)

    async def read(self, states: Iterable[RowState], *, after: int, limit: int) -> list[Entry]:
        """Entries with a ``seq`` above ``after``, in order: in any of these states, or all."""
        return await self._ask(lambda: self._store.read(states, after, limit))

    async def find(self, order_nos: Sequence[str]) -> list[Entry]:
        """Entries with any of these order numbers."""
        return await self._ask(lambda: self._store.find(order_nos))

    async def counts(self) -> dict[RowState, int]:
        """How many rows are in each state."""
        return await self._ask(self._store.counts)

    async def close(self) -> None:
        """Commit what is recorded and let go of the file, even when cancelled.

        A disk that does not answer cannot hold this up: what is not committed is looked up later.
        """
        if (thread := self._thread) is not None:
            self._thread = None
            self._queue.put(None)
            with anyio.move_on_after(_CLOSE_SECONDS, shield=True):
                await to_thread.run_sync(thread.join, abandon_on_cancel=True)

    async def _ask(self, call: Callable[[], T]) -> T:
        return cast(T, await self._wait_for(_Job(call=call)))

    async def _wait_for(self, job: _Job) -> object:
        job.done = anyio.Event()
        self._queue.put(job)
        await job.done.wait()
        if job.error is not None:
            raise _again(job.error)
        return job.result

    # -- In the thread -----------------------------------------------------------------------------

    def _work(self) -> None:
        going_on = True
        while going_on:
            jobs = self._waiting()
            going_on = jobs[-1] is not None
            found = [job for job in jobs if job is not None]
            for writing, group in groupby(found, key=lambda job: job.call is None):
                (self._write if writing else self._answer)(tuple(group))
            self._tell([job.done for job in found if job.done is not None])
        self._store.close()

    def _waiting(self) -> list[_Job | None]:
        """Everything that waits, at least one; None is the last.

        Results for which nobody waits are kept for a moment, to share a commit with what comes.
        """
        jobs: list[_Job | None] = []
        urgent = False
        while not jobs or jobs[-1] is not None:
            try:
                job = self._queue.get(timeout=_wait(urgent, len(jobs)))
            except Empty:
                break
            jobs.append(job)
            urgent = urgent or job is None or job.done is not None
        return jobs

    def _write(self, jobs: Sequence[_Job]) -> None:
        entries = [entry for job in jobs for entry in job.entries]
        if entries and self._failure is None:
            try:
                self._store.write(entries)
            except JournalError as error:
                self._failure = error
        for job in jobs:
            job.error = self._failure

    def _answer(self, jobs: Sequence[_Job]) -> None:
        for job in jobs:
            assert job.call is not None
            try:
                job.result = job.call()
            except Exception as error:  # noqa: BLE001 - whatever it is, somebody waits for it
                job.error = error

    def _tell(self, waiters: Sequence[anyio.Event]) -> None:
        if waiters:
            try:
                from_thread.run_sync(_set_all, waiters, token=self._token)
            except RuntimeError:
                """The event loop is gone, and with it everyone who waited."""


def _wait(urgent: bool, kept: int) -> float | None:
    """Seconds to wait for one more job; None for as long as it takes."""
    if kept == 0:
        return None
    return 0.0 if urgent or kept >= _MOST_KEPT else _LINGER_SECONDS


def _set_all(waiters: Iterable[anyio.Event]) -> None:
    for waiter in waiters:
        waiter.set()


def _again(error: Exception) -> Exception:
    """The same error for another raise: a shared one would collect the tracebacks of all."""
    return type(error)(error.message) if isinstance(error, JournalError) else error
