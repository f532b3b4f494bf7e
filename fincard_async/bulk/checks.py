"""Rows against the card types on offer: before any money moves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Protocol

from fincard_async._generated.models.cards import CardType
from fincard_async._generated.models.common import CardForm, CardMode, CardTypeStatus
from fincard_async._sansio.secret import Secret

from .faults import Faults
from .rows import IssueRow


class CardOrder(Protocol):
    """What a row and a request have in common."""

    @property
    def card_type_id(self) -> int:
        """What kind of card."""
        ...

    @property
    def amount(self) -> Decimal:
        """Initial deposit."""
        ...

    @property
    def holder_id(self) -> int | None:
        """For whom."""
        ...

    @property
    def account_id(self) -> int | None:
        """Who pays, for a shared card."""
        ...

    @property
    def card_number(self) -> Secret | None:
        """Printed number, for a physical card."""
        ...


def check_rows(rows: Iterable[IssueRow], card_types: Iterable[CardType], file: str) -> None:
    """Refuse rows that the server is bound to refuse; ``file`` is named in the faults.

    Raises:
        InputError: A card type is unknown or not on offer, lacks what it needs, or does not take
            the amount; it lists every fault.
    """
    faults = Faults(file)
    by_id = {card_type.card_type_id: card_type for card_type in card_types}
    for row in rows:
        for message in order_faults(row, by_id.get(row.card_type_id)):
            faults.add(row.line, message)
    faults.raise_if_any()


def order_faults(order: CardOrder, card_type: CardType | None) -> Iterator[str]:
    """Why the server is bound to refuse an order; ``card_type`` is None if it is not on offer."""
    if card_type is None:
        yield "card_type_id is not a card type of this merchant"
        return
    if card_type.status is not CardTypeStatus.ONLINE or card_type.enable_active_card is False:
        yield "the card type is not on offer"
    if card_type.need_card_holder and order.holder_id is None:
        yield "holder_id is missing: the card type needs a cardholder"
    if card_type.mode is CardMode.BUDGET_CARD and order.account_id is None:
        yield "account_id is missing: the card type shares the balance of an account"
    if card_type.type is CardForm.PHYSICAL and order.card_number is None:
        yield "card_number is missing: the card type is physical"
    yield from _amount_faults(order.amount, card_type)


def _amount_faults(amount: Decimal, card_type: CardType) -> Iterator[str]:
    if card_type.need_deposit_for_active_card is False:
        if amount:
            yield "amount must be 0: the card type takes no initial deposit"
        return
    currency = card_type.recharge_currency or ""
    least = card_type.deposit_amount_min_quota_for_active_card
    most = card_type.deposit_amount_max_quota_for_active_card
    if least is not None and amount < least:
        yield f"amount must be at least {least} {currency}".rstrip()
    if most is not None and amount > most:
        yield f"amount must be at most {most} {currency}".rstrip()
    places = card_type.recharge_digital
    if places is not None and _places(amount) > places:
        yield f"amount must not have more than {places} decimal places"


def _places(amount: Decimal) -> int:
    """Decimal places that are not trailing zeros."""
    exponent = amount.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0
