"""The state machine of a row: every pair of state and event, and the counts of attempts."""

from __future__ import annotations

from decimal import Decimal
from itertools import product

import pytest
from hypothesis import given, strategies as st

from fincard_async._generated.models.cards import CardOperation
from fincard_async._generated.models.common import OperationStatus, OperationType
from fincard_async._generated.models.transactions import OperationRecord
from fincard_async.bulk.plan import (
    DRAINED_AFTER_MS,
    TRANSITIONS,
    Entry,
    Event,
    ForbiddenTransition,
    RowState,
    absence,
    advance,
    judge,
    learn,
)

ALLOWED = {
    "planned": {"dispatched": "intent"},
    "intent": {
        "dispatched": "intent",
        "not sent": "intent",
        "lost": "unknown",
        "duplicate": "unknown",
        "refused": "refused",
        "refused in doubt": "unknown",
        "absent": "intent",
        "drained": "intent",
        "pending": "accepted",
        "succeeded": "issued",
        "failed": "failed",
        "mismatched": "parked",
    },
    "unknown": {
        "dispatched": "intent",
        "absent": "unknown",
        "drained": "unknown",
        "pending": "accepted",
        "succeeded": "issued",
        "failed": "failed",
        "mismatched": "parked",
    },
    "accepted": {
        "pending": "accepted",
        "succeeded": "issued",
        "failed": "failed",
        "mismatched": "parked",
    },
    "issued": {},
    "failed": {},
    "refused": {},
    "parked": {},
}


def entry(state: RowState = RowState.PLANNED, sends: int = 1, closed: int = 0) -> Entry:
    """A row that was sent at second 1."""
    return Entry(
        seq=0,
        row_id="r",
        order_no="N" * 32,
        amount=Decimal("50.00"),
        state=state,
        sends=sends,
        closed=closed,
        last_sent_at=1000,
    )


@pytest.mark.parametrize(
    "state, event", list(product(RowState, Event)), ids=lambda item: item.value.replace(" ", "-")
)
def test_every_pair(state: RowState, event: Event) -> None:
    """A pair of state and event leads where the table says, or is forbidden."""
    expected = ALLOWED[state.value].get(event.value)
    if expected is None:
        with pytest.raises(ForbiddenTransition):
            advance(entry(state), event)
    else:
        assert advance(entry(state), event, now=5).state is RowState(expected)


def test_final_states_have_no_way_out() -> None:
    """What is final is issued, failed or refused, and the table leads nowhere from there."""
    assert {state for state in RowState if state.final} == {
        RowState.ISSUED,
        RowState.FAILED,
        RowState.REFUSED,
    }
    assert not [state for state, _ in TRANSITIONS if state.final or state is RowState.PARKED]


def test_an_attempt_is_open_until_it_is_proven_dead() -> None:
    """Dispatching opens an attempt; only the proof that it did nothing closes it."""
    planned = entry(sends=0)
    first = advance(planned, Event.DISPATCHED, now=7)
    assert (first.open, first.first_sent_at, first.last_sent_at) == (1, 7, 7)
    lost = advance(first, Event.LOST, message="gone")
    assert (lost.open, lost.message) == (1, "gone")
    second = advance(lost, Event.DISPATCHED, now=9)
    assert (second.open, second.first_sent_at, second.last_sent_at) == (2, 7, 9)
    assert second.message is None
    assert advance(second, Event.NOT_SENT).open == 1
    assert advance(second, Event.DRAINED).open == 0
    assert advance(second, Event.ABSENT).open == 2


@pytest.mark.parametrize("event", [Event.DUPLICATE, Event.REFUSED_IN_DOUBT])
def test_an_answer_that_proves_little_closes_nothing(event: Event) -> None:
    """A duplicate, or a refusal beside another attempt, leaves all attempts open."""
    assert advance(entry(RowState.INTENT, sends=2), event).open == 2


@given(st.lists(st.sampled_from(list(Event)), max_size=12))
def test_counts_hold_in_every_history(events: list[Event]) -> None:
    """Whatever happens, attempts are never more closed than begun when each ends at most once."""
    now = entry(sends=0)
    for event in events:
        if event is Event.NOT_SENT and not now.open:
            continue
        try:
            now = advance(now, event, now=1)
        except ForbiddenTransition:
            continue
        assert 0 <= now.closed <= now.sends


