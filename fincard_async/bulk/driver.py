"""Drives one row until it is at rest: final, accepted, parked, or left for the next run.

The rule of every loop here: while an attempt may be open, ask before you send; and send nothing
whose intent is not durable.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import anyio

from fincard_async._generated.models.cards import CardOperation
from fincard_async._generated.models.transactions import OperationRecord
from fincard_async._runtime.ports import Clock
from fincard_async._sansio.options import CallOptions, RetryPolicy
from fincard_async.client import FincardClient
from fincard_async.errors import (
    ApiError,
    ConnectFailed,
    DuplicateOrder,
    FincardError,
    OutcomeUnknown,
)

from .journal import SqliteJournal
from .lookup import ENDS_THE_RUN, look_up
from .plan import Entry, Event, RowState, absence, advance, learn
from .report import Tally
from .rows import IssueRow
from .stopping import Stop

ROUNDS: Final = 3
"""Look-ups of one row in one run that may leave its outcome unknown."""
CONNECT_TRIES: Final = 8
"""Attempts of one row in one run that may end without a connection: about 50 seconds."""
FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 20.0
LONGEST_ASKED_PAUSE: Final = 300.0
"""Seconds for which the server may make one row wait."""
_ACTIVE: Final = frozenset({RowState.PLANNED, RowState.INTENT, RowState.UNKNOWN})
_ONE_SEND: Final = CallOptions(retry=RetryPolicy(dedupe="none", settle=False))
"""The journal counts what may have been sent: the client neither resends nor settles by itself."""
_CUT_SHORT: Final = "an earlier run ended while this order was under way"


class Driver:
    """Sends and records, for any row of one run."""

    def __init__(
        self,
        *,
        client: FincardClient,
        journal: SqliteJournal,
        rows: Sequence[IssueRow],
        clock: Clock,
        tally: Tally,
        stop: Stop,
    ) -> None:
        self.client = client
        self.stop = stop
        self._journal = journal
        self._rows = rows
        self._clock = clock
        self._tally = tally
        self.accepted = anyio.Event()
        """Set when a row becomes accepted."""

    async def drive(self, entry: Entry, *, intended: bool) -> None:
        """Bring a row to rest; ``intended``: its next attempt is durable, and waits to be sent."""
        if self.stop.asked and not intended:
            return
        if not intended and entry.state is RowState.INTENT and entry.open:
            entry = self.note(entry, advance(entry, Event.LOST, message=_CUT_SHORT))
        await _Effort(self, entry, intended=intended).make()

    async def intend(self, entries: Sequence[Entry]) -> list[Entry]:
        """Make the next attempts of these rows durable; only then may they be sent (B2)."""
        intents = [advance(entry, Event.DISPATCHED, now=self.now()) for entry in entries]
        await self._journal.commit(intents)
        for before, after in zip(entries, intents, strict=True):
            self._tally.moved(before.state, after.state)
        return intents

    async def send(self, entry: Entry) -> tuple[Entry, FincardError | None]:
        """Order the card of a row whose intent is durable. A refusal is not weighed here yet."""
        self._journal.check()
        try:
            answer = await self._order(entry)
        except ENDS_THE_RUN:
            self.note(entry, advance(entry, Event.NOT_SENT))
            raise
        except FincardError as failure:
            error = _of_this_attempt(failure)
            event = _meaning(entry, error)
            if event is None:
                return entry, error
            after = advance(entry, event, code=error.code, message=error.message)
            return self.note(entry, after), error
        return self.learn(entry, [answer]), None

    async def _order(self, entry: Entry) -> CardOperation:
        row = self._rows[entry.seq]
        self._tally.flying(+1)
        try:
            return await self.client.cards.open(
                card_type_id=row.card_type_id,
                amount=entry.amount,
                holder_id=row.holder_id,
                card_number=row.card_number,
                account_id=row.account_id,
                merchant_order_no=entry.order_no,
                options=_ONE_SEND,
            )
        finally:
            self._tally.flying(-1)

    def learn(self, entry: Entry, answers: Sequence[CardOperation | OperationRecord]) -> Entry:
        """Take over the server's own record of a row's order."""
        return self.note(entry, learn(entry, answers))

    def note(self, before: Entry, after: Entry) -> Entry:
        """Record what a row has become (B3)."""
        number = self._rows[after.seq].card_number
        if number and after.message:
            after = replace(after, message=after.message.replace(number.reveal(), "[number]"))
        if after != before:
            self._journal.record(after)
            self._tally.moved(before.state, after.state)
        if after.state is RowState.ACCEPTED:
            self.accepted.set()
        return after

    def now(self) -> int:
        """Epoch milliseconds."""
        return int(self._clock.wall() * 1000)


class _Effort:
    """All that is done for one row in one run."""

    def __init__(self, driver: Driver, entry: Entry, *, intended: bool) -> None:
        self._driver = driver
        self._entry = entry
        self._intended = intended
        self._absent = False
        """True if a look-up found nothing since the last attempt."""
        self._refusal: ApiError | None = None
        """Set if the latest attempt, the only open one, was refused."""
        self._error: FincardError | None = None
        self._looked_up = self._unsent = 0

    async def make(self) -> None:
        """Ask and send by turns, until the row is at rest or enough was tried."""
        while self._entry.state in _ACTIVE:
            ask = self._entry.open and not self._intended and not self._absent
            if not await (self._ask() if ask else self._send()):
                break
        self._leave()

    async def _send(self) -> bool:
        if self._driver.stop.asked:
            return False
        if not self._intended:
            [self._entry] = await self._driver.intend([self._entry])
        self._intended = self._absent = False
        self._entry, self._error = await self._driver.send(self._entry)
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
        finding = await look_up(driver.client, entry.order_no)
        if finding.records:
            self._entry = driver.learn(entry, finding.records)
            return True
        self._absent = finding.absent
        if self._absent and self._refusal is not None:
            self._entry = driver.note(entry, _refused(entry, self._refusal))
            return True
        if self._absent:
            self._entry = driver.note(entry, advance(entry, absence(entry, driver.now())))
        if finding.retry_after is None:  # else the server was not asked, only waited for
            self._looked_up += 1
        if self._looked_up == ROUNDS:
            return False
        fresh_absence = self._absent and self._error is None
        asked = None if self._error is None else self._error.retry_after
        return fresh_absence or await self._pause(self._looked_up, finding.retry_after or asked)

    async def _pause(self, times: int, asked: float | None) -> bool:
        own = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** max(0, times - 1))
        return await self._driver.stop.pause(max(own, min(asked or 0.0, LONGEST_ASKED_PAUSE)))

    def _leave(self) -> None:
        """Record what a next run must know of a row that is not at rest."""
        entry, refusal = self._entry, self._refusal
        if self._intended:
            self._driver.note(entry, advance(entry, Event.NOT_SENT))
        elif entry.state is RowState.INTENT and entry.open:
            code = None if refusal is None else refusal.code
            message = None if refusal is None else refusal.message
            self._driver.note(entry, advance(entry, Event.LOST, code=code, message=message))


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


def _refused(entry: Entry, refusal: ApiError) -> Entry:
    return advance(entry, Event.REFUSED, code=refusal.code, message=refusal.message)
