"""Issues the cards of a job.

::

    run   journal: lock, plan (B1)
          rows of earlier runs whose outcome is unknown: look up, then perhaps send
          planned rows: intents (B2), then send            meanwhile, accepted rows are polled
          accepted rows: polled to the end
          journal: flush (B4), report

Whatever ends a run early lets every order in flight come to its answer, which is worth waiting for.
Only cancellation does not wait; then the intents stand, and the next run begins with a look-up.
"""

from __future__ import annotations

from collections.abc import (
    AsyncGenerator,
    Awaitable,
    Callable,
    Collection,
    Generator,
    Iterable,
    Sequence,
)
from contextlib import contextmanager
from dataclasses import replace
from typing import Final, TypeAlias

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from fincard_async._runtime.ports import Clock, SystemClock
from fincard_async.client import FincardClient
from fincard_async.errors import UsageError, ValidationError

from .checks import digest, plan_rows
from .driver import Driver
from .journal import SqliteJournal
from .plan import UNSETTLED, Entry, RowState
from .polling import Poller
from .report import Progress, Report, RowResult, Tally, sum_received, to_result
from .rows import IssueRow
from .stopping import Stop
from .store import Header

READ_AT_ONCE: Final = 1000
INTENTS_AHEAD: Final = 2
"""Intents that are made durable together, for each row under way: so many more look-ups after a
crash, and so many fewer waits for the disk."""

_Work: TypeAlias = tuple[Entry, bool]
"""A row, and whether its next attempt is durable already."""


class BulkIssue:
    """Issues the cards of a job, each exactly once, over as many runs as it takes.

    ::

        job = BulkIssue(client, journal=SqliteJournal("cards.journal"))
        report = await job.run(rows, job="2026-11-payroll")

    Run it again with the same rows, job and journal to go on after an interruption or a crash:
    final rows are skipped, rows whose outcome is unknown are looked up, the rest is sent. The order
    number of a row depends on the names of the job and the row only, so even a run whose journal
    was lost finds the cards of the run before: the server refuses the numbers, and the look-up
    adopts the cards.

    Args:
        client: Who issues. Its limits and time-outs hold.
        journal: What is remembered between runs; one file for each job.
        concurrency: Rows under way at once.
        progress: Called at every change, in the event loop; it must be quick.
        final_timeout: Seconds to wait, after the last row was sent, for accepted orders to become
            final. Rows that are not final by then are followed by the next run.
        clock: Time; for tests.
    """

    def __init__(
        self,
        client: FincardClient,
        *,
        journal: SqliteJournal,
        concurrency: int = 8,
        progress: Callable[[Progress], None] | None = None,
        final_timeout: float = 120.0,
        clock: Clock | None = None,
    ) -> None:
        if concurrency < 1:
            raise ValidationError("concurrency must be at least 1")
        self._client = client
        self._journal = journal
        self._concurrency = concurrency
        self._progress = progress
        self._final_timeout = final_timeout
        self._clock = clock or SystemClock()
        self._stop = Stop(self._clock)
        self._running = False

    async def run(self, rows: Iterable[IssueRow], *, job: str) -> Report:
        """Issue what is not issued yet, and report on every row.

        Args:
            rows: The same rows, in the same order, in every run of the job.
            job: Name of the job: another name is another set of cards.

        Raises:
            ValidationError: A row breaks a rule; nothing was sent.
            JournalLocked: Another run holds the journal.
            JournalError: The journal cannot be used, or could not be written any more; rows that
                were under way then are looked up by the next run.
            Unauthenticated, PermissionDenied, UsageError: No row would fare better.
        """
        if self._running:
            raise UsageError("this job is running")
        self._running = True
        try:
            return await self._run(tuple(rows), job)
        finally:
            self._running = False
            self._stop = Stop(self._clock)

    def stop(self) -> None:
        """Send nothing new, let orders in flight come to their answer, and report."""
        self._stop.ask()

    async def _run(self, rows: Sequence[IssueRow], job: str) -> Report:
        header = Header(
            job=job,
            server=self._client.origin,
            tenant=self._client.tenant_id,
            input=digest(rows),
        )
        await self._journal.open(header, plan_rows(rows, job))
        try:
            tally = Tally(await self._journal.counts(), self._progress, self._clock.monotonic)
            await self._issue(rows, tally)
            await self._journal.flush()
            return self._report(job, await self._results(), tally)
        finally:
            await self._journal.close()

    async def _issue(self, rows: Sequence[IssueRow], tally: Tally) -> None:
        driver = Driver(
            client=self._client,
            journal=self._journal,
            rows=rows,
            clock=self._clock,
            tally=tally,
            stop=self._stop,
        )
        crew = _Crew(driver, self._journal, self._stop, self._concurrency)
        poller = Poller(
            self._client, self._journal, driver.learn, lambda: tally.counts[RowState.ACCEPTED]
        )
        async with anyio.create_task_group() as group:
            group.start_soon(crew.follow, poller)
            await crew.send(UNSETTLED)
            await crew.send([RowState.PLANNED])
            group.cancel_scope.cancel()
        with crew.ending_the_run():
            await poller.follow(self._until(self._clock.monotonic() + self._final_timeout))
        if crew.failure is not None:
            raise crew.failure

    def _until(self, deadline: float) -> Callable[[float], Awaitable[bool]]:
        async def pause(seconds: float) -> bool:
            remaining = deadline - self._clock.monotonic()
            return remaining > 0 and await self._stop.pause(min(seconds, remaining))

        return pause

    async def _results(self) -> tuple[RowResult, ...]:
        results: list[RowResult] = []
        while entries := await self._journal.read((), after=len(results) - 1, limit=READ_AT_ONCE):
            results += [to_result(entry) for entry in entries]
        return tuple(results)

    def _report(self, job: str, results: tuple[RowResult, ...], tally: Tally) -> Report:
        report = Report(
            job=job,
            results=results,
            counts=dict(tally.counts),
            received=sum_received(results),
            interrupted=False,
            reason=self._stop.reason,
        )
        return replace(report, interrupted=self._stop.asked and not report.complete)


