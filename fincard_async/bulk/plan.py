"""What may happen to one row of a job, as a table. Pure. Source: correctness 3.4.

The law of this module: a row becomes final only on evidence that covers every attempt that may
have reached the server. An attempt is *open* from the moment its intent is durable until it is
proven that it did nothing; time-outs, lost answers and crashes leave it open.

::

    planned --dispatched--> intent --succeeded--> issued     (final)
       |                      |  \\---failed-----> failed     (final)
       |                      |   \\--refused----> refused    (final)
       |                      |    \\-pending----> accepted --> issued, failed, parked
       |                      |--lost, duplicate, refused in doubt--> unknown
       |                      `--mismatched, missing--> parked --a person--> issued, failed, intent
       `--withdrawn--> withdrawn (final)

An unknown row is looked up by its order number: what is found decides; what follows from finding
nothing is in ``windows``. What stops the whole run, such as a failing disk or a lost lock, is no
event of a row: no row changes, and nothing is sent.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Final

import msgspec

from fincard_async._generated.models.cards import CardOperation
from fincard_async._generated.models.common import OperationStatus
from fincard_async._generated.models.transactions import OperationRecord
from fincard_async._sansio.responses import scrub
from fincard_async._sansio.settlement import Sought, differences

from .entry import Entry, Reason, RowState

replace = msgspec.structs.replace


class Event(enum.Enum):
    """What is learnt about a row, or decided on it."""

    __hash__ = object.__hash__  # as that of RowState

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
    """Proven: no attempt has done anything, and none can arrive any more."""
    MISSING = "missing"
    """Looked up in vain after all had drained: the program must not send again, because the server
    does not refuse repeats, or because it has no order by which the query could be checked."""
    WITHDRAWN = "withdrawn"
    """A person took it back before it was sent."""
    JUDGED_ISSUED = "judged issued"
    """A person found out that it was carried out."""
    JUDGED_FAILED = "judged failed"
    """A person found out that it was not, and will not be, and wants it no more."""
    JUDGED_RESEND = "judged resend"
    """A person found out that it was not, and will not be, and wants it still."""


_P, _I, _U, _A = RowState.PLANNED, RowState.INTENT, RowState.UNKNOWN, RowState.ACCEPTED
_PARKED = RowState.PARKED

TRANSITIONS: Final[Mapping[tuple[RowState, Event], RowState]] = {
    (_P, Event.DISPATCHED): _I,
    (_I, Event.DISPATCHED): _I,
    (_U, Event.DISPATCHED): _I,
    (_P, Event.WITHDRAWN): RowState.WITHDRAWN,
    (_I, Event.NOT_SENT): _I,
    (_I, Event.LOST): _U,
    (_I, Event.DUPLICATE): _U,
    (_I, Event.REFUSED): RowState.REFUSED,
    (_I, Event.REFUSED_IN_DOUBT): _U,
    (_I, Event.ABSENT): _I,
    (_U, Event.ABSENT): _U,
    (_I, Event.DRAINED): _I,
    (_U, Event.DRAINED): _U,
    (_I, Event.MISSING): _PARKED,
    (_U, Event.MISSING): _PARKED,
    **{(state, Event.PENDING): _A for state in (_I, _U, _A)},
    **{(state, Event.SUCCEEDED): RowState.ISSUED for state in (_I, _U, _A)},
    **{(state, Event.FAILED): RowState.FAILED for state in (_I, _U, _A)},
    **{(state, Event.MISMATCHED): _PARKED for state in (_I, _U, _A)},
    (_PARKED, Event.JUDGED_ISSUED): RowState.ISSUED,
    (_PARKED, Event.JUDGED_FAILED): RowState.FAILED,
    (_PARKED, Event.JUDGED_RESEND): _I,
}
"""Every transition there is. What is final stays as it is; what is parked waits for a person."""

_CLOSES_ALL: Final = frozenset({Event.DRAINED, Event.JUDGED_RESEND})
_SAID: Final = ("code", "message", "card_no", "currency", "received_currency")
"""Fields of an entry that come from the server as they are."""
_said_of: Final = attrgetter(*_SAID)
PROMISED: Final = "the server says success, and names no card yet"
"""Message of an accepted row whose success is not believed yet. It stays until the row is settled,
over all runs, because a failure after it is a contradiction."""
_MOST_BITS: Final = 63
_GIVES_UP: Final = frozenset({Event.LOST, Event.DUPLICATE, Event.REFUSED_IN_DOUBT})
"""From here on nobody waits for the attempt, and the time runs within which it may still arrive.
An intent says only when its attempt was going to begin; of a crash nobody knows when it was, only
that it was before now."""


class ForbiddenTransition(AssertionError):
    """The table has no such transition: a bug in this package."""


def advance(
    entry: Entry,
    event: Event,
    *,
    now: int,
    code: int | str | None = None,
    message: str | None = None,
    reason: Reason | None = None,
) -> Entry:
    """The row after an event; ``now`` in epoch milliseconds.

    Raises:
        ForbiddenTransition: The table does not know it.
    """
    state = TRANSITIONS.get((entry.state, event))
    if state is None:
        raise ForbiddenTransition(f"{event.value} on a row that is {entry.state.value}")
    if event is Event.DISPATCHED:
        return _dispatched(entry, now)
    closed = entry.closed + 1 if event is Event.NOT_SENT else entry.closed
    if event in _CLOSES_ALL:
        closed = entry.sends
    if code is None and message is None:
        code, message = entry.code, entry.message
    last = entry.last_sent_at
    if event in _GIVES_UP:
        last = now if last is None else max(now, last)
    ended = now if state.final or state is _PARKED else None
    return replace(
        entry,
        state=state,
        reason=reason,
        closed=closed,
        last_sent_at=last,
        ended_at=ended,
        code=code,
        message=message,
    )


def _dispatched(entry: Entry, now: int) -> Entry:
    first = entry.first_sent_at if entry.open else now
    return replace(
        entry,
        state=RowState.INTENT,
        reason=None,
        sends=entry.sends + 1,
        first_sent_at=first,
        last_sent_at=now,
        code=None,
        message=None,
    )


def judge(
    entry: Entry, answers: Sequence[CardOperation | OperationRecord], kind: str | None
) -> tuple[Event, Reason | None]:
    """What the server's own record of the order says; ``answers`` has at least one.

    ``kind`` is what the server calls the operation. A success without a card is not believed yet:
    the query shows the card later (contract 9, row 20); but if the order failed after all, one of
    the two answers is false. A status that the schema does not know is not final.
    """
    if len(answers) > 1:
        return Event.MISMATCHED, Reason.SEVERAL
    answer = answers[0]
    if _others(entry, answer, kind):
        return Event.MISMATCHED, Reason.MISMATCH
    if entry.card_no and answer.card_no and entry.card_no != answer.card_no:
        return Event.MISMATCHED, Reason.CONTRADICTION
    if answer.status is OperationStatus.FAIL:
        if entry.message == PROMISED:
            return Event.MISMATCHED, Reason.CONTRADICTION
        return Event.FAILED, None
    if answer.status is OperationStatus.SUCCESS and (answer.card_no or entry.target):
        return Event.SUCCEEDED, None
    return Event.PENDING, None


def _others(
    entry: Entry, answer: CardOperation | OperationRecord, kind: str | None
) -> tuple[str, ...]:
    """In what the order under the row's number is not the row's."""
    sought = Sought(order_no=entry.order_no, kind=kind, card_no=entry.target, amount=entry.amount)
    return differences(sought, answer)


def learn(
    entry: Entry,
    answers: Sequence[CardOperation | OperationRecord],
    *,
    kind: str | None,
    now: int,
) -> Entry:
    """The row after the server's own record of its order."""
    (event, reason), answer = judge(entry, answers, kind), answers[0]
    after = advance(entry, event, now=now, reason=reason)
    message = _remark(entry, event, reason, answers, kind)
    if event is Event.MISMATCHED:
        return replace(after, code=None, message=message)
    succeeded = event is Event.SUCCEEDED
    return replace(
        after,
        code=None,
        message=message,
        card_no=answer.card_no or entry.target,
        currency=answer.currency,
        fee=answer.fee,
        received_amount=answer.received_amount if succeeded else None,
        received_currency=answer.received_currency if succeeded else None,
    )


