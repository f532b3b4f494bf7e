"""What may happen to one row of a job, as a table. Pure. Source: correctness 3.4.

The law of this module: a row becomes final only on evidence that covers every attempt that may
have reached the server. An attempt is *open* from the moment its intent is durable until it is
proven that it did nothing; time-outs, lost answers and crashes leave it open.

::

    planned --dispatched--> intent --succeeded--> issued     (final)
                              |  \\---failed-----> failed     (final)
                              |   \\--refused----> refused    (final)
                              |    \\-pending----> accepted --> issued, failed, parked
                              |--lost, duplicate, refused in doubt--> unknown
                              `--mismatched--> parked

An unknown row is looked up by its order number: what is found decides, and what is absent may be
sent again under the same number. That is safe twice over: while the server remembers numbers it
refuses the second, and long before it may forget one (24 hours, A1) the first request can no
longer arrive (15 minutes, A2) and the look-up would have shown it.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from fincard_async._generated.models.cards import CardOperation
from fincard_async._generated.models.common import OperationStatus, OperationType
from fincard_async._generated.models.transactions import OperationRecord
from fincard_async._sansio.responses import scrub

DRAINED_AFTER_MS: Final = 16 * 60 * 1000
"""A request cannot arrive later than 15 minutes after it was given up (A2); one for the query."""


class RowState(enum.Enum):
    """Where a row stands."""

    PLANNED = "planned"
    """In the journal; never sent."""
    INTENT = "intent"
    """About to be sent, or sent; nothing is recorded of an answer."""
    UNKNOWN = "unknown"
    """Sent, and the answer does not tell whether there is a card."""
    ACCEPTED = "accepted"
    """The server works on it."""
    ISSUED = "issued"
    """There is a card. Final."""
    FAILED = "failed"
    """The server took the order, and it ended without a card. Final."""
    REFUSED = "refused"
    """The server did not take the order. Final."""
    PARKED = "parked"
    """What the server says contradicts the row; a person must decide."""

    @property
    def final(self) -> bool:
        """True if nothing is left to do."""
        return self in _FINAL


_FINAL: Final = frozenset({RowState.ISSUED, RowState.FAILED, RowState.REFUSED})
UNSETTLED: Final = frozenset({RowState.INTENT, RowState.UNKNOWN})
"""States in which an attempt may be open and the server must be asked before anything is sent."""


class Event(enum.Enum):
    """What is learnt about a row."""

    DISPATCHED = "dispatched"
    """An attempt begins: durable before its first byte."""
    NOT_SENT = "not sent"
    """Proven: the latest attempt did nothing."""
    LOST = "lost"
    """No answer that can be trusted; or a crash before one was recorded."""
    DUPLICATE = "duplicate"
    """The server knows the number: some attempt arrived, of this journal or of a lost one."""
    REFUSED = "refused"
    """Refused for good: the only open attempt, and the server has no order of this number."""
    REFUSED_IN_DOUBT = "refused in doubt"
    """Refused, while an earlier attempt may still arrive."""
    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    MISMATCHED = "mismatched"
    """The order under this number is not the order of this row."""
    ABSENT = "absent"
    """Looked up: the server has no order of this number yet."""
    DRAINED = "drained"
    """Looked up so late that no earlier attempt can arrive any more: the server has no order."""


_P, _I, _U, _A = RowState.PLANNED, RowState.INTENT, RowState.UNKNOWN, RowState.ACCEPTED

TRANSITIONS: Final[Mapping[tuple[RowState, Event], RowState]] = {
    (_P, Event.DISPATCHED): _I,
    (_I, Event.DISPATCHED): _I,
    (_U, Event.DISPATCHED): _I,
    (_I, Event.NOT_SENT): _I,
    (_I, Event.LOST): _U,
    (_I, Event.DUPLICATE): _U,
    (_I, Event.REFUSED): RowState.REFUSED,
    (_I, Event.REFUSED_IN_DOUBT): _U,
    (_I, Event.ABSENT): _I,
    (_U, Event.ABSENT): _U,
    (_I, Event.DRAINED): _I,
    (_U, Event.DRAINED): _U,
    **{(state, Event.PENDING): _A for state in (_I, _U, _A)},
    **{(state, Event.SUCCEEDED): RowState.ISSUED for state in (_I, _U, _A)},
    **{(state, Event.FAILED): RowState.FAILED for state in (_I, _U, _A)},
    **{(state, Event.MISMATCHED): RowState.PARKED for state in (_I, _U, _A)},
}
"""Every transition there is. What is final or parked stays as it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A row as the journal keeps it. Never a card number, a PIN or a token."""

    seq: int
    """Position in the input, from 0."""
    row_id: str
    order_no: str
    amount: Decimal
    state: RowState = RowState.PLANNED
    sends: int = 0
    """Attempts begun."""
    closed: int = 0
    """Attempts proven to have done nothing."""
    first_sent_at: int | None = None
    last_sent_at: int | None = None
    """Epoch milliseconds."""
    card_no: str | None = None
    currency: str | None = None
    fee: Decimal | None = None
    received_amount: Decimal | None = None
    received_currency: str | None = None
    code: int | str | None = None
    message: str | None = None

    @property
    def open(self) -> int:
        """Attempts that may have reached the server, or may still reach it."""
        return self.sends - self.closed


class ForbiddenTransition(AssertionError):
    """The table has no such transition: a bug in this package."""


def advance(
    entry: Entry,
    event: Event,
    *,
    now: int | None = None,
    code: int | str | None = None,
    message: str | None = None,
) -> Entry:
    """The row after an event; ``now`` in epoch milliseconds, for ``DISPATCHED``.

    Raises:
        ForbiddenTransition: The table does not know it.
    """
    state = TRANSITIONS.get((entry.state, event))
    if state is None:
        raise ForbiddenTransition(f"{event.value} on a row that is {entry.state.value}")
    if event is Event.DISPATCHED:
        first = now if entry.first_sent_at is None else entry.first_sent_at
        return replace(
            entry,
            state=state,
            sends=entry.sends + 1,
            first_sent_at=first,
            last_sent_at=now,
            code=None,
            message=None,
        )
    closed = {Event.NOT_SENT: entry.closed + 1, Event.DRAINED: entry.sends}.get(event, entry.closed)
    if code is None and message is None:
        code, message = entry.code, entry.message
    return replace(entry, state=state, closed=closed, code=code, message=message)


def absence(entry: Entry, now: int) -> Event:
    """What it means that a look-up found nothing; ``now`` in epoch milliseconds."""
    last = entry.last_sent_at
    return Event.DRAINED if last is not None and now - last >= DRAINED_AFTER_MS else Event.ABSENT


def judge(entry: Entry, answers: Sequence[CardOperation | OperationRecord]) -> Event:
    """What the server's own record of the order says; ``answers`` has at least one.

    A success without a card is not believed yet: the query shows the card later (contract 9,
    row 20). A status that the schema does not know is not final.
    """
    answer = answers[0]
    other_kind = answer.type is not None and answer.type is not OperationType.CREATE
    other_amount = answer.amount is not None and answer.amount != entry.amount
    if len(answers) > 1 or other_kind or other_amount:
        return Event.MISMATCHED
    if answer.status is OperationStatus.FAIL:
        return Event.FAILED
    if answer.status is OperationStatus.SUCCESS and answer.card_no:
        return Event.SUCCEEDED
    return Event.PENDING


def learn(entry: Entry, answers: Sequence[CardOperation | OperationRecord]) -> Entry:
    """The row after the server's own record of its order."""
    event, answer = judge(entry, answers), answers[0]
    after = replace(advance(entry, event), code=None, message=_remark(event, answers))
    if event is Event.MISMATCHED:
        return after
    succeeded = event is Event.SUCCEEDED
    return replace(
        after,
        card_no=answer.card_no,
        currency=answer.currency,
        fee=answer.fee,
        received_amount=answer.received_amount if succeeded else None,
        received_currency=answer.received_currency if succeeded else None,
    )


def _remark(event: Event, answers: Sequence[CardOperation | OperationRecord]) -> str | None:
    if event is not Event.MISMATCHED:
        text = answers[0].description or answers[0].remark
        return scrub(text) if text else None
    if len(answers) > 1:
        return f"the server has {len(answers)} orders of this number"
    kind, amount = answers[0].type, answers[0].amount
    return f"the order of this number is another one: {kind or 'create'} of {amount}"