@pytest.mark.parametrize(
    "waited, event",
    [
        (DRAINED_AFTER_MS, Event.DRAINED),
        (DRAINED_AFTER_MS - 1, Event.ABSENT),
        (0, Event.ABSENT),
        (-10 * DRAINED_AFTER_MS, Event.ABSENT),
    ],
)
def test_absence_proves_something_only_late(waited: int, event: Event) -> None:
    """No order on the server closes attempts after the longest time a request can take; a clock
    that went back never does."""
    assert absence(entry(), 1000 + waited) is event


def test_absence_of_what_was_never_sent() -> None:
    """Without a time of sending nothing is concluded."""
    assert (
        absence(Entry(seq=0, row_id="r", order_no="N", amount=Decimal(1)), 10**15) is Event.ABSENT
    )


def record(**changes: object) -> OperationRecord:
    """The server's record of the row's order."""
    facts = {
        "order_no": "1",
        "type": OperationType.CREATE,
        "status": OperationStatus.SUCCESS,
        "merchant_order_no": "N" * 32,
        "card_no": "C1",
        "currency": "USD",
        "amount": Decimal(50),
        "fee": Decimal(1),
        "received_amount": Decimal(50),
        "received_currency": "USD",
        **changes,
    }
    return OperationRecord(**facts)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "answers, event",
    [
        ([record()], Event.SUCCEEDED),
        ([record(amount=None)], Event.SUCCEEDED),
        ([record(card_no=None)], Event.PENDING),
        ([record(card_no="")], Event.PENDING),
        ([record(status=OperationStatus.FAIL)], Event.FAILED),
        ([record(status=OperationStatus.WAIT_PROCESS)], Event.PENDING),
        ([record(status=OperationStatus.PROCESSING)], Event.PENDING),
        ([record(status=OperationStatus("a new word"))], Event.PENDING),
        ([record(amount=Decimal("50.01"))], Event.MISMATCHED),
        ([record(amount=Decimal("50.01"), status=OperationStatus.FAIL)], Event.MISMATCHED),
        ([record(type=OperationType.DEPOSIT)], Event.MISMATCHED),
        ([record(), record()], Event.MISMATCHED),
        (
            [CardOperation(merchant_order_no="N", status=OperationStatus.SUCCESS, card_no="C1")],
            Event.SUCCEEDED,
        ),
    ],
)
def test_judge(answers: list[OperationRecord], event: Event) -> None:
    """The server's record of an order means what its status says, if it is the row's order."""
    assert judge(entry(RowState.UNKNOWN), answers) is event


def test_learn_takes_over_the_facts_of_a_success() -> None:
    """An issued row has its card, fee and received amount, and no old error."""
    before = advance(entry(RowState.INTENT), Event.LOST, code=500, message="broken")
    after = learn(before, [record()])
    assert after.state is RowState.ISSUED
    assert (after.card_no, after.currency, after.fee) == ("C1", "USD", Decimal(1))
    assert (after.received_amount, after.received_currency) == (Decimal(50), "USD")
    assert (after.code, after.message) == (None, None)


def test_learn_believes_no_received_amount_before_success() -> None:
    """What arrived means nothing before success."""
    after = learn(entry(RowState.INTENT), [record(status=OperationStatus.PROCESSING)])
    assert (after.state, after.received_amount) == (RowState.ACCEPTED, None)


def test_learn_says_why_a_row_failed() -> None:
    """A failed row carries the server's words, without long numbers."""
    answer = record(status=OperationStatus.FAIL, description="Card 5319930000000001 declined\n")
    assert learn(entry(RowState.ACCEPTED), [answer]).message == "Card [digits] declined"


@pytest.mark.parametrize(
    "answers, words",
    [
        ([record(), record()], "the server has 2 orders of this number"),
        ([record(amount=Decimal(70))], "the order of this number is another one: create of 70"),
    ],
)
def test_learn_says_why_a_row_is_parked(answers: list[OperationRecord], words: str) -> None:
    """A parked row says what contradicts it, and takes over nothing."""
    after = learn(entry(RowState.UNKNOWN), answers)
    assert (after.state, after.message, after.card_no) == (RowState.PARKED, words, None)
