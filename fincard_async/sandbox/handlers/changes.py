"""Changing limits, merchant rules and PIN. Source: seed, "Update Card", "Activate Card"."""

from __future__ import annotations

import hmac
from decimal import Decimal

from fincard_async._generated.models.cards import (
    ActivateCardRequest,
    CardType,
    RiskControls,
    SpendingControl,
    SpendingLimit,
    UpdateCardRequest,
)
from fincard_async._generated.models.common import CardForm
from fincard_async.sandbox import faces
from fincard_async.sandbox.records import Card, Change
from fincard_async.sandbox.refusal import bad_parameter, unsupported
from fincard_async.sandbox.state import State


def check_physical(card: Card) -> None:
    """Refuse what only a physical card can do."""
    if card.card_type.type is not CardForm.PHYSICAL:
        raise unsupported()


def update_of(card: Card, request: UpdateCardRequest) -> Change:
    """What an update sets; refused where the card type does not support it."""
    if request.no_pin_payment_amount is not None:
        _check_no_pin(card.card_type, request.no_pin_payment_amount)
    limits, rules = request.spending_controls, request.risk_controls
    return Change(
        no_pin_amount=request.no_pin_payment_amount,
        spending_controls=None if limits is None else _limits(card.card_type, limits),
        risk_controls=None if rules is None else _rules(card, rules),
    )


def activation_of(state: State, card: Card, request: ActivateCardRequest) -> Change:
    """What an activation sets; refused with a wrong code."""
    code = "" if request.active_code is None else request.active_code.reveal()
    if not hmac.compare_digest(
        code.encode(), faces.activation_code(state.seed, card.serial).encode()
    ):
        raise bad_parameter("activeCode", "it is not the code of this card")
    if request.no_pin_payment_amount is not None:
        _check_no_pin(card.card_type, request.no_pin_payment_amount)
    return Change(no_pin_amount=request.no_pin_payment_amount)


def _check_no_pin(card_type: CardType, amount: Decimal) -> None:
    metadata = card_type.metadata
    if metadata is None or not metadata.support_setting_no_pin_payment_amount:
        raise unsupported()
    least, most = metadata.no_pin_payment_amount_min_quota, metadata.no_pin_payment_amount_max_quota
    if (least is not None and amount < least) or (most is not None and amount > most):
        raise bad_parameter("noPinPaymentAmount", f"must be {least} to {most}")


def _limits(card_type: CardType, limits: list[SpendingLimit]) -> list[SpendingControl]:
    offered = (card_type.metadata.spending_controls or []) if card_type.metadata else []
    settable = {item.interval for item in offered if item.support_setting}
    if any(limit.interval not in settable for limit in limits):
        raise unsupported()
    return [
        SpendingControl(interval=item.interval, amount=item.amount, support_setting=True)
        for item in limits
    ]


def _rules(card: Card, rules: RiskControls) -> RiskControls | None:
    """A list that is given replaces the old rules; an empty one removes the rule of that name."""
    if not (card.card_type.metadata and card.card_type.metadata.support_setting_mcc):
        raise unsupported()
    if rules.allowed_mcc:
        return RiskControls(allowed_mcc=list(rules.allowed_mcc))
    if rules.blocked_mcc:
        return RiskControls(blocked_mcc=list(rules.blocked_mcc))
    old = card.risk_controls or RiskControls()
    return RiskControls(
        allowed_mcc=old.allowed_mcc if rules.allowed_mcc is None else None,
        blocked_mcc=old.blocked_mcc if rules.blocked_mcc is None else None,
    )
