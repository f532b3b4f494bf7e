"""How orders and cards advance with time."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, strategies as st

from fincard_async._generated.models.common import CardStatus, OperationStatus, OperationType
from fincard_async.sandbox.catalog import PHYSICAL
from fincard_async.sandbox.lifecycle import ALLOWED, NEVER, check_allowed, due, phase
from fincard_async.sandbox.refusal import Refusal

from .kit import Api, Refused


@pytest.mark.parametrize(
    ("after_ms", "status"),
    [(0, "wait_process"), (9, "wait_process"), (10, "processing"), (19, "processing")],
)
def test_phases(after_ms: int, status: str) -> None:
    """An order waits for the first half of its latency and is processed in the second."""
    assert phase(1000, due(1000, 20), 1000 + after_ms).value == status


def test_no_latency_means_never() -> None:
    """Without a latency an order is due at a time that does not come."""
    assert due(1000, None) == NEVER


@given(latency=st.integers(1, 10_000), times=st.lists(st.integers(0, 10_000), min_size=2))
def test_phases_only_go_forward(latency: int, times: list[int]) -> None:
    """No order goes back from processing to waiting."""
    order = [OperationStatus.WAIT_PROCESS, OperationStatus.PROCESSING]
    seen = [order.index(phase(0, latency, time)) for time in sorted(times)]
    assert seen == sorted(seen)


@pytest.mark.parametrize("kind", ALLOWED)
@pytest.mark.parametrize("status", CardStatus)
def test_states_that_allow_an_operation(kind: OperationType, status: CardStatus) -> None:
    """Each operation is accepted in its own states and refused in all others."""
    if status in ALLOWED[kind]:
        check_allowed(kind, status, blocked=False)
    else:
        with pytest.raises(Refusal, match="does not allow this"):
            check_allowed(kind, status, blocked=False)


@pytest.mark.parametrize("kind", ALLOWED)
def test_blocked_card(kind: OperationType) -> None:
    """A blocked card can be cancelled and nothing else."""
    status = next(iter(ALLOWED[kind]))
    if kind is OperationType.CANCEL:
        check_allowed(kind, status, blocked=True)
    else:
        with pytest.raises(Refusal, match="blocked"):
            check_allowed(kind, status, blocked=True)


def test_nothing_after_cancel() -> None:
    """No operation is accepted on a card that is cancelled, failed or not there yet."""
    gone = {CardStatus.CANCEL, CardStatus.CANCELING, CardStatus.FAIL, CardStatus.PENDING}
    assert not any(states & gone for states in ALLOWED.values())


def test_virtual_card(api: Api) -> None:
    """A virtual card goes from pending to Normal, and its order through all four states."""
    order = api.order()
    assert (order["status"], order["type"]) == ("wait_process", "create")
    assert "receivedAmount" not in order
    assert api.status(order["cardNo"]) == "pending"
    api.time.pass_ms(10)
    assert api.rows("operations")[0]["status"] == "processing"
    api.time.pass_ms(10)
    [row] = api.rows("operations")
    assert (row["status"], row["receivedAmount"], row["receivedCurrency"]) == ("success", 50, "USD")
    assert api.status(order["cardNo"]) == "Normal"


STEPS: list[tuple[str, list[str], str, str]] = [
    ("freeze", [], "Freezing", "Freeze"),
    ("unfreeze", ["freeze"], "UnFreezing", "Normal"),
    ("cancel", [], "canceling", "cancel"),
    ("cancel", ["freeze"], "canceling", "cancel"),
]


@pytest.mark.parametrize(("method", "before", "meanwhile", "afterwards"), STEPS)
def test_card_states(
    api: Api, method: str, before: list[str], meanwhile: str, afterwards: str
) -> None:
    """Freezing, unfreezing and cancelling pass through a state of their own."""
    card_no = api.card()
    for earlier in before:
        api.change(earlier, card_no)
        api.settle()
    assert api.change(method, card_no)["status"] == "wait_process"
    assert api.status(card_no) == meanwhile
    api.settle()
    assert api.status(card_no) == afterwards


@pytest.mark.parametrize(("method", "before", "meanwhile", "afterwards"), STEPS)
def test_failed_step_returns(
    api: Api, method: str, before: list[str], meanwhile: str, afterwards: str
) -> None:
    """A step that fails returns the card to the state it came from."""
    card_no = api.card()
    for earlier in before:
        api.change(earlier, card_no)
        api.settle()
    status = api.status(card_no)
    api.controls.fail_next(description="No")
    api.change(method, card_no)
    assert api.status(card_no) == meanwhile
    api.settle()
    assert api.status(card_no) == status
    row = api.rows("operations")[0]
    assert (row["status"], row["description"]) == ("fail", "No")


def test_failed_creation(api: Api) -> None:
    """A card that fails returns all the money, and what it used up is free again."""
    api.controls.fail_next("create")
    card_no = api.plastic("OFFLINE-7", active=False)
    assert api.status(card_no) == "fail"
    assert "bindTime" not in api.call("cards.get", cardNo=card_no)
    assert api.controls.ledger().wallet == 1_000_000
    assert api.rows("operations")[0]["fee"] == 0
    assert api.plastic("OFFLINE-7") != card_no
    assert api.state.cards_of_holder == {(124801, PHYSICAL): 1}


def test_failed_creation_without_holder(api: Api) -> None:
    """A failed card without a holder or a printed number has nothing else to give back."""
    api.controls.fail_next("create")
    assert api.status(api.card()) == "fail"


def test_physical_card(api: Api) -> None:
    """A physical card waits for its activation, which the code from the 3DS query allows."""
    card_no = api.plastic(active=False)
    assert api.status(card_no) == "un_activated"
    code = api.state.messages.rows[0].text
    answer = api.change("activate", card_no, pin="102938", activeCode=code, noPinPaymentAmount=100)
    assert answer["type"] == "card_activated"
    assert "orderNo" not in answer
    assert api.status(card_no) == "un_activated"
    api.settle()
    card = api.call("cards.get", cardNo=card_no)
    assert (card["status"], card["noPinPaymentAmount"]) == ("Normal", 100)


def test_second_activation_under_way(api: Api) -> None:
    """Of two activations under way the first one counts, and the second fails."""
    card_no = api.plastic(active=False)
    code = api.state.messages.rows[0].text
    for _ in range(2):
        api.change("activate", card_no, pin="102938", activeCode=code)
    api.settle()
    assert [row["status"] for row in api.rows("operations", type="card_activated")] == [
        "fail",
        "success",
    ]


def test_latency_zero_answers_at_once() -> None:
    """With latency 0 the answer is final."""
    api = Api(latency_ms=0)
    order = api.order()
    assert (order["status"], order["receivedAmount"]) == ("success", 50)
    assert api.status(order["cardNo"]) == "Normal"


def test_no_latency_stays_open() -> None:
    """Without a latency orders stay open until they are settled by hand."""
    api = Api(latency_ms=None)
    order = api.order()
    api.time.pass_ms(10_000_000_000)
    api.log_in()
    assert api.status(order["cardNo"]) == "pending"
    assert api.controls.settle_now() == 1
    assert api.status(order["cardNo"]) == "Normal"


def test_time_never_goes_back(api: Api) -> None:
    """A clock that is set back does not undo anything."""
    card_no = api.card()
    api.time.pass_ms(-1000)
    assert api.status(card_no) == "Normal"


def test_advance_moves_time(api: Api) -> None:
    """Time can be moved ahead of the clock, and stays ahead."""
    order = api.order()
    api.controls.advance(20)
    assert api.status(order["cardNo"]) == "Normal"
    later = api.order()
    assert later["transactionTime"] == order["transactionTime"] + 20


def test_deposit_that_ends_after_the_card(api: Api) -> None:
    """A deposit that arrives at a cancelled card fails and returns to the merchant."""
    card_no = api.card()
    api.controls.set_latency(1000)
    api.change("deposit", card_no, amount=100)
    api.controls.set_latency(10)
    api.change("cancel", card_no)
    api.time.pass_ms(2000)
    rows: list[Any] = api.rows("operations", type="deposit")
    assert (rows[0]["status"], rows[0]["description"]) == ("fail", "The card is cancel")
    assert api.controls.ledger().wallet == 999_999


def test_failed_withdrawal_after_the_card(api: Api) -> None:
    """A withdrawal that fails after its card was cancelled gives the money to the merchant."""
    card_no = api.card()
    api.controls.fail_next("withdraw")
    api.controls.set_latency(1000)
    api.change("withdraw", card_no, amount=10)
    api.controls.set_latency(10)
    api.change("cancel", card_no)
    api.time.pass_ms(2000)
    assert api.controls.ledger().wallet == 999_999
    assert api.balance(card_no) == 0


@pytest.mark.parametrize("method", ["deposit", "withdraw", "freeze", "update", "update_pin"])
def test_operations_need_a_usable_card(api: Api, method: str) -> None:
    """An operation on a card in the wrong state is refused, and nothing is remembered of it."""
    card_no = api.card()
    api.change("freeze", card_no)
    extra: dict[str, Any] = {"amount": 10} if method in ("deposit", "withdraw") else {}
    if method == "update_pin":
        extra["pin"] = "102938"
    orders = len(api.state.operations.rows)
    with pytest.raises(Refused, match="does not allow this: Freezing"):
        api.change(method, card_no, **extra)
    assert len(api.state.operations.rows) == orders
