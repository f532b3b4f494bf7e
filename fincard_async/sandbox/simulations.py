"""Control calls that act as a merchant or as the issuer of a card.

Amounts are in the card's currency unless said otherwise.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from fincard_async._generated.models.common import FeeType, ThreeDsType
from fincard_async._generated.models.transactions import (
    AuthorizationFeeRecord,
    AuthorizationRecord,
    MerchantData,
)
from fincard_async._sansio.money import Amount, to_money

from . import issuer, merchants, render
from .calls import control
from .merchants import MERCHANT, SETTLE_AFTER_MS
from .orders import find_card
from .refusal import bad_parameter
from .state import State

if TYPE_CHECKING:
    from .engine import Engine


class Simulations:
    """Control calls in the name of merchants and of the issuer."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @property
    def _state(self) -> State:
        return self._engine.state

    @control
    def simulate_purchase(
        self,
        card_no: str,
        amount: Amount,
        *,
        merchant_name: str = MERCHANT,
        mcc: str = "5411",
        country: str = "USA",
        currency: str | None = None,
        authorized_amount: Amount | None = None,
        fee: Amount = 0,
        cross_border_fee: Amount = 0,
        settle_after_ms: int | None = SETTLE_AFTER_MS,
    ) -> AuthorizationRecord:
        """Buy something: the row says whether it was declined.

        Args:
            card_no: The card.
            amount: Price in ``currency``.
            merchant_name: Shown in the row.
            mcc: Merchant category code; the card may forbid it.
            country: Of the merchant, three letters.
            currency: Of the price; None for the card's.
            authorized_amount: What the card pays; None for ``amount``.
            fee: Fee of the authorization, paid by the card.
            cross_border_fee: Fee for a purchase abroad, paid by the card.
            settle_after_ms: Milliseconds until it settles: 0 at once, None never.
        """
        price = positive(amount, "amount")
        purchase = merchants.Purchase(
            amount=price,
            currency=currency,
            authorized=price
            if authorized_amount is None
            else positive(authorized_amount, "authorized_amount"),
            fee=not_negative(fee, "fee"),
            cross_border_fee=not_negative(cross_border_fee, "cross_border_fee"),
            merchant=MerchantData(name=merchant_name, category_code=mcc, country=country),
            settle_after_ms=settle_after_ms,
        )
        card = find_card(self._state, card_no)
        return render.authorization_record(merchants.buy(self._state, card, purchase))

    @control
    def simulate_refund(self, trade_no: str, amount: Amount | None = None) -> AuthorizationRecord:
        """Give back a settled purchase, or a part of it; None gives back all that is left."""
        origin = merchants.find_purchase(self._state, trade_no)
        part = None if amount is None else positive(amount, "amount")
        return render.authorization_record(merchants.refund(self._state, origin, part))

    @control
    def simulate_reversal(self, trade_no: str) -> AuthorizationRecord:
        """Take back a purchase before it settles; the row has type Void."""
        origin = merchants.find_purchase(self._state, trade_no)
        return render.authorization_record(merchants.reverse(self._state, origin))

    @control
    def simulate_verification(
        self, card_no: str, merchant_name: str = MERCHANT
    ) -> AuthorizationRecord:
        """Check a card at a merchant, such as when it is stored."""
        card = find_card(self._state, card_no)
        merchant = MerchantData(name=merchant_name)
        return render.authorization_record(merchants.verify(self._state, card, merchant))

    @control
    def simulate_maintain_fee(
        self, card_no: str, amount: Amount, description: str = "Monthly fee"
    ) -> AuthorizationRecord:
        """Charge a card; the row says failed if it has too little."""
        card, fee = find_card(self._state, card_no), positive(amount, "amount")
        row = issuer.charge_maintenance(self._state, card, fee, description)
        return render.authorization_record(row)

    @control
    def simulate_otp(
        self,
        card_no: str,
        amount: Amount = 0,
        merchant_name: str = MERCHANT,
        otp: str | None = None,
        origin_trade_no: str | None = None,
    ) -> str:
        """Send a one-time code for a purchase; returns the trade number of its row."""
        return self._send(ThreeDsType.OTP, card_no, amount, merchant_name, otp, origin_trade_no)

    @control
    def simulate_auth_url(
        self,
        card_no: str,
        amount: Amount = 0,
        merchant_name: str = MERCHANT,
        url: str | None = None,
        origin_trade_no: str | None = None,
    ) -> str:
        """Send the address of a page that confirms a purchase; it ends after five minutes."""
        return self._send(
            ThreeDsType.AUTH_URL, card_no, amount, merchant_name, url, origin_trade_no
        )

    def _send(
        self,
        kind: ThreeDsType,
        card_no: str,
        amount: Amount,
        merchant_name: str,
        text: str | None,
        origin_trade_no: str | None,
    ) -> str:
        message = issuer.send_message(
            self._state,
            find_card(self._state, card_no),
            kind,
            text=text,
            amount=not_negative(amount, "amount"),
            merchant_name=merchant_name,
            origin_trade_no=origin_trade_no,
        )
        return message.trade_no

    @control
    def simulate_fee_patch(
        self,
        card_no: str,
        amount: Amount,
        kind: str = FeeType.CARD_PATCH_FEE.value,
        origin_trade_no: str | None = None,
    ) -> AuthorizationFeeRecord:
        """Charge the merchant a fee that a card could not pay; ``kind`` as in the fee query."""
        fee_type = FeeType(kind)
        if not fee_type.known:
            raise bad_parameter("kind", "not a kind of fee")
        card, fee = find_card(self._state, card_no), positive(amount, "amount")
        row = issuer.patch_fee(self._state, card, fee, fee_type, origin_trade_no)
        return render.fee_record(row)

    @control
    def simulate_overdraft(self, card_no: str, amount: Amount) -> str:
        """Charge the merchant for a card that went below zero; returns the order number."""
        card, sum_ = find_card(self._state, card_no), positive(amount, "amount")
        return issuer.charge_overdraft(self._state, card, sum_).order_no

    @control
    def block_card(self, card_no: str) -> str:
        """Block a card as its issuer; returns the order number."""
        return issuer.block(self._state, find_card(self._state, card_no)).order_no

    @control
    def unblock_card(self, card_no: str) -> None:
        """Lift the issuer's block."""
        find_card(self._state, card_no).blocked = False


def positive(amount: Amount, name: str) -> Decimal:
    """An exact amount above zero, or a refusal."""
    money = to_money(amount, name)
    if money <= 0:
        raise bad_parameter(name, "must be more than 0")
    return money


def not_negative(amount: Amount, name: str) -> Decimal:
    """An exact amount of zero or more, or a refusal."""
    money = to_money(amount, name)
    if money < 0:
        raise bad_parameter(name, "must not be negative")
    return money
