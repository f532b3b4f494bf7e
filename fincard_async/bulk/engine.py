"""Carries out the rows of a journal, or a range of them.

::

    rows of earlier runs whose outcome is unknown: look up, then perhaps send
    planned rows: intents (B2), then send            meanwhile, accepted rows are polled
    accepted rows: polled to the end
    journal: flush (B4), report

Rows are read from the journal in small groups, and nothing of them is kept afterwards. Rows about
the same card are carried out one after the other, in the order of the input: a row has its turn
when every earlier row of its card is final.

Whatever ends a run early lets every order in flight come to its answer, which is worth waiting for.
Only cancellation does not wait; then the intents stand, and the next run begins with a look-up.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final, get_args

import anyio

from fincard_async._runtime.ports import Clock, SystemClock
from fincard_async.client import FincardClient
from fincard_async.errors import JournalMismatch, ValidationError

from .breaker import Breaker, BreakerLimits
from .driver import Driver
from .entry import UNSETTLED, Entry, Header, RowState, differs
from .kinds import operation_of
from .line import Line
from .planning import Secrets
from .polling import Poller
from .ports import Journal
from .report import Progress, Report, RowResult, Summary, Tally
from .stopping import Stop
from .windows import Dedupe, Policy, Windows

READ_AT_ONCE: Final = 1000
MOST_AHEAD: Final = 256
"""Most intents that are made durable together. It begins with one for each row under way, and grows
while rows are so fast that they wait for the disk. After a crash, the intents of two groups that
were not sent cost a look-up each."""
TURN_PAUSE: Final = 0.5
"""Seconds between looks for rows whose turn has come, while earlier ones of their cards go on."""
NO_SECRETS: Final[Secrets] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSettings:
    """How rows are carried out.

    Attributes:
        concurrency: Most rows under way at once; how many calls really are in flight is up to the
            client's limits, which adapt to the server.
        final_timeout: Seconds to wait, after the last row was sent, for accepted rows to become
            final.
        dedupe: What the server does with a repeated order number; None takes the client's
            ``RetryPolicy.dedupe``.
        resend_after_drain: With ``dedupe="none"``: send again what was proven absent after
            everything had drained, instead of parking it.
        windows: How long things take at worst.
        breaker: When to stop because rows go wrong; None for never.
        deadline: Seconds after which the run sends nothing new.
    """

    concurrency: int = 8
    final_timeout: float = 120.0
    dedupe: Dedupe | None = None
    resend_after_drain: bool = False
    windows: Windows = field(default_factory=Windows)
    breaker: BreakerLimits | None = field(default_factory=BreakerLimits)
    deadline: float | None = None

    def __post_init__(self) -> None:
        if self.concurrency < 1:
            raise ValidationError("concurrency must be at least 1")
        if self.dedupe is not None and self.dedupe not in get_args(Dedupe):
            raise ValidationError(f"dedupe must be one of {', '.join(get_args(Dedupe))}")


async def run_rows(
    client: FincardClient,
    journal: Journal,
    *,
    first_seq: int = 0,
    last_seq: int | None = None,
    secrets: Secrets = NO_SECRETS,
    settings: EngineSettings | None = None,
    progress: Callable[[Progress], None] | None = None,
    on_result: Callable[[RowResult], None] | None = None,
    stop: Stop | None = None,
    clock: Clock | None = None,
) -> Report:
    """Carry out rows of a journal that is open, and report on them. The journal stays open.

    Safe to call again, for the same rows or others, after any interruption. What must not happen is
    that two callers run the same rows at once: that is for the journal's lock to prevent.

    Args:
        client: Who calls.
        journal: Open or attached.
        first_seq: The first row.
        last_seq: The last row, inclusive; None for the end of the job.
        secrets: What no journal holds, such as card numbers; only the caller who has read the rows
            can know it. A row that needs it is not sent without.
        settings: How.
        progress: Called at every change, in the event loop; it must be quick.
        on_result: Called with each row that ends (final or parked) in this run, in order of
            completion. A crash may repeat some in the next run. If it raises, the run ends in good
            order and the error is raised.
        stop: To end the run early.
        clock: Time; for tests.

    Raises:
        JournalMismatch: The journal is of another server or tenant; nothing was sent.
        JournalError: It cannot be written any more.
        Unauthenticated, PermissionDenied, UsageError: No row would fare better.
    """
    clock = clock or SystemClock()
    run = _Run(
        client=client,
        journal=journal,
        rows=(first_seq, last_seq),
        settings=settings or EngineSettings(),
        stop=stop or Stop(clock),
        clock=clock,
    )
    return await run.carry_out(secrets, progress, on_result)


@dataclass(frozen=True, kw_only=True)
class _Run:
    """One run over a range of rows."""

    client: FincardClient
    journal: Journal
    rows: tuple[int, int | None]
    settings: EngineSettings
    stop: Stop
    clock: Clock

    async def carry_out(
        self,
        secrets: Secrets,
        progress: Callable[[Progress], None] | None,
        on_result: Callable[[RowResult], None] | None,
    ) -> Report:
        header, (first, last) = self.journal.header, self.rows
        _check_client(self.client, header)
        if self.settings.deadline is not None:
            self.stop.ask_after(self.settings.deadline)
        operation = operation_of(header.kind)
        counts = await self.journal.counts(after=first - 1, until=last)
        tally = Tally(counts, progress, self.clock.monotonic)
        limits = self.settings.breaker
        driver = Driver(
            client=self.client,
            operation=operation,
            journal=self.journal,
            secrets=secrets,
            policy=self._policy(),
            breaker=None if limits is None else Breaker(limits),
            on_result=on_result,
            clock=self.clock,
            tally=tally,
            stop=self.stop,
        )
        poller = Poller(
            self.client,
            operation.kind,
            self.journal,
            first,
            last,
            driver.learn,
            lambda: tally.counts[RowState.ACCEPTED],
        )
        await self._work(_Crew(driver, self, tally), poller)
        await self.journal.flush()
        return await self._report(header, tally)

    def _policy(self) -> Policy:
        dedupe = self.settings.dedupe
        return Policy(
            dedupe=self.client._pipeline.settings.retry.dedupe if dedupe is None else dedupe,
            resend_after_drain=self.settings.resend_after_drain,
            windows=self.settings.windows,
        )

    async def _work(self, crew: _Crew, poller: Poller) -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(crew.follow, poller)
            await crew.send(UNSETTLED)
            await crew.send_planned()
            group.cancel_scope.cancel()
        with crew.ending_the_run():
            await poller.follow(self.until(self.clock.monotonic() + self.settings.final_timeout))
        if crew.failure is not None:
            raise crew.failure

    def until(self, deadline: float) -> Callable[[float], Awaitable[bool]]:
        """A pause that ends with the run, and returns False from ``deadline`` on."""

        async def pause(seconds: float) -> bool:
            remaining = deadline - self.clock.monotonic()
            return remaining > 0 and await self.stop.pause(min(seconds, remaining))

        return pause

    async def _report(self, header: Header, tally: Tally) -> Report:
        summary, rows = Summary(), self.rows_in(())
        while entries := await rows.take(READ_AT_ONCE):
            summary.add(entries)
        report = Report(
            job=header.job,
            kind=header.kind,
            counts=dict(tally.counts),
            codes=summary.codes,
            received=summary.received,
            amounts=summary.amounts,
            fees=summary.fees,
            timings=summary.timings(),
            interrupted=False,
            reason=self.stop.reason,
            elapsed=tally.elapsed,
        )
        return replace(report, interrupted=self.stop.asked and not report.complete)

    def rows_in(self, states: Collection[RowState], *, in_turn: bool = False) -> _Cursor:
        """The rows of the run in any of these states, in order."""
        return _Cursor(self.journal, self.rows, states, in_turn=in_turn)


class _Cursor:
    """Reads rows of a range as they are asked for, a bounded number at once."""

    def __init__(
        self,
        journal: Journal,
        rows: tuple[int, int | None],
        states: Collection[RowState],
        *,
        in_turn: bool,
    ) -> None:
        self._journal = journal
        self._after, self._until = rows[0] - 1, rows[1]
        self._states = states
        self._in_turn = in_turn
        self._waiting: Sequence[Entry] = ()

    async def take(self, most: int) -> Sequence[Entry]:
        """The next rows; none at the end."""
        if not self._waiting:
            self._waiting = await self._journal.read(
                self._states,
                after=self._after,
                until=self._until,
                limit=READ_AT_ONCE,
                in_turn=self._in_turn,
            )
        taken, self._waiting = self._waiting[:most], self._waiting[most:]
        if taken:
            self._after = taken[-1].seq
        return taken


class _Crew:
    """The tasks of one run. An error that ends it is kept until nothing is in flight."""

    def __init__(self, driver: Driver, run: _Run, tally: Tally) -> None:
        # Where nothing may be sent twice, an intent that a crash leaves unsent ends as parked.
        most_ahead = run.settings.concurrency if driver.policy.dedupe == "none" else MOST_AHEAD
        self._driver = driver
        self._run = run
        self._tally = tally
        self._concurrency = run.settings.concurrency
        self._ahead = min(MOST_AHEAD, self._concurrency)
        self._most_ahead = most_ahead
        self._fed = 0
        self.failure: Exception | None = None

    @contextmanager
    def ending_the_run(self) -> Generator[None]:
        """Keep an error and ask the run to stop, instead of cancelling the orders in flight."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - whatever it is, money is under way
            self._end_with(error)

    def _end_with(self, error: Exception) -> None:
        self.failure = self.failure or error
        self._run.stop.ask()

    async def send_planned(self) -> None:
        """Send every planned row; those whose turn has not come, as soon as it has."""
        pause = self._run.until(self._run.clock.monotonic() + self._run.settings.final_timeout)
        while not self._run.stop.asked and self._tally.counts[RowState.PLANNED]:
            before = self._fed
            await self.send([RowState.PLANNED])
            if self._fed > before:
                pause = self._run.until(
                    self._run.clock.monotonic() + self._run.settings.final_timeout
                )
            elif not self._tally.counts[RowState.ACCEPTED] or not await pause(TURN_PAUSE):
                break  # what is left waits for a row that this run will not finish

    async def send(self, states: Collection[RowState]) -> None:
        """Drive every row in one of these states, a bounded number at once."""
        line = Line[Entry](self._concurrency)
        planned = RowState.PLANNED in states
        async with anyio.create_task_group() as group:
            for _ in range(self._concurrency):
                group.start_soon(self._work, line, planned)
            group.start_soon(self._feed, line, states)

    async def _feed(self, line: Line[Entry], states: Collection[RowState]) -> None:
        """Line rows up, in order; those of planned rows in groups that share a commit.

        One group is made durable while another is under way, so that nobody waits for the disk.
        """
        planned = RowState.PLANNED in states
        with self.ending_the_run():
            rows = self._run.rows_in(states, in_turn=planned)
            while not self._run.stop.asked and (entries := await rows.take(self._ahead)):
                self._fed += len(entries)
                ready = await self._driver.intend(entries) if planned else entries
                if await line.put(ready):
                    self._ahead = min(self._most_ahead, 2 * self._ahead)
        line.close()

    async def _work(self, line: Line[Entry], intended: bool) -> None:
        while (entry := await line.take()) is not None:
            try:
                await self._driver.drive(entry, intended=intended)
            except Exception as error:  # noqa: BLE001 - as above
                self._end_with(error)

    async def follow(self, poller: Poller) -> None:
        """Follow accepted rows while others are being sent."""
        with self.ending_the_run():
            while not self._run.stop.asked:
                await self._driver.accepted.wait()
                self._driver.accepted = anyio.Event()
                await poller.follow(self._run.stop.pause)


def _check_client(client: FincardClient, header: Header) -> None:
    wanted = Header(job=header.job, kind=header.kind, server=client.origin, tenant=client.tenant_id)
    if words := differs(header, wanted):
        raise JournalMismatch(f"the journal belongs to {words}")
