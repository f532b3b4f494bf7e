"""The calls that are put to the test: every mutation, and one read of each kind."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from fincard_async import CallOptions, FincardClient

Call = Callable[[FincardClient, CallOptions | None, str | None], Awaitable[object]]
"""Client, options, and the order number: None lets the client mint one."""

CARD: Final = "WB2026112210150000010184"
AMOUNT: Final = "50"
PIN: Final = "529163"

READS: Final[Mapping[str, Call]] = {
    "cards.get_balance": lambda client, options, _: client.cards.get_balance(CARD, options=options),
    "transactions.operations": lambda client, options, _: client.transactions.operations(
        card_no=CARD, options=options
    ).page(1),
    "cards.get_sensitive": lambda client, options, _: client.cards.get_sensitive(
        CARD, options=options
    ),
}
SENSITIVE: Final = "cards.get_sensitive"

MUTATIONS: Final[Mapping[str, Call]] = {
    "cards.open": lambda client, options, number: client.cards.open(
        card_type_id=111001, amount=AMOUNT, merchant_order_no=number, options=options
    ),
    "cards.deposit": lambda client, options, number: client.cards.deposit(
        CARD, amount=AMOUNT, merchant_order_no=number, options=options
    ),
    "cards.freeze": lambda client, options, number: client.cards.freeze(
        CARD, merchant_order_no=number, options=options
    ),
    "cards.update_pin": lambda client, options, number: client.cards.update_pin(
        CARD, pin=PIN, merchant_order_no=number, options=options
    ),
}
"""One of each kind: a new card, money, an idempotent write, a secret."""

ALL_MUTATIONS: Final[Mapping[str, Call]] = {
    **MUTATIONS,
    "cards.withdraw": lambda client, options, number: client.cards.withdraw(
        CARD, amount=AMOUNT, merchant_order_no=number, options=options
    ),
    "cards.unfreeze": lambda client, options, number: client.cards.unfreeze(
        CARD, merchant_order_no=number, options=options
    ),
    "cards.cancel": lambda client, options, number: client.cards.cancel(
        CARD, merchant_order_no=number, options=options
    ),
    "cards.update": lambda client, options, number: client.cards.update(
        CARD, no_pin_payment_amount=AMOUNT, merchant_order_no=number, options=options
    ),
    "cards.activate": lambda client, options, number: client.cards.activate(
        CARD, pin=PIN, active_code="123456", merchant_order_no=number, options=options
    ),
}
CALLS: Final[Mapping[str, Call]] = {**READS, **ALL_MUTATIONS}
