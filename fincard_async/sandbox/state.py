"""Everything a sandbox knows at one moment, and the numbers it hands out. No I/O and no clock.

The law of this module: the state depends only on the settings and on the accepted calls with their
times. Ids come from one counter, so that a replay of the same calls gives the same state.
"""

from __future__ import annotations

from decimal import Decimal
from heapq import heappush
from typing import Final

from fincard_async._generated.models.common import OperationType

from .fees import ZERO
from .lifecycle import due
from .motion import Moving
from .records import (
    Account,
    Authorization,
    Card,
    Disturbance,
    Entry,
    Failure,
    FeePatch,
    Message,
    Notice,
    Order,
    Purse,
    Transfer,
    View,
)
from .settings import SHARED_ACCOUNT_ID, WALLET_ACCOUNT_ID, SandboxSettings
from .tables import Key, Table

_SEEDS: Final = 10**6


class State:
    """Accounts, cards and tables of rows; ``now`` never goes back."""

    def __init__(self, settings: SandboxSettings) -> None:
        self.now = 0
        self.latency = settings.latency_ms
        self.seed = settings.seed
        self.card_types = {item.card_type_id: item for item in settings.card_types}
        self.accounts: dict[int, Account] = {}
        self.account_rows: Table[Account] = Table(
            lambda row: row.created_at,
            unique={"account_id": lambda row: str(row.account_id)},
            shared={"type": lambda row: row.type.value},
        )
        self.entries: Table[Entry] = Table(
            lambda row: row.time,
            unique={},
            shared={
                "account_id": lambda row: str(row.account_id),
                "order_no": lambda row: row.order_no,
                "biz_type": lambda row: row.reason.value,
            },
        )
        """The ledger of the accounts."""
        self.transfers: Table[Transfer] = Table(
            lambda row: row.accepted_at,
            unique={},
            shared={"merchant_order_no": lambda row: row.merchant_order_no},
        )
        self.says_true = settings.transfer_reply == "true"
        """A transfer is answered with no more than true."""
        wallet = Purse(settings.funds, WALLET_ACCOUNT_ID)
        self.wallet = self.add_account(Account(WALLET_ACCOUNT_ID, False, wallet, "Wallet"))
        shared = Purse(settings.shared_funds, SHARED_ACCOUNT_ID)
        self.add_account(Account(SHARED_ACCOUNT_ID, True, shared, "Shared cards"))
        self.paid_in: Decimal = settings.funds + settings.shared_funds
        self.fees: Decimal = ZERO
        """Paid to the platform."""
        self.spent: Decimal = ZERO
        """Paid to merchants, held amounts included, minus refunds."""
        self.held: Decimal = ZERO
        """On its way in orders that are not final."""
        self.holders = set(settings.holder_ids)
        self.cards: dict[str, Card] = {}
        self.cards_of_holder: dict[tuple[int, int], int] = {}
        self.printed_numbers: set[str] = set()
        self.failures: list[Failure] = []
        self.agenda: list[tuple[int, int, Order | Authorization]] = []
        """Heap of what becomes final when: time, counter, record."""
        self.view: View | None = None
        """What queries show now; None shows what there is."""
        self.moving: Moving | None = None
        """Lets the lists of queries move while they are read."""
        self._dedupe = settings.dedupe
        self._forget_after = settings.forget_after_ms
        number: dict[str, Key[Order]] = {"merchant_order_no": lambda row: row.merchant_order_no}
        repeats = settings.dedupe == "none" or settings.forget_after_ms is not None
        self.operations: Table[Order] = Table(
            lambda row: row.accepted_at,
            unique={"order_no": lambda row: row.order_no, **({} if repeats else number)},
            shared={
                "card_no": lambda row: row.card.card_no,
                "type": lambda row: row.kind.value,
                **(number if repeats else {}),
            },
        )
        self._operations_v1: Table[tuple[Order, OperationType]] = Table(
            lambda row: row[0].accepted_at,
            unique={},
            shared={
                "order_no": lambda row: row[0].order_no,
                "merchant_order_no": lambda row: row[0].merchant_order_no,
                "card_no": lambda row: row[0].card.card_no,
                "type": lambda row: row[1].value,
            },
        )
        self._copied_to_v1 = 0
        self.authorizations: Table[Authorization] = Table(
            lambda row: row.time,
            unique={"trade_no": lambda row: row.trade_no},
            shared={"card_no": lambda row: row.card.card_no, "type": lambda row: row.kind.value},
        )
        self.fee_patches: Table[FeePatch] = Table(
            lambda row: row.time,
            unique={"trade_no": lambda row: row.trade_no},
            shared={
                "origin_trade_no": lambda row: row.origin_trade_no,
                "card_no": lambda row: row.card.card_no,
                "type": lambda row: row.kind.value,
            },
        )
        self.messages: Table[Message] = Table(
            lambda row: row.time,
            unique={},
            shared={
                "trade_no": lambda row: row.trade_no,
                "card_no": lambda row: row.card.card_no,
                "type": lambda row: row.kind.value,
            },
        )
        self.token_epoch = 0
        """Tokens of earlier epochs are refused."""
        self.listening = False
        """True if somebody takes the notices."""
        self.notices: list[Notice] = []
        """What is to be told by webhook."""
        self.disturbance = Disturbance()
        self._serial = 0

    def next_serial(self) -> int:
        """The next number of the one counter behind every id."""
        self._serial += 1
        return self._serial

    def next_order_no(self) -> str:
        """19 digits, like the platform's own (contract 7.2)."""
        return f"19{self.seed % _SEEDS:06d}{self.next_serial():011d}"

    def next_trade_no(self, prefix: str) -> str:
        """Number of something that happened at a merchant."""
        return f"{prefix}{self.seed % _SEEDS:06d}{self.next_serial():011d}"

    def add_account(self, account: Account) -> Account:
        """Make an account known."""
        self.accounts[account.account_id] = account
        self.account_rows.append(account)
        return account

    def knows(self, merchant_order_no: str) -> bool:
        """True if the number is taken, by an operation of any kind. Source: contract 6."""
        if self._dedupe == "none":
            return False
        operation = self.operations.find("merchant_order_no", merchant_order_no)
        transfer = self.transfers.find("merchant_order_no", merchant_order_no)
        times = [row.accepted_at for row in (operation, transfer) if row is not None]
        return any(
            self._forget_after is None or self.now - time < self._forget_after for time in times
        )

    @property
    def seen_at(self) -> int:
        """The moment that queries show."""
        return self.now if self.view is None else self.now - self.view.behind_ms

    def due(self) -> int:
        """When an order accepted now becomes final."""
        return due(self.now, self.latency)

    def plan(self, item: Order | Authorization) -> None:
        """Put something on the agenda for its ``due_at``."""
        heappush(self.agenda, (item.due_at, self.next_serial(), item))

    def operations_v1(self) -> Table[tuple[Order, OperationType]]:
        """The rows of the first operation query, where a new card with a deposit is two rows.

        Built when it is asked for, so that nobody else pays for it.
        """
        for order in self.operations.rows[self._copied_to_v1 :]:
            self._operations_v1.append((order, order.kind))
            if order.kind is OperationType.CREATE and order.amount:
                self._operations_v1.append((order, OperationType.DEPOSIT))
        self._copied_to_v1 = len(self.operations.rows)
        return self._operations_v1

    def money(self) -> Decimal:
        """All the money there is; equal to ``paid_in`` at every moment."""
        purses = {id(card.purse): card.purse for card in self.cards.values()}
        purses |= {id(account.purse): account.purse for account in self.accounts.values()}
        balances = sum((purse.balance for purse in purses.values()), ZERO)
        return balances + self.held + self.fees + self.spent
