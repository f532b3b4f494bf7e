"""What the issuer of a card does by itself: fees, blocks, messages. Functions of the state.

Source: seed, "Transaction Queries"; contract 3.7.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from fincard_async._generated.models.accounts import LedgerReason
from fincard_async._generated.models.common import (
    AuthorizationStatus,
    AuthorizationType,
    FeeType,
    OperationType,
    ThreeDsType,
)

from . import faces
from .announcing import tell_fee, tell_message
from .booking import FEE_REASONS, REASONS, note
from .fees import ZERO, Quote
from .merchants import add_row
from .orders import accept
from .records import Authorization, Card, FeePatch, Message, Order
from .refusal import refuse
from .state import State

_PAGE_LIFETIME_MS: Final = 300_000


def charge_maintenance(
    state: State, card: Card, amount: Decimal, description: str
) -> Authorization:
    """A monthly, yearly or cash-machine fee, taken from the card if it has enough."""
    paid = card.purse.balance >= amount
    if paid:
        card.purse.balance -= amount
        state.fees += amount
    row = add_row(
        state,
        card,
        AuthorizationType.MAINTAIN_FEE,
        amount=amount,
        authorized=amount,
        status=AuthorizationStatus.SUCCEED if paid else AuthorizationStatus.FAILED,
        description=description,
    )
    if paid:
        note(state, card.purse, -amount, LedgerReason.CARD_SETTLEMENT, row.trade_no)
    return row


def patch_fee(
    state: State, card: Card, amount: Decimal, kind: FeeType, origin_trade_no: str | None
) -> FeePatch:
    """A fee that the merchant pays for its card."""
    _take_from_wallet(state, amount)
    state.fees += amount
    item = FeePatch(
        trade_no=state.next_trade_no("CAF"),
        origin_trade_no=origin_trade_no,
        kind=kind,
        card=card,
        time=state.now,
        amount=amount,
    )
    note(state, state.wallet.purse, -amount, FEE_REASONS[kind], item.trade_no)
    state.fee_patches.append(item)
    tell_fee(state, item)
    return item


def charge_overdraft(state: State, card: Card, amount: Decimal) -> Order:
    """The merchant pays for a card that was used beyond its balance."""
    _take_from_wallet(state, amount)
    state.spent += amount
    quote = Quote(amount=amount, fee=ZERO, charge=ZERO, received=amount)
    order = accept(state, OperationType.OVERDRAFT_STATEMENT, None, card, quote=quote, latency=False)
    note(state, state.wallet.purse, -amount, REASONS[order.kind], order.order_no)
    return order


def block(state: State, card: Card) -> Order:
    """The issuer blocks a card, which is an operation without a merchant's number."""
    card.blocked = True
    return accept(state, OperationType.BLOCKED, None, card, latency=False)


def send_message(
    state: State,
    card: Card,
    kind: ThreeDsType,
    *,
    text: str | None,
    amount: Decimal,
    merchant_name: str,
    origin_trade_no: str | None,
) -> Message:
    """A one-time code or a page on which the cardholder confirms a purchase."""
    trade_no = state.next_trade_no("TDS")
    is_url = kind is ThreeDsType.AUTH_URL
    made = f"https://3ds.fincard.example/confirm/{trade_no}"
    item = Message(
        trade_no=trade_no,
        origin_trade_no=origin_trade_no,
        kind=kind,
        card=card,
        time=state.now,
        text=text or (made if is_url else faces.digits(6, "otp", state.seed, trade_no)),
        amount=amount,
        merchant_name=merchant_name,
        expires_at=state.now + _PAGE_LIFETIME_MS if is_url else None,
    )
    state.messages.append(item)
    tell_message(state, item)
    return item


def _take_from_wallet(state: State, amount: Decimal) -> None:
    if state.wallet.purse.balance < amount:
        raise refuse("Insufficient balance")
    state.wallet.purse.balance -= amount
