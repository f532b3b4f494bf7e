"""Drives one row until it is at rest: final, accepted, parked, or left for the next run.

The rule of every loop here: while an attempt may be open, ask before you send; send nothing whose
intent is not durable; and send again only what ``windows`` allows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final, cast

import anyio
import msgspec

from fincard_async._generated.models.cards import CardOperation
from fincard_async._generated.models.transactions import OperationRecord
from fincard_async._runtime.ports import Clock
from fincard_async._sansio.options import Caller, RetryPolicy
from fincard_async.client import FincardClient
from fincard_async.errors import (
    ApiError,
    ConnectFailed,
    DuplicateOrder,
    FincardError,
    OutcomeUnknown,
    UsageError,
)

from .breaker import Breaker
from .entry import Entry, Reason, RowState
from .kinds import BulkOperationType
from .lookup import ENDS_THE_RUN, controls_hold, has_orders, look_up
from .plan import Event, ForbiddenTransition, advance, learn, storable
from .planning import Secrets
from .ports import Journal
from .records import from_payload
from .report import RowResult, Tally, to_result
from .stopping import Stop
from .windows import Next, Policy, after_absence, drained, may_send

ROUNDS: Final = 3
"""Look-ups of one row in one run that may leave its outcome unknown."""
CONNECT_TRIES: Final = 8
"""Attempts of one row in one run that may end without a connection: about 50 seconds."""
FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 20.0
LONGEST_ASKED_PAUSE: Final = 300.0
"""Seconds for which the server may make one row wait."""
CONTROLS_LAST: Final = 60_000
"""Milliseconds for which a check of the query's controls counts."""
PATIENT_SECONDS: Final = 120.0
"""For an attempt that cannot be repeated: a time-out would make its outcome unknown for nothing."""
_ACTIVE: Final = frozenset({RowState.PLANNED, RowState.INTENT, RowState.UNKNOWN})
_ONE_SEND: Final = RetryPolicy(dedupe="none", settle=False)
"""The journal counts what may have been sent: the client neither resends nor settles by itself."""
_ONE_PATIENT_SEND: Final = replace(_ONE_SEND, attempt_timeout=PATIENT_SECONDS)
_CUT_SHORT: Final = "an earlier run ended while this order was under way"
_MISSING: Final = {
    Reason.ABSENT: "sent once, and the server has no such order",
    Reason.UNPROVABLE: "sent and not found, and the server has no order to check the query with",
}
_ABSENCE: Final = {
    Next.SEND: Event.ABSENT,
    Next.WAIT: Event.ABSENT,
    Next.SEND_ANEW: Event.DRAINED,
    Next.PARK: Event.MISSING,
}