class _Crew:
    """The tasks of one run. An error that ends it is kept until nothing is in flight."""

    def __init__(
        self, driver: Driver, journal: SqliteJournal, stop: Stop, concurrency: int
    ) -> None:
        self._driver = driver
        self._journal = journal
        self._stop = stop
        self._concurrency = concurrency
        self.failure: Exception | None = None

    @contextmanager
    def ending_the_run(self) -> Generator[None]:
        """Keep an error and ask the run to stop, instead of cancelling the orders in flight."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - whatever it is, money is under way
            self.failure = self.failure or error
            self._stop.ask()

    async def send(self, states: Collection[RowState]) -> None:
        """Drive every row in one of these states, a bounded number at once."""
        ahead = INTENTS_AHEAD * self._concurrency
        out, rows = anyio.create_memory_object_stream[_Work](ahead)
        async with anyio.create_task_group() as group, rows:
            for _ in range(self._concurrency):
                group.start_soon(self._work, rows.clone())
            group.start_soon(self._feed, out, states, ahead)

    async def _feed(
        self, out: MemoryObjectSendStream[_Work], states: Collection[RowState], ahead: int
    ) -> None:
        """Hand out rows in order; planned ones in groups whose intents share a commit."""
        planned = RowState.PLANNED in states
        async with out:
            with self.ending_the_run():
                async for entries in self._groups(states, ahead):
                    ready = await self._driver.intend(entries) if planned else entries
                    for entry in ready:
                        await out.send((entry, planned))

    async def _groups(
        self, states: Collection[RowState], size: int
    ) -> AsyncGenerator[Sequence[Entry]]:
        after = -1
        while entries := await self._journal.read(states, after=after, limit=READ_AT_ONCE):
            after = entries[-1].seq
            for start in range(0, len(entries), size):
                if self._stop.asked:
                    return
                yield entries[start : start + size]

    async def _work(self, rows: MemoryObjectReceiveStream[_Work]) -> None:
        async with rows:
            async for entry, intended in rows:
                with self.ending_the_run():
                    await self._driver.drive(entry, intended=intended)

    async def follow(self, poller: Poller) -> None:
        """Follow accepted rows while others are being sent."""
        with self.ending_the_run():
            while not self._stop.asked:
                await self._driver.accepted.wait()
                self._driver.accepted = anyio.Event()
                await poller.follow(self._stop.pause)
