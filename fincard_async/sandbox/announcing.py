"""What the platform tells by webhook, noted at the moment when it happens.

A note is a snapshot: the same purchase is told as authorized and, later, as settled. Nothing is
noted unless somebody listens. Source: contract 4.
"""

from __future__ import annotations

from fincard_async._generated import events
from fincard_async._generated.models.common import OperationType

from . import render
from .records import Authorization, FeePatch, Message, Notice, Order
from .state import State


def tell_order(state: State, order: Order) -> None:
    """An operation is final; an activation has a category of its own."""
    if not state.listening:
        return
    if order.kind is OperationType.CARD_ACTIVATED:
        state.notices.append(Notice(events.PHYSICAL_CARD, render.activation(order, state.now)))
    else:
        state.notices.append(Notice(events.OPERATION, render.operation_record(order, state.now)))


def tell_authorization(state: State, item: Authorization) -> None:
    """Something happened at a merchant, or moved on."""
    if state.listening:
        state.notices.append(Notice(events.AUTHORIZATION, render.authorization_record(item)))


def tell_fee(state: State, item: FeePatch) -> None:
    """The merchant was charged a fee."""
    if state.listening:
        state.notices.append(Notice(events.FEE, render.fee_record(item)))


def tell_message(state: State, item: Message) -> None:
    """A code or a link is ready; it is sealed when it is sent."""
    if state.listening:
        state.notices.append(Notice(events.THREE_DS, item))
