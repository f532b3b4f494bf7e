"""Records of the sandbox as the structs that the API answers with."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from fincard_async._generated.models.cards import (
    Activation,
    BalanceInfo,
    Card as CardInfo,
    CardBalance,
    CardOperation,
)
from fincard_async._generated.models.common import (
    AuthorizationStatus,
    CardForm,
    CardStatus,
    OperationStatus,
    OperationType,
)
from fincard_async._generated.models.transactions import (
    AuthorizationFeeRecord,
    AuthorizationRecord,
    OperationRecord,
    PurchaseRecord,
    ThreeDsRecord,
)
from fincard_async._sansio.secret import Sealed

from .fees import ZERO
from .lifecycle import phase
from .records import Authorization, Card, FeePatch, Message, Order

_UNBORN = frozenset({CardStatus.PENDING, CardStatus.FAIL})


def status_of(order: Order, now: int) -> OperationStatus:
    """How far an order is at a moment."""
    if order.done and order.due_at <= now:
        return order.outcome
    return phase(order.accepted_at, order.due_at, now)


def card_operation(order: Order, now: int) -> CardOperation:
    """The answer of an operation."""
    status = status_of(order, now)
    succeeded = status is OperationStatus.SUCCESS
    return CardOperation(
        order_no=order.order_no,
        merchant_order_no=order.merchant_order_no or "",
        card_no=order.card.card_no,
        currency=order.card.currency,
        amount=order.amount,
        fee=_fee(order, status),
        received_amount=order.received if succeeded else None,
        received_currency=order.card.currency if succeeded else None,
        type=order.kind,
        status=status,
        description=order.description,
        transaction_time=order.accepted_at,
    )


def activation(order: Order, now: int) -> Activation:
    """The answer of an activation, which has no amounts and no platform number."""
    return Activation(
        merchant_order_no=order.merchant_order_no or "",
        card_no=order.card.card_no,
        type=order.kind,
        status=status_of(order, now),
        remark=order.description,
    )


def operation_record(order: Order, now: int) -> OperationRecord:
    """A row of the operation query: like the answer of the operation."""
    return _operation_row(order, order.kind, order.amount, order.received, now)


def old_operation_record(order: Order, kind: OperationType, now: int) -> OperationRecord:
    """A row of the first version of the query, where a new card is two rows of one order number.

    The row of type ``create`` has the price of the card as its amount, the row of type ``deposit``
    has the initial deposit. Source: contract 3.6 and 4.
    """
    if order.kind is not OperationType.CREATE:
        return operation_record(order, now)
    if kind is OperationType.CREATE:
        return _operation_row(order, kind, order.fee, ZERO, now)
    return _operation_row(order, kind, order.amount, order.received, now, free=True)


def _operation_row(
    order: Order,
    kind: OperationType,
    amount: Decimal,
    received: Decimal,
    now: int,
    *,
    free: bool = False,
) -> OperationRecord:
    status = status_of(order, now)
    succeeded = status is OperationStatus.SUCCESS
    return OperationRecord(
        order_no=order.order_no,
        merchant_order_no=order.merchant_order_no,
        card_no=order.card.card_no,
        currency=order.card.currency,
        amount=amount,
        fee=ZERO if free else _fee(order, status),
        received_amount=received if succeeded else None,
        received_currency=order.card.currency if succeeded else None,
        type=kind,
        status=status,
        description=order.description,
        transaction_time=order.accepted_at,
    )


def _fee(order: Order, status: OperationStatus) -> Decimal:
    return ZERO if status is OperationStatus.FAIL else order.fee


def purchase_record(order: Order, now: int) -> PurchaseRecord:
    """A row of the purchase query: what a new card cost. It has no card number (contract 3.7)."""
    card_type = order.card.card_type
    return PurchaseRecord(
        order_no=order.order_no,
        merchant_order_no=order.merchant_order_no,
        card_type_id=card_type.card_type_id,
        card_type=card_type.type,
        organization=card_type.organization,
        bank_card_bin=card_type.bank_card_bin,
        currency=order.card.currency,
        card_fee=order.fee,
        deposit_amount=order.amount,
        status=status_of(order, now),
        transaction_time=order.accepted_at,
    )


def authorization_record(item: Authorization) -> AuthorizationRecord:
    """A row of the authorization query."""
    settled = item.status is AuthorizationStatus.SUCCEED
    return AuthorizationRecord(
        card_no=item.card.card_no,
        trade_no=item.trade_no,
        origin_trade_no=item.origin_trade_no,
        currency=item.currency,
        amount=item.amount,
        authorized_amount=item.authorized,
        authorized_currency=item.card.currency,
        fee=item.fee,
        fee_currency=item.card.currency,
        cross_board_fee=item.cross_border_fee,
        cross_board_fee_currency=item.card.currency if item.cross_border_fee else None,
        settle_amount=item.authorized if settled else None,
        settle_currency=item.card.currency if settled else None,
        settle_date=_day(item.settled_at) if settled and item.settled_at is not None else None,
        authorization_code=item.authorization_code,
        merchant_name=item.merchant.name if item.merchant else None,
        merchant_data=item.merchant,
        type=item.kind,
        status=item.status,
        description=item.description,
        transaction_time=item.time,
    )


def _day(time: int) -> str:
    return datetime.fromtimestamp(time / 1000, UTC).strftime("%Y-%m-%d")


def fee_record(item: FeePatch) -> AuthorizationFeeRecord:
    """A row of the authorization fee query; the merchant's wallet always can pay."""
    return AuthorizationFeeRecord(
        card_no=item.card.card_no,
        trade_no=item.trade_no,
        origin_trade_no=item.origin_trade_no,
        currency=item.card.currency,
        amount=item.amount,
        type=item.kind,
        deduction_source_funds="wallet",
        status=OperationStatus.SUCCESS,
        transaction_time=item.time,
    )


def message_record(item: Message, values: Sealed) -> ThreeDsRecord:
    """A row of the 3DS query; ``values`` is sealed for the merchant."""
    return ThreeDsRecord(
        card_no=item.card.card_no,
        trade_no=item.trade_no,
        origin_trade_no=item.origin_trade_no,
        currency=item.card.currency,
        amount=item.amount,
        merchant_name=item.merchant_name,
        values=values,
        type=item.kind,
        transaction_time=item.time,
        expiration_time=item.expires_at,
    )


def card_balance(card: Card) -> CardBalance:
    """What can be spent; a card that is not there yet, or no longer, has nothing."""
    return CardBalance(
        card_no=card.card_no,
        amount=card.purse.balance,
        used_amount=card.used,
        currency=card.currency,
    )


def card_info(card: Card, *, simple: bool) -> CardInfo:
    """A card; its balance only if asked for."""
    return CardInfo(
        card_type_id=card.card_type.card_type_id,
        holder_id=card.holder_id,
        card_no=card.card_no,
        status=card.status,
        blocked=card.blocked,
        bind_time=None if card.status in _UNBORN else card.bind_time,
        balance_info=None if simple else _balance_info(card),
        no_pin_payment_amount=card.no_pin_amount
        if card.card_type.type is CardForm.PHYSICAL
        else None,
        spending_controls=list(card.spending_controls),
        card_bank_bin=card.card_type.bank_card_bin,
        risk_controls=card.risk_controls,
    )


def _balance_info(card: Card) -> BalanceInfo:
    return BalanceInfo(
        card_no=card.card_no,
        amount=card.purse.balance,
        used_amount=card.used,
        currency=card.currency,
    )