class Driver:
    """Sends and records, for any row of one run."""

    def __init__(
        self,
        *,
        client: FincardClient,
        operation: BulkOperationType,
        journal: Journal,
        secrets: Secrets,
        policy: Policy,
        breaker: Breaker | None,
        on_result: Callable[[RowResult], None] | None,
        clock: Clock,
        tally: Tally,
        stop: Stop,
    ) -> None:
        self.client = client
        self.stop = stop
        self.policy = policy
        self.accepted = anyio.Event()
        """Set when a row becomes accepted."""
        self._operation = operation
        self._journal = journal
        self._secrets = secrets
        self._breaker = breaker
        self._on_result = on_result
        self._clock = clock
        self._tally = tally
        self._caller = _sender(client, policy)
        self._controlled_at: int | None = None

    async def drive(self, entry: Entry, *, intended: bool) -> None:
        """Bring a row to rest; ``intended``: its next attempt is durable, and waits to be sent."""
        if self.stop.asked and not intended:
            return
        if not intended and entry.state is RowState.INTENT and entry.open:
            lost = advance(entry, Event.LOST, now=self.now(), message=_CUT_SHORT)
            entry = self.note(entry, lost)
        await _Effort(self, entry, intended=intended).make()

    async def intend(self, entries: Sequence[Entry]) -> list[Entry]:
        """Make the next attempts of these rows durable; only then may they be sent (B2)."""
        now = self.now()
        for entry in entries:
            if not may_send(entry, now, self.policy):
                raise ForbiddenTransition("a second order could come of it")
        intents = [advance(entry, Event.DISPATCHED, now=now) for entry in entries]
        await self._journal.commit(intents)
        for before, after in zip(entries, intents, strict=True):
            self._tally.moved(before.state, after.state)
        return intents

    async def send(self, entry: Entry) -> tuple[Entry, FincardError | None]:
        """Send the order of a row whose intent is durable. A refusal is not weighed here yet."""
        self._journal.check()
        try:
            answer = await self._order(entry)
        except ENDS_THE_RUN:
            self.note(entry, advance(entry, Event.NOT_SENT, now=self.now()))
            raise
        except FincardError as failure:
            error = _of_this_attempt(failure)
            event = _meaning(entry, error)
            if event is None:
                return entry, error
            after = advance(entry, event, now=self.now(), code=error.code, message=error.message)
            return self.note(entry, after), error
        return self.learn(entry, [answer]), None

    async def _order(self, entry: Entry) -> CardOperation:
        secrets = self._secrets.get(entry.seq, {})
        if missing := [name for name in entry.withheld.split() if name not in secrets]:
            raise UsageError(
                f"row {entry.seq + 1} needs its {missing[0]}, which no journal keeps; run the job"
                " with its rows"
            )
        if not entry.payload:
            raise UsageError("this journal is of an older format; run the job once with its rows")
        request = from_payload(self._operation, entry.payload, entry.order_no, secrets)
        self._tally.flying(+1)
        try:
            answer = await self._caller.call(self._operation, request, None)
        finally:
            self._tally.flying(-1)
        return cast(CardOperation, answer)

    def learn(self, entry: Entry, answers: Sequence[CardOperation | OperationRecord]) -> Entry:
        """Take over the server's own record of a row's order."""
        return self.note(entry, learn(entry, answers, kind=self._operation.kind, now=self.now()))

    async def proves_absent(self, entry: Entry, began: int) -> bool:
        """True if a look-up that found nothing, begun at ``began``, proves that nothing happened.

        The controls are checked at most once a minute; one answer more is asked for, because a
        proxy may have mixed the first one up with another query's.
        """
        if not drained(entry, began, self.policy.windows):
            return False
        if self._controlled_at is None or began - self._controlled_at > CONTROLS_LAST:
            if not await controls_hold(self.client, self._operation):
                return False
            self._controlled_at = began
        return (await look_up(self.client, entry.order_no)).absent

    async def may_prove_absence(self, entry: Entry, began: int) -> bool:
        """False if all has drained and still no look-up can prove anything, now or ever."""
        if not drained(entry, began, self.policy.windows):
            return True
        return await has_orders(self.client, self._operation)

    def waited(self, since: float | None) -> bool:
        """True if enough real time has passed, whatever the clock on the wall says meanwhile."""
        windows = self.policy.windows
        return since is None or self._clock.monotonic() - since >= windows.drained

    def monotonic(self) -> float:
        """Seconds that never go back or jump ahead."""
        return self._clock.monotonic()

    def note(self, before: Entry, after: Entry) -> Entry:
        """Record what a row has become (B3), and hand it out if that is its end."""
        for secret in self._secrets.get(after.seq, {}).values():
            if after.message:
                masked = after.message.replace(secret.reveal(), "[secret]")
                after = msgspec.structs.replace(after, message=masked)
        after = storable(after)
        if after != before:
            self._journal.record(after)
            self._tally.moved(before.state, after.state)
            if after.state.final:
                self.client._settled(after.order_no)
            if after.ended_at is not None and self._on_result is not None:
                self._on_result(to_result(after))
        if after.state is RowState.ACCEPTED:
            self.accepted.set()
        return after

    def rested(self, entry: Entry) -> None:
        """A row that was sent in this run is at rest: let the breaker look at it."""
        if self._breaker is not None and (why := self._breaker.finished(entry)):
            self.stop.ask(why)

    def now(self) -> int:
        """Epoch milliseconds."""
        return int(self._clock.wall() * 1000)


