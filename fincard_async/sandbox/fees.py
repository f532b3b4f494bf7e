"""What an operation costs: quotas, decimal places and fees of a card type. Pure and exact.

Two ways to pay, from the field names of the seed ("Create Card V2", "Card Operations"):

- Opening: the fee comes on top. The merchant pays ``amount + fee``, the card receives ``amount``.
- Deposit: the fee comes out of it. The merchant pays ``amount``, the card receives the net amount.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Final

from fincard_async._generated.models.cards import CardType

from .refusal import bad_parameter, refuse

ZERO: Final = Decimal(0)
CENTS: Final = 2
"""Decimal places where the card type says nothing."""


@dataclass(frozen=True, slots=True)
class Quote:
    """What a movement costs; all amounts in the card's currency."""

    amount: Decimal
    fee: Decimal
    received: Decimal
    """What the other side gets."""
    charge: Decimal
    """What the paying side gives."""


def rounded(amount: Decimal, places: int) -> Decimal:
    """Round half up to a number of decimal places."""
    return amount.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)


def check_places(amount: Decimal, places: int) -> None:
    """Refuse an amount with more decimal places than allowed; trailing zeros do not count."""
    if amount != rounded(amount, places):
        raise bad_parameter("amount", f"must not have more than {places} decimal places")


def check_quota(amount: Decimal, least: Decimal | None, most: Decimal | None) -> None:
    """Refuse an amount outside the quotas of the card type."""
    if least is not None and amount < least:
        raise bad_parameter("amount", f"must be at least {least}")
    if most is not None and amount > most:
        raise bad_parameter("amount", f"must be at most {most}")


def quote_opening(card_type: CardType, amount: Decimal) -> Quote:
    """The card's price, and its initial deposit within the quotas.

    Where the type needs no initial deposit it does not support one either (contract 3.6).
    """
    if not card_type.need_deposit_for_active_card:
        if amount != 0:
            raise bad_parameter("amount", "this card type has no initial deposit, give 0")
    else:
        check_places(amount, _places(card_type))
        check_quota(
            amount,
            card_type.deposit_amount_min_quota_for_active_card,
            card_type.deposit_amount_max_quota_for_active_card,
        )
    price = card_type.card_price or ZERO
    return Quote(amount, price, received=amount, charge=amount + price)


def deposit_fee(card_type: CardType, amount: Decimal) -> Decimal:
    """Rate (1 means 1 %) and fixed part, rounded half up to cents."""
    rate, fixed = card_type.recharge_fee_rate or ZERO, card_type.recharge_fixed_fee or ZERO
    return rounded(amount * rate / 100 + fixed, CENTS)


def quote_deposit(card_type: CardType, amount: Decimal) -> Quote:
    """A deposit; refused where the fee would leave nothing."""
    check_places(amount, _places(card_type))
    check_quota(amount, card_type.recharge_min_quota, card_type.recharge_max_quota)
    fee = deposit_fee(card_type, amount)
    if amount <= fee:
        raise refuse("The amount does not cover the deposit fee")
    return Quote(amount, fee, received=amount - fee, charge=amount)


def quote_withdrawal(card_type: CardType, amount: Decimal, balance: Decimal) -> Quote:
    """A withdrawal is free, and leaves the retention quota on the card."""
    check_places(amount, CENTS)
    if balance - amount < (card_type.balance_retention_quota or ZERO):
        raise refuse("Insufficient card balance")
    return Quote(amount, ZERO, received=amount, charge=amount)


def _places(card_type: CardType) -> int:
    return CENTS if card_type.recharge_digital is None else card_type.recharge_digital
