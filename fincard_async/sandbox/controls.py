"""What no client can do: act as merchant, issuer or platform, look at the books, move time.

Every method is also a call of the HTTP edge, ``POST /_sandbox/<name>`` with its arguments as a JSON
object, and a line of the state file. Amounts are in the card's currency; money never appears from
nowhere except through ``add_funds``.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec

from fincard_async._generated.models.common import (
    FeeType,
    OperationStatus,
    OperationType,
    ThreeDsType,
)
from fincard_async._generated.models.transactions import (
    AuthorizationFeeRecord,
    AuthorizationRecord,
    MerchantData,
)
from fincard_async._sansio.money import Amount, Money, to_money

from . import merchants, render
from .calls import control, parameters_of
from .fees import ZERO
from .merchants import MERCHANT, SETTLE_AFTER_MS
from .orders import find_card
from .progress import advance, finish_all
from .records import Failure
from .refusal import bad_parameter, not_found
from .state import State

if TYPE_CHECKING:
    from .engine import Engine


class Ledger(msgspec.Struct, frozen=True, kw_only=True):
    """The books at one moment; all the money together is ``paid_in``, always."""

    cards: int
    """Cards whose creation did not fail."""
    orders: int
    """Accepted operations of every kind."""
    unfinished: int
    """Orders that are not final."""
    created_amount: Money
    """Initial deposits of the cards counted in ``cards``."""
    wallet: Money
    shared: Money
    """Balance of the accounts of shared cards."""
    on_cards: Money
    """Balances of the cards that have one of their own."""
    held: Money
    """In orders that are not final."""
    fees: Money
    spent: Money
    paid_in: Money


class Controls:
    """Control calls over one sandbox. A call that is refused raises ``Refusal``."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @property
    def _state(self) -> State:
        return self._engine.state

    def invoke(self, name: str, body: bytes) -> object:
        """Carry out a call by name, with its arguments as a JSON object.

        Raises:
            Refusal: There is no such call, its arguments are wrong, or it is refused.
        """
        if name == "ledger":
            return self.ledger()
        parameters = parameters_of(Controls, name)
        if parameters is None:
            raise not_found("Control call")
        return getattr(self, name)(**parameters(body))

    # -- Merchants ---------------------------------------------------------------------------------

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
        price = _positive(amount, "amount")
        purchase = merchants.Purchase(
            amount=price,
            currency=currency,
            authorized=price
            if authorized_amount is None
            else _positive(authorized_amount, "authorized_amount"),
            fee=_not_negative(fee, "fee"),
            cross_border_fee=_not_negative(cross_border_fee, "cross_border_fee"),
            merchant=MerchantData(name=merchant_name, category_code=mcc, country=country),
            settle_after_ms=settle_after_ms,
        )
        card = find_card(self._state, card_no)
        return render.authorization_record(merchants.buy(self._state, card, purchase))

    @control
    def simulate_refund(self, trade_no: str, amount: Amount | None = None) -> AuthorizationRecord:
        """Give back a settled purchase, or a part of it; None gives back all that is left."""
        origin = merchants.find_purchase(self._state, trade_no)
        part = None if amount is None else _positive(amount, "amount")
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
        card, fee = find_card(self._state, card_no), _positive(amount, "amount")
        row = merchants.charge_maintenance(self._state, card, fee, description)
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
        message = merchants.send_message(
            self._state,
            find_card(self._state, card_no),
            kind,
            text=text,
            amount=_not_negative(amount, "amount"),
            merchant_name=merchant_name,
            origin_trade_no=origin_trade_no,
        )
        return message.trade_no

    # -- Issuer ------------------------------------------------------------------------------------

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
        card, fee = find_card(self._state, card_no), _positive(amount, "amount")
        row = merchants.patch_fee(self._state, card, fee, fee_type, origin_trade_no)
        return render.fee_record(row)

    @control
    def simulate_overdraft(self, card_no: str, amount: Amount) -> str:
        """Charge the merchant for a card that went below zero; returns the order number."""
        card, sum_ = find_card(self._state, card_no), _positive(amount, "amount")
        return merchants.charge_overdraft(self._state, card, sum_).order_no

    @control
    def block_card(self, card_no: str) -> str:
        """Block a card as its issuer; returns the order number."""
        return merchants.block(self._state, find_card(self._state, card_no)).order_no

    @control
    def unblock_card(self, card_no: str) -> None:
        """Lift the issuer's block."""
        find_card(self._state, card_no).blocked = False

    # -- Platform ----------------------------------------------------------------------------------

    @control
    def fail_next(
        self,
        kind: str | None = None,
        description: str = "The issuer declined",
        count: int = 1,
    ) -> None:
        """Let the next accepted orders end in ``fail``; ``kind`` as in the operation query."""
        operation = None if kind is None else OperationType(kind)
        if operation is not None and not operation.known:
            raise bad_parameter("kind", "not a kind of operation")
        self._state.failures += [Failure(operation, description)] * count

    @control
    def set_latency(self, latency_ms: int | None) -> None:
        """Milliseconds until new orders are final; None leaves them unfinished."""
        if latency_ms is not None and latency_ms < 0:
            raise bad_parameter("latency_ms", "must not be negative")
        self._state.latency = latency_ms

    @control
    def settle_now(self) -> int:
        """Finish every open order and purchase at once; returns how many there were."""
        return finish_all(self._state)

    @control
    def advance(self, milliseconds: int) -> None:
        """Let time pass; the sandbox stays ahead of the clock by as much."""
        if milliseconds < 0:
            raise bad_parameter("milliseconds", "time does not go back")
        self._engine.offset += milliseconds
        advance(self._state, self._state.now + milliseconds)

    @control
    def add_funds(self, amount: Amount, account_id: int | None = None) -> None:
        """Pay into an account; None for the merchant's own."""
        account = self._state.wallet if account_id is None else self._state.accounts.get(account_id)
        if account is None:
            raise not_found("Account")
        sum_ = _positive(amount, "amount")
        account.purse.balance += sum_
        self._state.paid_in += sum_

    @control
    def add_holder(self, holder_id: int) -> None:
        """Make a cardholder known."""
        self._state.holders.add(holder_id)

    @control
    def expire_tokens(self) -> None:
        """Refuse every token issued so far."""
        self._state.token_epoch += 1

    def ledger(self) -> Ledger:
        """The books now."""
        self._engine.tick()
        state = self._state
        orders = state.operations.rows
        made = [
            order
            for order in orders
            if order.kind is OperationType.CREATE and order.outcome is not OperationStatus.FAIL
        ]
        wallet = state.wallet.purse.balance
        shared = sum((a.purse.balance for a in state.accounts.values() if a.shared), ZERO)
        return Ledger(
            cards=len(made),
            orders=len(orders),
            unfinished=sum(not order.done for order in orders),
            created_amount=sum((order.amount for order in made), ZERO),
            wallet=wallet,
            shared=shared,
            on_cards=state.money() - wallet - shared - state.held - state.fees - state.spent,
            held=state.held,
            fees=state.fees,
            spent=state.spent,
            paid_in=state.paid_in,
        )


def _positive(amount: Amount, name: str) -> Decimal:
    money = to_money(amount, name)
    if money <= 0:
        raise bad_parameter(name, "must be more than 0")
    return money


def _not_negative(amount: Amount, name: str) -> Decimal:
    money = to_money(amount, name)
    if money < 0:
        raise bad_parameter(name, "must not be negative")
    return money
