"""Quotas, decimal places and fees."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, strategies as st

from fincard_async.sandbox.catalog import GIFT, PLAIN, PREPAID, SUBSCRIPTION_WITHOUT_DEPOSIT
from fincard_async.sandbox.fees import deposit_fee, quote_deposit, quote_opening, quote_withdrawal
from fincard_async.sandbox.refusal import Refusal

from .kit import card_type

AMOUNTS = st.decimals(min_value=0, max_value=20_000, places=2)


@pytest.mark.parametrize(
    ("rate", "fixed", "amount", "fee"),
    [
        ("1.2", "0", "100", "1.20"),
        ("1", "0", "0.50", "0.01"),
        ("1", "0", "0.49", "0.00"),
        ("0.8", "0.30", "250.75", "2.31"),
        ("0", "1", "7", "1.00"),
        ("2.5", "0", "0.20", "0.01"),
        (None, None, "50", "0.00"),
    ],
)
def test_deposit_fee(rate: str | None, fixed: str | None, amount: str, fee: str) -> None:
    """A rate of 1 means one percent, and half a cent is rounded up."""
    kind = msgspec.structs.replace(
        card_type(PREPAID),
        recharge_fee_rate=rate and Decimal(rate),
        recharge_fixed_fee=fixed and Decimal(fixed),
    )
    assert str(deposit_fee(kind, Decimal(amount))) == fee


@pytest.mark.parametrize(
    ("kind", "amount", "text"),
    [
        (PREPAID, "9.99", "at least 10"),
        (PREPAID, "5000.01", "at most 5000"),
        (PREPAID, "10.001", "2 decimal places"),
        (PLAIN, "10.5", "0 decimal places"),
        (GIFT, "4", "at least 5"),
        (SUBSCRIPTION_WITHOUT_DEPOSIT, "1", "no initial deposit"),
    ],
)
def test_opening_refused(kind: int, amount: str, text: str) -> None:
    """An initial deposit outside the rules of the card type is a parameter error."""
    with pytest.raises(Refusal, match=text) as caught:
        quote_opening(card_type(kind), Decimal(amount))
    assert caught.value.code == 40002


@pytest.mark.parametrize(
    ("kind", "amount", "charge"),
    [(PREPAID, "10", "11"), (PREPAID, "10.000", "11"), (SUBSCRIPTION_WITHOUT_DEPOSIT, "0", "0.75")],
)
def test_opening_price_comes_on_top(kind: int, amount: str, charge: str) -> None:
    """The merchant pays the deposit and the price; the card receives the whole deposit."""
    quote = quote_opening(card_type(kind), Decimal(amount))
    assert (quote.charge, quote.received) == (Decimal(charge), Decimal(amount))


def test_deposit_smaller_than_its_fee() -> None:
    """A deposit that its fee would eat is refused."""
    kind = msgspec.structs.replace(
        card_type(PREPAID), recharge_min_quota=None, recharge_fixed_fee=Decimal(3)
    )
    with pytest.raises(Refusal, match="does not cover"):
        quote_deposit(kind, Decimal(3))


def test_decimal_places_default_to_cents() -> None:
    """Where the card type does not say, amounts have cents."""
    kind = msgspec.structs.replace(card_type(PREPAID), recharge_digital=None)
    assert quote_deposit(kind, Decimal("5.25")).amount == Decimal("5.25")
    with pytest.raises(Refusal, match="2 decimal places"):
        quote_deposit(kind, Decimal("5.255"))


@given(AMOUNTS)
def test_no_quote_makes_or_loses_money(amount: Decimal) -> None:
    """What the payer gives is what the receiver gets plus the fee, or the amount is refused."""
    for quote_of in (quote_opening, quote_deposit):
        try:
            quote = quote_of(card_type(PREPAID), amount)
        except Refusal:
            continue
        assert quote.charge == quote.received + quote.fee
        assert quote.received > 0


@given(amount=AMOUNTS, balance=AMOUNTS)
def test_withdrawal_leaves_the_retention(amount: Decimal, balance: Decimal) -> None:
    """A withdrawal is granted exactly if the retention quota stays on the card."""
    kept = card_type(PLAIN).balance_retention_quota
    try:
        quote = quote_withdrawal(card_type(PLAIN), amount, balance)
    except Refusal:
        assert balance - amount < kept
    else:
        assert balance - quote.charge >= kept
