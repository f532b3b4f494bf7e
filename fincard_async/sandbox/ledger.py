"""The books: where all the money is."""

from __future__ import annotations

from collections import Counter

import msgspec

from fincard_async._generated.models.common import OperationStatus, OperationType
from fincard_async._sansio.money import Money

from .fees import ZERO
from .state import State


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


def books_of(state: State) -> Ledger:
    """Add everything up."""
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


def doubled(state: State) -> list[str]:
    """Order numbers that were carried out more than once, in order of their first time."""
    numbers = Counter(row.merchant_order_no for row in state.operations.rows)
    numbers.update(row.merchant_order_no for row in state.transfers.rows)
    return [number for number, count in numbers.items() if number is not None and count > 1]
