"""What happens at merchants, which the API only reports: functions of the state.

Money that a merchant holds or has counts as spent; a refund or reversal brings it back to the card,
or to the merchant's account if the card is cancelled. Source: seed, "Transaction Queries"; contract
3.7 and 8.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from fincard_async._generated.models.accounts import LedgerReason
from fincard_async._generated.models.common import (
    AuthorizationStatus,
    AuthorizationType,
    CardStatus,
    SpendingInterval,
)
from fincard_async._generated.models.transactions import MerchantData

from . import faces
from .announcing import tell_authorization
from .booking import note
from .fees import ZERO
from .lifecycle import due
from .progress import purse_of
from .records import Authorization, Card
from .refusal import bad_parameter, not_found, refuse
from .state import State

MERCHANT: Final = "Example Store"
SETTLE_AFTER_MS: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Purchase:
    """A purchase as a merchant asks for it; amounts are in the card's currency."""

    amount: Decimal
    """In ``currency``, which may be another."""
    currency: str | None
    """None for the card's."""
    authorized: Decimal
    fee: Decimal
    cross_border_fee: Decimal
    merchant: MerchantData
    settle_after_ms: int | None
    """None never settles by itself."""

    @property
    def cost(self) -> Decimal:
        """What it takes from the card."""
        return self.authorized + self.fee + self.cross_border_fee


def buy(state: State, card: Card, purchase: Purchase) -> Authorization:
    """Hold the cost, or decline; a declined purchase is a row too."""
    reason = _why_declined(card, purchase)
    item = add_row(
        state,
        card,
        AuthorizationType.AUTH,
        amount=purchase.amount,
        authorized=purchase.authorized,
        currency=purchase.currency,
        fee=purchase.fee if reason is None else ZERO,
        cross_border_fee=purchase.cross_border_fee if reason is None else ZERO,
        merchant=purchase.merchant,
        status=AuthorizationStatus.FAILED if reason else AuthorizationStatus.AUTHORIZED,
        description=reason,
        due_at=due(state.now, purchase.settle_after_ms),
    )
    if reason is None:
        _spend(state, card, purchase.cost, item.trade_no)
        if item.due_at <= state.now:
            item.status, item.settled_at = AuthorizationStatus.SUCCEED, state.now
            tell_authorization(state, item)
        else:
            state.plan(item)
    return item


def _why_declined(card: Card, purchase: Purchase) -> str | None:
    """The first reason against a purchase."""
    if card.blocked or card.status is not CardStatus.NORMAL:
        return "The card is not usable"
    limits = [
        control.amount
        for control in card.spending_controls
        if control.interval is SpendingInterval.PER_TRANSACTION and control.amount is not None
    ]
    if limits and purchase.authorized > min(limits):
        return "Over the limit of one transaction"
    rules, mcc = card.risk_controls, purchase.merchant.category_code
    if rules is not None and rules.allowed_mcc and mcc not in rules.allowed_mcc:
        return "The merchant category is not allowed"
    if rules is not None and rules.blocked_mcc and mcc in rules.blocked_mcc:
        return "The merchant category is blocked"
    return "Insufficient card balance" if card.purse.balance < purchase.cost else None


def find_purchase(state: State, trade_no: str) -> Authorization:
    """A purchase that was not declined."""
    item = state.authorizations.find("trade_no", trade_no)
    if item is None or item.kind is not AuthorizationType.AUTH:
        raise not_found("Purchase")
    return item


def refund(state: State, origin: Authorization, amount: Decimal | None) -> Authorization:
    """Money back after settlement; several refunds, up to the amount of the purchase."""
    if origin.status is not AuthorizationStatus.SUCCEED:
        raise refuse("Only a settled purchase can be refunded")
    left = origin.authorized - origin.refunded
    amount = left if amount is None else amount
    if not 0 < amount <= left:
        raise bad_parameter("amount", f"must be more than 0 and at most {left}")
    origin.refunded += amount
    _spend(state, origin.card, -amount, origin.trade_no)
    return _follow_up(state, AuthorizationType.REFUND, origin, amount)


def reverse(state: State, origin: Authorization) -> Authorization:
    """A purchase taken back before settlement, fees included."""
    if origin.status is not AuthorizationStatus.AUTHORIZED:
        raise refuse("Only a purchase that is not settled can be reversed")
    origin.status = AuthorizationStatus.FAILED
    origin.description = "Reversed"
    tell_authorization(state, origin)
    cost = origin.authorized + origin.fee + origin.cross_border_fee
    _spend(state, origin.card, -cost, origin.trade_no)
    return _follow_up(state, AuthorizationType.VOID, origin, origin.authorized)


def _follow_up(
    state: State, kind: AuthorizationType, origin: Authorization, amount: Decimal
) -> Authorization:
    return add_row(
        state,
        origin.card,
        kind,
        amount=amount,
        authorized=amount,
        merchant=origin.merchant,
        origin_trade_no=origin.trade_no,
    )


def verify(state: State, card: Card, merchant: MerchantData) -> Authorization:
    """A merchant checks that a card exists; no money moves."""
    usable = card.status is CardStatus.NORMAL and not card.blocked
    return add_row(
        state,
        card,
        AuthorizationType.VERIFICATION,
        amount=ZERO,
        authorized=ZERO,
        merchant=merchant,
        status=AuthorizationStatus.SUCCEED if usable else AuthorizationStatus.FAILED,
    )


def _spend(state: State, card: Card, cost: Decimal, trade_no: str) -> None:
    """Money to a merchant, or back from one where ``cost`` is negative."""
    purse = purse_of(state, card)
    purse.balance -= cost
    reason = LedgerReason.CARD_REFUND if cost < 0 else LedgerReason.CARD_SETTLEMENT
    note(state, purse, -cost, reason, trade_no)
    card.used += cost
    state.spent += cost


def add_row(
    state: State,
    card: Card,
    kind: AuthorizationType,
    *,
    amount: Decimal,
    authorized: Decimal,
    currency: str | None = None,
    fee: Decimal = ZERO,
    cross_border_fee: Decimal = ZERO,
    merchant: MerchantData | None = None,
    status: AuthorizationStatus = AuthorizationStatus.SUCCEED,
    description: str | None = None,
    due_at: int = 0,
    origin_trade_no: str | None = None,
) -> Authorization:
    """Append a row of the authorization query with a new trade number."""
    trade_no = state.next_trade_no("TRX")
    item = Authorization(
        trade_no=trade_no,
        origin_trade_no=origin_trade_no,
        kind=kind,
        card=card,
        time=state.now,
        due_at=due_at,
        amount=amount,
        currency=currency or card.currency,
        authorized=authorized,
        fee=fee,
        cross_border_fee=cross_border_fee,
        status=status,
        authorization_code=faces.digits(6, "authorization", state.seed, trade_no),
        merchant=merchant,
        description=description,
        settled_at=state.now if status is AuthorizationStatus.SUCCEED else None,
    )
    state.authorizations.append(item)
    tell_authorization(state, item)
    return item
