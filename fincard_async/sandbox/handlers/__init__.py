"""What the sandbox does for each endpoint: one class per resource of the schema.

``Handlers`` satisfies the generated Protocol of the same name, so that an endpoint without a
handler is a type error and not a surprise.
"""

from __future__ import annotations

from fincard_async._generated.handlers import AccountsHandlers, CardsHandlers, TransactionsHandlers
from fincard_async.sandbox.sealing import Sealer
from fincard_async.sandbox.state import State

from .accounts import Accounts
from .cards import Cards
from .transactions import Transactions


class Handlers:
    """All handlers over one state."""

    def __init__(self, state: State, sealer: Sealer) -> None:
        self._accounts = Accounts(state)
        self._cards = Cards(state, sealer)
        self._transactions = Transactions(state, sealer)

    @property
    def accounts(self) -> AccountsHandlers:
        """The merchant's accounts."""
        return self._accounts

    @property
    def cards(self) -> CardsHandlers:
        """Card types, cards and operations on them."""
        return self._cards

    @property
    def transactions(self) -> TransactionsHandlers:
        """The six queries."""
        return self._transactions


__all__ = ["Handlers"]
