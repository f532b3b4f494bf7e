"""The state machine of a row: every pair of state and event, and the counts of attempts."""

from __future__ import annotations

from decimal import Decimal
from itertools import product
from typing import Any

import pytest
from hypothesis import given, strategies as st
from msgspec.structs import replace

from fincard_async._generated.models.cards import CardOperation
from fincard_async._generated.models.common import OperationStatus, OperationType
from fincard_async._generated.models.transactions import OperationRecord
from fincard_async.bulk.entry import Entry, Reason, RowState
from fincard_async.bulk.plan import (
    PROMISED,
    TRANSITIONS,
    Event,
    ForbiddenTransition,
    advance,
    judge,
    learn,
)

ALLOWED = {
    "planned": {"dispatched": "intent", "withdrawn": "withdrawn"},
    "intent": {
        "dispatched": "intent",
        "not sent": "intent",
        "lost": "unknown",
        "duplicate": "unknown",
        "refused": "refused",
        "refused in doubt": "unknown",
        "absent": "intent",
        "drained": "intent",
        "missing": "parked",
        "pending": "accepted",
        "succeeded": "issued",
        "failed": "failed",
        "mismatched": "parked",
    },
    "unknown": {
        "dispatched": "intent",
        "absent": "unknown",
        "drained": "unknown",
        "missing": "parked",
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
    "parked": {
        "judged issued": "issued",
        "judged failed": "failed",
        "judged resend": "intent",
    },
    "issued": {},
    "failed": {},
    "refused": {},
    "withdrawn": {},
}


def entry(state: RowState = RowState.PLANNED, sends: int = 1, closed: int = 0) -> Entry:
    """A row that was sent at second 1."""
    return Entry(
        seq=0,
        row_id="r",
        order_no="N" * 32,
        payload="{}",
        amount=Decimal("50.00"),
        state=state,
        sends=sends,
        closed=closed,
        first_sent_at=1000,
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
            advance(entry(state), event, now=5)
    else:
        assert advance(entry(state), event, now=5).state is RowState(expected)


def test_final_states_have_no_way_out() -> None:
    """What is final is issued, failed, refused or withdrawn, and the table leads nowhere from
    there; from what is parked only a person's word leads on."""
    assert {state for state in RowState if state.final} == {
        RowState.ISSUED,
        RowState.FAILED,
        RowState.REFUSED,
        RowState.WITHDRAWN,
    }
    assert not [state for state, _ in TRANSITIONS if state.final]
    words = {event for state, event in TRANSITIONS if state is RowState.PARKED}
    assert words == {Event.JUDGED_ISSUED, Event.JUDGED_FAILED, Event.JUDGED_RESEND}
    assert not [state for state, event in TRANSITIONS if event in words and state.value != "parked"]


def test_only_what_was_never_sent_is_withdrawn() -> None:
    """No state but planned can be withdrawn: an intent may be on its way."""
    assert [state for state, event in TRANSITIONS if event is Event.WITHDRAWN] == [RowState.PLANNED]


def test_every_reason_has_its_question() -> None:
    """A parked row tells what a person needs to find out."""
    assert len({reason.question for reason in Reason}) == len(Reason)
    assert all(reason.question.endswith("?") for reason in Reason)


def test_an_attempt_is_open_until_it_is_proven_dead() -> None:
    """Dispatching opens an attempt; only the proof that it did nothing closes it."""
    planned = entry(sends=0)
    first = advance(planned, Event.DISPATCHED, now=7)
    assert (first.open, first.first_sent_at, first.last_sent_at) == (1, 7, 7)
    lost = advance(first, Event.LOST, now=8, message="gone")
    assert (lost.open, lost.message) == (1, "gone")
    second = advance(lost, Event.DISPATCHED, now=9)
    assert (second.open, second.first_sent_at, second.last_sent_at) == (2, 7, 9)
    assert second.message is None
    assert advance(second, Event.NOT_SENT, now=10).open == 1
    assert advance(second, Event.DRAINED, now=10).open == 0
    assert advance(second, Event.ABSENT, now=10).open == 2


def test_the_window_begins_with_the_first_open_attempt() -> None:
    """After all attempts are closed the next one is the first that the server can remember."""
    drained = advance(entry(RowState.UNKNOWN), Event.DRAINED, now=10)
    again = advance(drained, Event.DISPATCHED, now=20)
    assert (again.open, again.sends, again.first_sent_at) == (1, 2, 20)


def test_a_person_may_close_what_is_parked() -> None:
    """Sent again by decision, a row starts with no open attempt; otherwise it has an end."""
    parked = advance(entry(RowState.UNKNOWN), Event.MISSING, now=10, reason=Reason.ABSENT)
    assert (parked.reason, parked.ended_at, parked.open) == (Reason.ABSENT, 10, 1)
    again = advance(parked, Event.JUDGED_RESEND, now=20)
    assert (again.state, again.reason, again.ended_at, again.open) == (
        RowState.INTENT,
        None,
        None,
        0,
    )
    assert advance(parked, Event.JUDGED_FAILED, now=20).ended_at == 20


@pytest.mark.parametrize("event", [Event.DUPLICATE, Event.REFUSED_IN_DOUBT])
def test_an_answer_that_proves_little_closes_nothing(event: Event) -> None:
    """A duplicate, or a refusal beside another attempt, leaves all attempts open."""
    assert advance(entry(RowState.INTENT, sends=2), event, now=5).open == 2


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
        assert (now.ended_at is not None) is (now.state.final or now.state is RowState.PARKED)


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
    assert judge(entry(RowState.UNKNOWN), answers, "create")[0] is event


@pytest.mark.parametrize(
    "changes, answer, reason",
    [
        ({}, record(amount=Decimal(70)), Reason.MISMATCH),
        ({}, record(type=OperationType.DEPOSIT), Reason.MISMATCH),
        ({"target": "C2"}, record(), Reason.MISMATCH),
        ({"card_no": "C2"}, record(), Reason.CONTRADICTION),
        ({"card_no": "C1", "target": "C1"}, record(), None),
        ({"amount": None}, record(amount=Decimal(70)), None),
        ({"target": "C1"}, record(card_no=None), None),
    ],
)
def test_judge_says_why(
    changes: dict[str, Any], answer: OperationRecord, reason: Reason | None
) -> None:
    """Another kind, card or amount is a mismatch; another card than before is a contradiction."""
    row = replace(entry(RowState.ACCEPTED), **changes)
    found = judge(row, [answer], "create")
    assert found == (Event.SUCCEEDED if reason is None else Event.MISMATCHED, reason)


@pytest.mark.parametrize("between", [[], [record(status=OperationStatus.PROCESSING, card_no="")]])
def test_a_success_that_is_taken_back(between: list[OperationRecord]) -> None:
    """Success without a card, and then failure: a person must look, also if more lies between."""
    now = entry(RowState.INTENT)
    for answer in (record(card_no=None), *between):
        now = learn(now, [answer], kind="create", now=5)
        assert (now.state, now.message) == (RowState.ACCEPTED, PROMISED)
    issued = learn(now, [record()], kind="create", now=9)
    assert (issued.state, issued.message, issued.card_no) == (RowState.ISSUED, None, "C1")
    parked = learn(now, [record(status=OperationStatus.FAIL)], kind="create", now=9)
    assert (parked.state, parked.reason) == (RowState.PARKED, Reason.CONTRADICTION)
    assert parked.message is not None
    assert "said before that this order had succeeded" in parked.message


def test_learn_takes_over_the_facts_of_a_success() -> None:
    """An issued row has its card, fee and received amount, and no old error."""
    before = advance(entry(RowState.INTENT), Event.LOST, now=5, code=500, message="broken")
    after = learn(before, [record()], kind="create", now=9)
    assert after.state is RowState.ISSUED
    assert (after.card_no, after.currency, after.fee) == ("C1", "USD", Decimal(1))
    assert (after.received_amount, after.received_currency) == (Decimal(50), "USD")
    assert (after.code, after.message, after.ended_at) == (None, None, 9)


def test_learn_believes_no_received_amount_before_success() -> None:
    """What arrived means nothing before success."""
    answer = record(status=OperationStatus.PROCESSING)
    after = learn(entry(RowState.INTENT), [answer], kind="create", now=9)
    assert (after.state, after.received_amount) == (RowState.ACCEPTED, None)


def test_learn_says_why_a_row_failed() -> None:
    """A failed row carries the server's words, without long numbers."""
    answer = record(status=OperationStatus.FAIL, description="Card 5319930000000001 declined\n")
    after = learn(entry(RowState.ACCEPTED), [answer], kind="create", now=9)
    assert after.message == "Card [digits] declined"


@pytest.mark.parametrize(
    "answers, words",
    [
        ([record(), record()], "the server has 2 orders of this number"),
        ([record(amount=Decimal(70))], "the order of this number is another one: create of 70"),
    ],
)
def test_learn_says_why_a_row_is_parked(answers: list[OperationRecord], words: str) -> None:
    """A parked row says what contradicts it, and takes over nothing."""
    after = learn(entry(RowState.UNKNOWN), answers, kind="create", now=9)
    assert (after.state, after.message, after.card_no) == (RowState.PARKED, words, None)
