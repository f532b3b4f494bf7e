"""The journal of a job in one SQLite file: what is durable, and when. Source: correctness 3.3.

The barriers are those of ``ports``. One thread owns the connection. It takes whatever waits,
commits it as one transaction, tells those who wait, and takes whatever waits by then: under load
many rows share one commit. Results for which nobody waits do not wake it; they ride along with the
next commit, or go by themselves after a moment. After a failed commit nothing is written any more,
and every later call says so.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Final, TypeVar, cast

import anyio
from anyio import from_thread, to_thread
from anyio.lowlevel import EventLoopToken, current_token

from fincard_async.errors import JournalError, JournalMismatch

from .entry import Entry, Header, RowState, differs
from .migrations import FROM_FORMAT_1, DigestOfFormat1
from .planning import batches_of
from .ports import Plan
from .store import Connect, Store

T = TypeVar("T")

_CLOSE_SECONDS: Final = 30.0
_LINGER_SECONDS: Final = 0.25
"""How long a result may wait for company; a crash meanwhile costs a look-up (B3)."""
_ROWS_MISSING: Final = "the file is damaged: rows are missing; restore it, or move it away"
_OTHER_ROWS: Final = "use the same rows as before, or another job with its own journal"

_WHAT_DIFFERS: Final = {
    "row_id": "row_id",
    "generation": "generation",
    "target": "card",
    "amount": "amount",
    "withheld": "set of secret fields",
    "payload": "request",
}
"""By field of an entry, the first that differs is named."""


@dataclass(slots=True, eq=False)
class _Job:
    """One thing for the thread to do, for which somebody waits: write entries, or call."""

    entries: Sequence[Entry] = ()
    call: Callable[[], object] | None = None
    done: anyio.Event = field(default_factory=anyio.Event)
    result: object = None
    error: Exception | None = field(default=None, repr=False)


class SqliteJournal:
    """A journal in one SQLite file, made readable for its owner only.

    ``BulkIssue.run`` opens, locks and closes it. Each job needs a file of its own, and the file
    must stay on a local disk until the job is complete. Put it into a folder that only you can read
    (mode 0700): names of files there are visible to whoever can list it.

    Args:
        path: The file; it is made if it does not exist. ``NAME.lock`` beside it tells, while a run
            holds it, which process that is.
        connect: Makes the connection in place of ``sqlite3.connect``; for tests.
        any_file_system: Accept a network file system, where neither locks nor syncs can be relied
            on.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        connect: Connect = sqlite3.connect,
        any_file_system: bool = False,
    ) -> None:
        self.path = Path(path)
        self._store = Store(self.path, connect, any_file_system=any_file_system)
        self._jobs: deque[_Job | Entry | None] = deque()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._token: EventLoopToken | None = None
        self._failure: JournalError | None = None
        self._header: Header | None = None
        self._pid = os.getpid()

    @property
    def header(self) -> Header:
        """What the open journal belongs to."""
        if self._header is None:
            raise JournalError(f"the journal {self.path} is not open")
        return self._header

    async def open(self, header: Header, plan: Plan) -> None:
        """Lock the file, and write the rows (B1) or compare them with those that it has.

        Raises:
            InputError: Rows are faulty; no file is left behind.
            JournalLocked: Another run holds it; the message says which process.
            JournalMismatch: It belongs to something else; the message says to what.
            JournalError: It cannot be used.
        """
        self._start()
        try:
            found = await self._ask(lambda: self._store.open(make=True))
            self._header = await (
                self._write_plan(header, plan)
                if found is None
                else self._compare(found, header, plan)
            )
        except BaseException:
            await self.close()
            raise

    async def attach(self) -> Header:
        """Lock a file that exists, whatever it belongs to; its rows are not compared.

        Raises:
            JournalLocked: Another run holds it; the message says which process.
            JournalError: There is none, or it cannot be used.
        """
        self._start()
        try:
            found = await self._ask(lambda: self._store.open(make=False))
            if found is None:
                raise self._error("has no rows yet")
            self._header = found
        except BaseException:
            await self.close()
            raise
        return found

    async def _write_plan(self, header: Header, plan: Plan) -> Header:
        await self._ask(self._store.begin_plan)
        async with batches_of(plan) as batches:
            async for batch in batches:
                for entry, first in await self._ask(self._adding(batch, plan)):
                    plan.repeated(entry, first)
        complete = Header(
            job=header.job,
            kind=header.kind,
            server=header.server,
            tenant=header.tenant,
            input=plan.finish(),
        )
        await self._ask(lambda: self._store.finish_plan(complete))
        return complete

    def _adding(self, batch: Sequence[Entry], plan: Plan) -> Callable[[], list[tuple[Entry, int]]]:
        mark = plan.mark
        return lambda: self._store.plan(batch, mark)

    async def _compare(self, found: Header, wanted: Header, plan: Plan) -> Header:
        """Refuse a journal of something else, and say of what; give format 1 its requests."""
        if words := differs(found, wanted):
            raise self._mismatch(words)
        if found.input.startswith(FROM_FORMAT_1):
            return await self._fill_in(found, plan)
        before, last = await self._ask(self._store.size)
        if before != last + 1:
            raise self._error(_ROWS_MISSING)
        compared = 0
        async with batches_of(plan, await self._ask(self._store.marks)) as batches:
            async for batch in batches:
                compared += len(batch)
                stored = await self.read((), after=batch[0].seq - 1, limit=len(batch))
                for mine, planned in zip(stored, batch, strict=False):
                    self._check_same(mine, planned)
        digest = plan.finish()
        if compared == plan.rows:  # else rows were left out, whose marks say that they are the same
            self._check_all(found, digest, before, compared)
        elif before != plan.rows:
            raise self._other_count(before, plan.rows)
        return found

    def _check_all(self, found: Header, digest: str, before: int, now: int) -> None:
        if digest == found.input:
            if before != now:
                raise self._error(_ROWS_MISSING)
        elif before != now:
            raise self._other_count(before, now)
        else:
            raise self._mismatch(f"other rows; {_OTHER_ROWS}")

    def _other_count(self, before: int, now: int) -> JournalError:
        return self._mismatch(f"other rows: {before} and not {now}; {_OTHER_ROWS}")

    def _check_same(self, mine: Entry, planned: Entry) -> None:
        """Name the first difference of a row that is not what it was."""
        for name, what in _WHAT_DIFFERS.items():
            if getattr(mine, name) != getattr(planned, name):
                where = f"row {planned.seq + 1} has another {what} than before"
                raise self._mismatch(f"other rows: {where}; {_OTHER_ROWS}")

    async def _fill_in(self, found: Header, plan: Plan) -> Header:
        before = DigestOfFormat1()
        await self._ask(self._store.begin_filling_in)
        async with batches_of(plan) as batches:
            async for batch in batches:
                before.add(batch)
                await self._ask(self._filling(batch, plan))
        digest = plan.finish()
        if FROM_FORMAT_1 + before.value() != found.input:
            raise self._mismatch(f"other rows; {_OTHER_ROWS}")
        await self._ask(lambda: self._store.finish_filling_in(digest))
        return await self._ask(self._store.header)

    def _filling(self, batch: Sequence[Entry], plan: Plan) -> Callable[[], None]:
        mark = plan.mark
        return lambda: self._store.fill_in(batch, mark)

    async def commit(self, entries: Sequence[Entry]) -> None:
        """Bring entries up to date; they are durable when this returns (B2).

        Raises:
            JournalError: This or an earlier commit failed; nothing may be sent any more.
        """
        await self._wait_for(_Job(entries))

    def record(self, entry: Entry) -> None:
        """Bring an entry up to date soon (B3); an error shows at the next call."""
        self._jobs.append(entry)

    async def flush(self) -> None:
        """Return when everything recorded so far is durable (B4)."""
        await self.commit(())

    def check(self) -> None:
        """Raise if a commit has failed: nothing may be sent any more."""
        self._check_process()
        if self._failure is not None:
            raise _again(self._failure)

    async def read(
        self,
        states: Iterable[RowState],
        *,
        after: int,
        limit: int,
        until: int | None = None,
        in_turn: bool = False,
    ) -> list[Entry]:
        """Entries with ``after < seq <= until``, in order; see ``ports.Journal.read``."""
        return await self._ask(lambda: self._store.read(states, after, limit, until, in_turn))

    async def find(self, order_nos: Sequence[str]) -> list[Entry]:
        """Entries with any of these order numbers."""
        return await self._ask(lambda: self._store.find(order_nos))

    async def counts(self, *, after: int = -1, until: int | None = None) -> dict[RowState, int]:
        """How many rows with ``after < seq <= until`` are in each state."""
        return await self._ask(lambda: self._store.counts(after, until))

    async def close(self) -> None:
        """Commit what is recorded and let go of the file, even when cancelled.

        A disk that does not answer cannot hold this up: what is not committed is looked up later.
        """
        if (thread := self._thread) is not None:
            self._thread = self._header = None
            self._put(None)
            with anyio.move_on_after(_CLOSE_SECONDS, shield=True):
                await to_thread.run_sync(thread.join, abandon_on_cancel=True)

    def _start(self) -> None:
        if self._thread is not None:
            raise self._error("is in use by another run of this process")
        self._failure = None
        self._jobs = deque()
        self._wake = threading.Event()
        self._token = current_token()
        self._pid = os.getpid()
        self._thread = threading.Thread(target=self._work, name="fincard-journal", daemon=True)
        self._thread.start()

    def _put(self, job: _Job | None) -> None:
        self._jobs.append(job)
        self._wake.set()

    async def _ask(self, call: Callable[[], T]) -> T:
        return cast(T, await self._wait_for(_Job(call=call)))

    async def _wait_for(self, job: _Job) -> object:
        self._check_process()
        if self._thread is None:
            raise self._error("is not open")
        self._put(job)
        await job.done.wait()
        if job.error is not None:
            raise _again(job.error)
        return job.result

    def _check_process(self) -> None:
        """A child has neither the thread nor the lock; what it would write, nobody would read."""
        if os.getpid() != self._pid:
            raise self._error("belongs to the process that opened it, not to its child")

    def _error(self, what: str) -> JournalError:
        return JournalError(f"the journal {self.path}: {what}")

    def _mismatch(self, owner: str) -> JournalMismatch:
        return JournalMismatch(f"the journal {self.path}: belongs to {owner}")

    # -- In the thread -----------------------------------------------------------------------------

    def _work(self) -> None:
        going_on = True
        while going_on:
            self._wake.wait(_LINGER_SECONDS)
            self._wake.clear()
            jobs = [self._jobs.popleft() for _ in range(len(self._jobs))]
            going_on = None not in jobs
            found = [job for job in jobs if job is not None]
            for asking, group in groupby(found, key=_is_question):
                (self._answer if asking else self._write)(tuple(group))
            self._tell([job.done for job in found if isinstance(job, _Job)])
        self._store.close()

    def _write(self, jobs: Sequence[_Job | Entry]) -> None:
        latest: dict[int, Entry] = {}
        for job in jobs:
            for entry in job.entries if isinstance(job, _Job) else (job,):
                latest[entry.seq] = entry
        if latest and self._failure is None:
            try:
                self._store.write(tuple(latest.values()))
            except Exception as error:  # noqa: BLE001 - nobody knows what is on the disk now
                if not isinstance(error, JournalError):
                    error = self._error(f"failed: {type(error).__name__}")
                self._failure = error
        for job in jobs:
            if isinstance(job, _Job):
                job.error = self._failure

    def _answer(self, jobs: Sequence[_Job | Entry]) -> None:
        for job in jobs:
            assert isinstance(job, _Job)
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


def _is_question(job: _Job | Entry) -> bool:
    return isinstance(job, _Job) and job.call is not None


def _set_all(waiters: Iterable[anyio.Event]) -> None:
    for waiter in waiters:
        waiter.set()


def _again(error: Exception) -> Exception:
    """The same error for another raise: a shared one would collect the tracebacks of all."""
    return type(error)(error.message) if isinstance(error, JournalError) else error
