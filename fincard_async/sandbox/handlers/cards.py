"""Handlers of the resource ``cards``. Source: seed, "Card APIs"."""

from __future__ import annotations

from fincard_async._generated.models import cards as m
from fincard_async._generated.models.common import CardCategory, CardStatus, OperationType
from fincard_async.sandbox import faces, render
from fincard_async.sandbox.fees import quote_deposit, quote_withdrawal
from fincard_async.sandbox.orders import accept, card_for, check_new, find_card, take
from fincard_async.sandbox.progress import shares_purse
from fincard_async.sandbox.refusal import unsupported, wrong_status
from fincard_async.sandbox.sealing import Sealer
from fincard_async.sandbox.state import State

from .changes import activation_of, check_physical, update_of
from .opening import open_card

_FACELESS = frozenset({CardStatus.PENDING, CardStatus.CANCEL, CardStatus.FAIL})
"""States in which there is nothing to show of a card."""


class Cards:
    """The thirteen card endpoints over one state."""

    def __init__(self, state: State, sealer: Sealer) -> None:
        self._state = state
        self._sealer = sealer

    def list_types(self, request: m.ListCardTypesRequest) -> list[m.CardType]:
        """Everything on offer, the offline types included."""
        return list(self._state.card_types.values())

    def open(self, request: m.OpenCardRequest) -> m.CardOperation:
        """Order a card; the money is taken at once."""
        return render.card_operation(open_card(self._state, request), self._state.now)

    def get(self, request: m.GetCardRequest) -> m.Card:
        """The card; its balance only with ``onlySimpleInfo`` false."""
        card = find_card(self._state, request.card_no)
        return render.card_info(card, simple=request.only_simple_info is not False)

    def get_sensitive(self, request: m.GetSensitiveCardRequest) -> m.SensitiveCard:
        """What is printed on the card, sealed; of a gift card only its URL."""
        state, seal = self._state, self._sealer.seal
        card = find_card(state, request.card_no)
        if card.status in _FACELESS:
            raise wrong_status(card.status)
        if card.card_type.category is CardCategory.GIFT:
            return m.SensitiveCard(activate_url=seal(faces.activate_url(state.seed, card.serial)))
        prefix = card.card_type.bank_card_bin or ""
        return m.SensitiveCard(
            card_number=seal(faces.card_number(prefix, state.seed, card.serial)),
            cvv=seal(faces.cvv(state.seed, card.serial)),
            expire_date=seal(faces.expiry(card.bind_time)),
        )

    def get_balance(self, request: m.GetCardBalanceRequest) -> m.CardBalance:
        """What can be spent with the card."""
        return render.card_balance(find_card(self._state, request.card_no))

    def deposit(self, request: m.DepositRequest) -> m.CardOperation:
        """Money from the merchant to the card, minus the fee."""
        state, kind = self._state, OperationType.DEPOSIT
        number = check_new(state, request.merchant_order_no)
        card = card_for(state, kind, request.card_no)
        if card.card_type.enable_deposit is False:
            raise unsupported()
        quote = quote_deposit(card.card_type, request.amount)
        take(state, state.wallet.purse, quote.charge, "Insufficient balance")
        return render.card_operation(accept(state, kind, number, card, quote=quote), state.now)

    def withdraw(self, request: m.WithdrawRequest) -> m.CardOperation:
        """Money from the card back to the merchant; a shared card has none of its own."""
        state, kind = self._state, OperationType.WITHDRAW
        number = check_new(state, request.merchant_order_no)
        card = card_for(state, kind, request.card_no)
        if shares_purse(card):
            raise unsupported()
        quote = quote_withdrawal(card.card_type, request.amount, card.purse.balance)
        take(state, card.purse, quote.charge, "Insufficient card balance")
        return render.card_operation(accept(state, kind, number, card, quote=quote), state.now)

    def freeze(self, request: m.FreezeRequest) -> m.CardOperation:
        """Only a usable card."""
        return self._switch(
            OperationType.FREEZE, request.merchant_order_no, request.card_no, "enable_freeze"
        )

    def unfreeze(self, request: m.UnfreezeRequest) -> m.CardOperation:
        """Only a frozen card."""
        return self._switch(
            OperationType.UNFREEZE, request.merchant_order_no, request.card_no, "enable_un_freeze"
        )

    def cancel(self, request: m.CancelRequest) -> m.CardOperation:
        """For good; what is left on the card returns to the merchant at success."""
        return self._switch(OperationType.CANCEL, request.merchant_order_no, request.card_no, None)

    def update(self, request: m.UpdateCardRequest) -> m.CardOperation:
        """Limits and merchant rules, as far as the card type supports them."""
        state, kind = self._state, OperationType.CARD_UPDATE
        number = check_new(state, request.merchant_order_no)
        card = card_for(state, kind, request.card_no)
        order = accept(state, kind, number, card, change=update_of(card, request))
        return render.card_operation(order, state.now)

    def update_pin(self, request: m.UpdatePinRequest) -> m.CardOperation:
        """Physical cards only; the PIN itself is not kept."""
        state, kind = self._state, OperationType.UPDATE_PIN
        number = check_new(state, request.merchant_order_no)
        card = card_for(state, kind, request.card_no)
        check_physical(card)
        return render.card_operation(accept(state, kind, number, card), state.now)

    def activate(self, request: m.ActivateCardRequest) -> m.Activation:
        """With the code that came as a 3DS row; the PIN itself is not kept."""
        state, kind = self._state, OperationType.CARD_ACTIVATED
        number = check_new(state, request.merchant_order_no)
        card = card_for(state, kind, request.card_no)
        check_physical(card)
        order = accept(state, kind, number, card, change=activation_of(state, card, request))
        return render.activation(order, state.now)

    def _switch(
        self, kind: OperationType, number: str | None, card_no: str, switch: str | None
    ) -> m.CardOperation:
        state = self._state
        number = check_new(state, number)
        card = card_for(state, kind, card_no)
        if switch is not None and getattr(card.card_type, switch) is False:
            raise unsupported()
        return render.card_operation(accept(state, kind, number, card), state.now)
