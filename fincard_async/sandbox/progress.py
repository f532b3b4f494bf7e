"""What happens to money and cards when an order becomes final: one pair of functions per kind.

Money leaves the paying side when an order is accepted and is held by the order until here, where
it reaches the other side or returns. So the sum of all money is the same at every moment.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from heapq import heappop
from typing import Final

from fincard_async._generated.models.common import (
    AuthorizationStatus,
    CardForm,
    CardMode,
    CardStatus,
    OperationStatus,
    OperationType,
    ThreeDsType,
)

from . import faces
from .announcing import tell_authorization, tell_message, tell_order
from .booking import REASONS, RETURNED, note
from .fees import ZERO
from .lifecycle import AFTERWARDS, first_status
from .records import Authorization, Card, Change, Message, Order, Purse
from .state import State


def advance(state: State, now: int) -> None:
    """Move time forward, never back, and finish what is due by then, in order of time."""
    agenda = state.agenda
    while agenda and agenda[0][0] <= now:
        due_at, _, item = heappop(agenda)
        state.now = max(state.now, due_at)
        _finish(state, item)
    state.now = max(state.now, now)


def finish_all(state: State) -> int:
    """Finish everything now, whatever its latency; return how many orders and purchases."""
    count = len(state.agenda)
    while state.agenda:
        _finish(state, heappop(state.agenda)[2])
    return count


def _finish(state: State, item: Order | Authorization) -> None:
    if isinstance(item, Authorization):
        _settle(state, item)
    else:
        finish(state, item)


def finish(state: State, order: Order) -> None:
    """Make an order final: move what it holds, then the card's state."""
    order.done = True
    order.due_at = min(order.due_at, state.now)
    if order.outcome is OperationStatus.SUCCESS and not _still_possible(order):
        order.outcome = OperationStatus.FAIL
        order.description = f"The card is {order.card.status}"
    succeeded = order.outcome is OperationStatus.SUCCESS
    if order.held:
        _give(state, order, succeeded)
    (_SUCCEEDED if succeeded else _FAILED).get(order.kind, _nothing)(state, order)
    tell_order(state, order)


def _still_possible(order: Order) -> bool:
    """False if another operation has meanwhile ended what this one needs."""
    status = order.card.status
    if order.kind is OperationType.DEPOSIT:
        return status is not CardStatus.CANCEL
    if order.kind is OperationType.CARD_ACTIVATED:
        return status is CardStatus.UN_ACTIVATED
    return True


def _give(state: State, order: Order, succeeded: bool) -> None:
    """Pass on what an order holds: to the receiving side with the fee to the platform, or back."""
    payer, receiver = _sides(state, order)
    state.held -= order.held
    if succeeded:
        receiver.balance += order.received
        note(state, receiver, order.received, REASONS[order.kind], order.order_no)
        state.fees += order.held - order.received
    else:
        payer.balance += order.held
        note(state, payer, order.held, REASONS[order.kind], order.order_no, RETURNED)
    order.held = ZERO


def _sides(state: State, order: Order) -> tuple[Purse, Purse]:
    wallet, card = state.wallet.purse, purse_of(state, order.card)
    return (card, wallet) if order.kind is OperationType.WITHDRAW else (wallet, card)


def payer_of(state: State, order: Order) -> Purse:
    """Which purse an order took its money from."""
    return order.card.purse if order.kind is OperationType.WITHDRAW else state.wallet.purse


def purse_of(state: State, card: Card) -> Purse:
    """Where money of a card goes: a cancelled card keeps none, so it goes to the merchant."""
    gone = card.status is CardStatus.CANCEL and not shares_purse(card)
    return state.wallet.purse if gone else card.purse


def shares_purse(card: Card) -> bool:
    """True for a card that draws on an account's balance."""
    return card.card_type.mode is CardMode.BUDGET_CARD


def _nothing(state: State, order: Order) -> None:
    """Kinds that change neither the card's state nor anything else."""


def _created(state: State, order: Order) -> None:
    card = order.card
    card.status = first_status(card.card_type.type)
    if card.card_type.type is CardForm.PHYSICAL:
        _send_activation_code(state, card)


def _send_activation_code(state: State, card: Card) -> None:
    """The code reaches the client as a 3DS row. Source: seed, "Card 3DS Transactions"."""
    message = Message(
        trade_no=state.next_trade_no("TDS"),
        origin_trade_no=None,
        kind=ThreeDsType.ACTIVATION_CODE,
        card=card,
        time=state.now,
        text=faces.activation_code(state.seed, card.serial),
    )
    state.messages.append(message)
    tell_message(state, message)


def _not_created(state: State, order: Order) -> None:
    """What the card would have used up is free again."""
    card = order.card
    card.status = CardStatus.FAIL
    if card.holder_id is not None:
        state.cards_of_holder[card.holder_id, card.card_type.card_type_id] -= 1
    if card.printed is not None:
        state.printed_numbers.discard(card.printed)


def _moved(state: State, order: Order) -> None:
    order.card.status = AFTERWARDS[order.kind]


def _moved_back(state: State, order: Order) -> None:
    order.card.status = order.before


def _cancelled(state: State, order: Order) -> None:
    """What is left on the card returns to the merchant; a shared purse is not the card's."""
    card = order.card
    if not shares_purse(card):
        order.received = card.purse.balance
        state.wallet.purse.balance += order.received
        note(state, state.wallet.purse, order.received, REASONS[order.kind], order.order_no)
        card.purse.balance = ZERO
    card.status = CardStatus.CANCEL


def _changed(state: State, order: Order) -> None:
    card, change = order.card, order.change or Change()
    if change.no_pin_amount is not None:
        card.no_pin_amount = change.no_pin_amount
    if change.spending_controls is not None:
        card.spending_controls = change.spending_controls
    if change.risk_controls is not None:
        card.risk_controls = change.risk_controls


def _activated(state: State, order: Order) -> None:
    _moved(state, order)
    _changed(state, order)


_SUCCEEDED: Final[Mapping[OperationType, Callable[[State, Order], None]]] = {
    OperationType.CREATE: _created,
    OperationType.FREEZE: _moved,
    OperationType.UNFREEZE: _moved,
    OperationType.CANCEL: _cancelled,
    OperationType.CARD_UPDATE: _changed,
    OperationType.CARD_ACTIVATED: _activated,
}
_FAILED: Final[Mapping[OperationType, Callable[[State, Order], None]]] = {
    OperationType.CREATE: _not_created,
    OperationType.FREEZE: _moved_back,
    OperationType.UNFREEZE: _moved_back,
    OperationType.CANCEL: _moved_back,
}


def _settle(state: State, item: Authorization) -> None:
    """A held amount is collected; one that was voided meanwhile stays as it is."""
    if item.status is AuthorizationStatus.AUTHORIZED:
        item.status = AuthorizationStatus.SUCCEED
        item.settled_at = state.now
        tell_authorization(state, item)