def storable(entry: Entry) -> Entry:
    """The row with what a server says of it cut to what every database gives back as it was.

    SQLite makes a float of a number of more than 64 bits, and no database keeps a NUL in a text;
    one such answer must not make a journal unreadable.
    """
    said = zip(_SAID, _said_of(entry), strict=True)
    cut = {name: kept for name, value in said if (kept := _storable(value)) is not value}
    return replace(entry, **cut) if cut else entry


def _storable(value: int | str | None) -> int | str | None:
    if isinstance(value, int) and value.bit_length() > _MOST_BITS:
        return str(value)
    return value.replace("\0", "") if isinstance(value, str) and "\0" in value else value


def _remark(
    entry: Entry,
    event: Event,
    reason: Reason | None,
    answers: Sequence[CardOperation | OperationRecord],
    kind: str | None,
) -> str | None:
    answer = answers[0]
    if reason is Reason.SEVERAL:
        return f"the server has {len(answers)} orders of this number"
    if reason is Reason.CONTRADICTION:
        if answer.status is OperationStatus.FAIL:
            return "the server said before that this order had succeeded, and now that it failed"
        return "the server named another card for this order before"
    if reason is Reason.MISMATCH:
        return f"the order of this number is another one: {answer.type or kind} of {answer.amount}"
    if event is Event.PENDING and (
        answer.status is OperationStatus.SUCCESS or entry.message == PROMISED
    ):
        return PROMISED
    text = answer.description or answer.remark
    return scrub(text) if text else None
