"""Ordering a card. Source: seed, "Create Card V2"; contract 3.6, 8."""

from __future__ import annotations

from fincard_async._generated.models.cards import CardType, OpenCardRequest, SpendingControl
from fincard_async._generated.models.common import (
    CardForm,
    CardMode,
    CardTypeStatus,
    OperationType,
)
from fincard_async.sandbox.fees import ZERO, quote_opening
from fincard_async.sandbox.orders import accept, check_new, take
from fincard_async.sandbox.records import Card, Order, Purse
from fincard_async.sandbox.refusal import bad_parameter, not_found, refuse
from fincard_async.sandbox.state import State


def open_card(state: State, request: OpenCardRequest) -> Order:
    """Check everything, then take the money, then make the card."""
    number = check_new(state, request.merchant_order_no)
    card_type = _offered(state, request.card_type_id)
    _check_holder(state, card_type, request.holder_id)
    printed = _printed_number(state, card_type, request)
    shared = _shared_purse(state, card_type, request.account_id)
    quote = quote_opening(card_type, request.amount)
    take(state, state.wallet.purse, quote.charge, "Insufficient balance")
    card = _make(state, card_type, request.holder_id, printed, shared or Purse(ZERO))
    return accept(state, OperationType.CREATE, number, card, quote=quote)


def _offered(state: State, card_type_id: int) -> CardType:
    card_type = state.card_types.get(card_type_id)
    if card_type is None:
        raise not_found("Card type")
    if card_type.status is not CardTypeStatus.ONLINE:
        raise refuse("The card type is offline")
    if card_type.enable_active_card is False:
        raise refuse("Cards of this type cannot be created")
    return card_type


def _check_holder(state: State, card_type: CardType, holder_id: int | None) -> None:
    if holder_id is None:
        if card_type.need_card_holder:
            raise bad_parameter("holderId", "this card type needs a cardholder")
        return
    if holder_id not in state.holders:
        raise not_found("Cardholder")
    most = card_type.metadata.card_holder_max_card_limit if card_type.metadata else None
    have = state.cards_of_holder.get((holder_id, card_type.card_type_id), 0)
    if most is not None and have >= most:
        raise refuse(f"The cardholder has {most} cards of this type and cannot have more")


def _printed_number(state: State, card_type: CardType, request: OpenCardRequest) -> str | None:
    """The number of a card bought offline; each can be assigned once."""
    if card_type.type is not CardForm.PHYSICAL:
        return None
    if request.card_number is None:
        raise bad_parameter("cardNumber", "a physical card needs it")
    printed = request.card_number.reveal()
    if printed in state.printed_numbers:
        raise refuse("The card number is assigned to another card")
    return printed


def _shared_purse(state: State, card_type: CardType, account_id: int | None) -> Purse | None:
    if card_type.mode is not CardMode.BUDGET_CARD:
        return None
    if account_id is None:
        raise bad_parameter("accountId", "a shared card needs an account")
    account = state.accounts.get(account_id)
    if account is None:
        raise not_found("Account")
    if not account.shared:
        raise refuse("The account is not for shared cards")
    return account.purse


def _make(
    state: State, card_type: CardType, holder_id: int | None, printed: str | None, purse: Purse
) -> Card:
    serial = state.next_serial()
    metadata = card_type.metadata
    card = Card(
        card_no=f"FC{card_type.card_type_id:06d}{state.seed % 1000:03d}{serial:011d}",
        serial=serial,
        card_type=card_type,
        holder_id=holder_id,
        printed=printed,
        purse=purse,
        bind_time=state.now,
        currency=card_type.fiat_currency or "USD",
        no_pin_amount=metadata.default_no_pin_payment_amount if metadata else None,
        spending_controls=_first_limits(card_type),
    )
    state.cards[card.card_no] = card
    if holder_id is not None:
        key = (holder_id, card_type.card_type_id)
        state.cards_of_holder[key] = state.cards_of_holder.get(key, 0) + 1
    if printed is not None:
        state.printed_numbers.add(printed)
    return card


def _first_limits(card_type: CardType) -> list[SpendingControl]:
    return list(card_type.metadata.spending_controls or ()) if card_type.metadata else []