class _Effort:
    """All that is done for one row in one run."""

    def __init__(self, driver: Driver, entry: Entry, *, intended: bool) -> None:
        self._driver = driver
        self._entry = entry
        self._intended = intended
        self._next = Next.WAIT
        """What follows from the last look-up since the last attempt."""
        self._refusal: ApiError | None = None
        """Set if the latest attempt, the only open one, was refused."""
        self._error: FincardError | None = None
        self._looked_up = self._unsent = 0
        self._sent = False
        self._given_up_at: float | None = None
        """When the last attempt of this run was, if there was one."""

    async def make(self) -> None:
        """Ask and send by turns, until the row is at rest or enough was tried."""
        while self._entry.state in _ACTIVE:
            ask = self._entry.open and not self._intended and self._next is not Next.SEND
            if not await (self._ask() if ask else self._send()):
                break
        self._leave()

    async def _send(self) -> bool:
        if self._driver.stop.asked:
            return False
        if not self._intended:
            if not may_send(self._entry, self._driver.now(), self._driver.policy):
                self._next = Next.WAIT
                return True
            [self._entry] = await self._driver.intend([self._entry])
        self._intended, self._next, self._sent = False, Next.WAIT, True
        self._entry, self._error = await self._driver.send(self._entry)
        self._given_up_at = self._driver.monotonic()
        alone = self._entry.state is RowState.INTENT and self._entry.open == 1
        self._refusal = self._error if alone and isinstance(self._error, ApiError) else None
        if not isinstance(self._error, ConnectFailed):
            return True
        asked = self._error.retry_after
        if asked is None:  # no connection; where the server asked for a pause, there was one
            self._unsent += 1
        if self._unsent == CONNECT_TRIES:
            self._driver.stop.ask(self._error.message)
        return await self._pause(self._unsent, asked)

    async def _ask(self) -> bool:
        """Look the order up; what it means that there is none depends on the attempts."""
        driver, entry = self._driver, self._entry
        began = driver.now()
        finding = await look_up(driver.client, entry.order_no)
        if finding.records:
            self._entry = driver.learn(entry, finding.records)
            return True
        if finding.absent and self._refusal is not None:
            self._entry = driver.note(entry, _refused(entry, self._refusal, driver.now()))
            return True
        self._next = Next.WAIT
        if finding.absent:
            await self._weigh_absence(began)
        if self._entry.state not in _ACTIVE:
            return True
        if finding.retry_after is None:  # else the server was not asked, only waited for
            self._looked_up += 1
        if self._looked_up == ROUNDS:
            return False
        if self._error is None and self._next is not Next.WAIT:
            return True
        asked = None if self._error is None else self._error.retry_after
        return await self._pause(self._looked_up, finding.retry_after or asked)

    async def _weigh_absence(self, began: int) -> None:
        driver, entry = self._driver, self._entry
        waited = driver.waited(self._given_up_at)
        proven = waited and await driver.proves_absent(entry, began)
        provable = proven or not waited or await driver.may_prove_absence(entry, began)
        self._next = after_absence(entry, began, driver.policy, proven=proven, provable=provable)
        park = self._next is Next.PARK
        missing = Reason.ABSENT if proven else Reason.UNPROVABLE
        after = advance(
            entry,
            _ABSENCE[self._next],
            now=driver.now(),
            reason=missing if park else None,
            message=_MISSING[missing] if park else None,
        )
        self._entry = driver.note(entry, after)

    async def _pause(self, times: int, asked: float | None) -> bool:
        own = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** max(0, times - 1))
        return await self._driver.stop.pause(max(own, min(asked or 0.0, LONGEST_ASKED_PAUSE)))

    def _leave(self) -> None:
        """Record what a next run must know of a row that is not at rest."""
        driver, entry, refusal = self._driver, self._entry, self._refusal
        if self._intended:
            self._entry = driver.note(entry, advance(entry, Event.NOT_SENT, now=driver.now()))
        elif entry.state is RowState.INTENT and entry.open:
            code = None if refusal is None else refusal.code
            message = None if refusal is None else refusal.message
            lost = advance(entry, Event.LOST, now=driver.now(), code=code, message=message)
            self._entry = driver.note(entry, lost)
        if self._sent:
            driver.rested(self._entry)


def _sender(client: FincardClient, policy: Policy) -> Caller:
    """Sends an order once; the settings of every call are made here, and not for each."""
    if policy.dedupe != "none":
        return client.with_options(retry=_ONE_SEND)._caller()
    return client.with_options(retry=_ONE_PATIENT_SEND, timeout=PATIENT_SECONDS)._caller()


def _of_this_attempt(error: FincardError) -> FincardError:
    """What this one attempt met.

    The client remembers earlier attempts of the number and then calls no refusal final; here the
    journal knows which of them are still open.
    """
    cause = error.__cause__
    if isinstance(error, OutcomeUnknown):
        if isinstance(cause, ConnectFailed | DuplicateOrder):
            return cause
        if isinstance(cause, ApiError) and cause.final:
            return cause
    return error


def _meaning(entry: Entry, error: FincardError) -> Event | None:
    """What an error of the order says of it; None for a refusal that a look-up must confirm."""
    if isinstance(error, ConnectFailed):
        return Event.NOT_SENT
    if isinstance(error, DuplicateOrder):
        return Event.DUPLICATE
    if isinstance(error, ApiError):
        return None if entry.open == 1 else Event.REFUSED_IN_DOUBT
    return Event.LOST


def _refused(entry: Entry, refusal: ApiError, now: int) -> Entry:
    return advance(entry, Event.REFUSED, now=now, code=refusal.code, message=refusal.message)
