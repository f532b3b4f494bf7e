"""Accepting an operation: the number is new, the money is there, then it is on its way."""

from __future__ import annotations

from decimal import Decimal

from fincard_async._generated.models.common import OperationStatus, OperationType

from .booking import REASONS, note
from .fees import ZERO, Quote
from .lifecycle import MEANWHILE, check_allowed
from .progress import finish, payer_of
from .records import Card, Change, Failure, Order, Purse
from .refusal import bad_parameter, not_found, refuse
from .state import State


def check_new(state: State, merchant_order_no: str | None) -> str:
    """Refuse a number that any operation has used before. Source: contract 6."""
    if merchant_order_no is None:
        raise bad_parameter("merchantOrderNo", "it is required")
    if state.knows(merchant_order_no):
        raise refuse("Duplicate order number")
    return merchant_order_no


def find_card(state: State, card_no: str) -> Card:
    """The card, in whatever state, or a refusal."""
    card = state.cards.get(card_no)
    if card is None:
        raise not_found("Card")
    return card


def card_for(state: State, kind: OperationType, card_no: str) -> Card:
    """The card, if its state allows an operation of this kind."""
    card = find_card(state, card_no)
    check_allowed(kind, card.status, blocked=card.blocked)
    return card


def take(state: State, payer: Purse, amount: Decimal, refusal: str) -> None:
    """Hold money of the paying side, or refuse."""
    if payer.balance < amount:
        raise refuse(refusal)
    payer.balance -= amount
    state.held += amount


def accept(
    state: State,
    kind: OperationType,
    number: str | None,
    card: Card,
    *,
    quote: Quote | None = None,
    change: Change | None = None,
    latency: bool = True,
) -> Order:
    """Register an operation and start it; the money of ``quote`` has been taken before.

    Args:
        state: Where it happens.
        kind: Which operation.
        number: The merchant's number; None where the issuer acts.
        card: On which card.
        quote: What it moves; None where no money moves.
        change: What it sets on the card.
        latency: False ends it at once.
    """
    failure = None if number is None else _next_failure(state, kind)
    order = Order(
        order_no=state.next_order_no(),
        merchant_order_no=number,
        kind=kind,
        card=card,
        accepted_at=state.now,
        due_at=state.due() if latency else state.now,
        outcome=OperationStatus.SUCCESS if failure is None else OperationStatus.FAIL,
        amount=quote.amount if quote else ZERO,
        fee=quote.fee if quote else ZERO,
        held=quote.charge if quote else ZERO,
        received=quote.received if quote else ZERO,
        description=failure.description if failure else None,
        before=card.status,
        change=change,
    )
    card.status = MEANWHILE.get(kind, card.status)
    state.operations.append(order)
    if order.held:
        note(state, payer_of(state, order), -order.held, REASONS[kind], order.order_no)
    if order.due_at <= state.now:
        finish(state, order)
    else:
        state.plan(order)
    return order


def _next_failure(state: State, kind: OperationType) -> Failure | None:
    """The first planned failure that fits; it is used up."""
    for index, failure in enumerate(state.failures):
        if failure.kind is None or failure.kind is kind:
            return state.failures.pop(index)
    return None
