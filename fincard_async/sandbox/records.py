"""What the sandbox remembers: accounts, cards, orders and what happened at merchants.

Plain mutable records without behaviour; amounts are exact decimals in US dollars, times are epoch
milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

from fincard_async._generated.models.accounts import AccountType, LedgerDirection, LedgerReason
from fincard_async._generated.models.cards import CardType, RiskControls, SpendingControl
from fincard_async._generated.models.common import (
    AuthorizationStatus,
    AuthorizationType,
    CardStatus,
    FeeType,
    OperationStatus,
    OperationType,
    ThreeDsType,
)
from fincard_async._generated.models.transactions import MerchantData
from fincard_async._sansio.model import Model
from fincard_async._sansio.webhook import EventKind

from .fees import ZERO


@dataclass(slots=True)
class Purse:
    """Money in one place; a shared card uses the purse of its account."""

    balance: Decimal
    account_id: int | None = None
    """The account that it belongs to; None for a card's own."""


@dataclass(slots=True)
class Account:
    """An account of the merchant. Source: contract 3.3."""

    account_id: int
    shared: bool
    """True for an account that shared cards draw on (MARGIN)."""
    purse: Purse
    name: str
    created_at: int = 0

    @property
    def type(self) -> AccountType:
        """What it is called on the wire."""
        return AccountType.MARGIN if self.shared else AccountType.WALLET


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A row of the ledger of accounts. Source: contract 3.3."""

    tx_id: int
    account_id: int
    change: Decimal
    """What came; negative for what went."""
    balance: Decimal
    """After it."""
    reason: LedgerReason
    order_no: str | None
    remark: str | None
    time: int

    @property
    def direction(self) -> LedgerDirection:
        """Whether money came or went."""
        return LedgerDirection.IN if self.change > 0 else LedgerDirection.OUT


@dataclass(frozen=True, slots=True)
class Transfer:
    """Money moved between accounts."""

    merchant_order_no: str
    accepted_at: int
    entry: Entry
    """On the side that paid."""


@dataclass(slots=True)
class Card:
    """A card from the moment it was ordered."""

    card_no: str
    serial: int
    """Decides its digits, see ``faces``."""
    card_type: CardType
    holder_id: int | None
    printed: str | None = field(repr=False)
    """Number under which a physical card was bought offline."""
    purse: Purse
    bind_time: int
    currency: str
    status: CardStatus = CardStatus.PENDING
    blocked: bool = False
    used: Decimal = ZERO
    """Spent and not refunded, held amounts included."""
    no_pin_amount: Decimal | None = None
    spending_controls: list[SpendingControl] = field(default_factory=list)
    risk_controls: RiskControls | None = None


@dataclass(slots=True)
class Change:
    """What an update or an activation will set on the card once it succeeds."""

    no_pin_amount: Decimal | None = None
    spending_controls: list[SpendingControl] | None = None
    risk_controls: RiskControls | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """A plan: the next order of this kind (None: of any kind) ends in ``fail``."""

    kind: OperationType | None
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What a query shows when it does not show what there is."""

    behind_ms: int = 0
    """It shows what was so many milliseconds ago."""
    newest: int = 0
    """It does not show so many of the newest rows."""
    unfiltered: bool = False
    """It ignores its filters, but not its time window."""


@dataclass(slots=True)
class Order:
    """An accepted operation on a card."""

    order_no: str
    merchant_order_no: str | None
    """None where the issuer acted and not the merchant."""
    kind: OperationType
    card: Card
    accepted_at: int
    due_at: int
    """When it becomes final, or did."""
    outcome: OperationStatus
    """How it will end: success or fail."""
    amount: Decimal = ZERO
    fee: Decimal = ZERO
    held: Decimal = ZERO
    """Taken from the paying side, not yet given to the other."""
    received: Decimal = ZERO
    """What the other side gets at success."""
    description: str | None = None
    done: bool = False
    before: CardStatus = CardStatus.NORMAL
    """State of the card to which a failure returns."""
    change: Change | None = None


@dataclass(slots=True)
class Authorization:
    """Something that happened at a merchant. Source: contract 3.7."""

    trade_no: str
    origin_trade_no: str | None
    kind: AuthorizationType
    card: Card
    time: int
    due_at: int
    """When a held amount settles."""
    amount: Decimal
    """In the currency of the purchase."""
    currency: str
    authorized: Decimal
    """In the card's currency."""
    fee: Decimal
    cross_border_fee: Decimal
    status: AuthorizationStatus
    authorization_code: str
    merchant: MerchantData | None
    description: str | None = None
    settled_at: int | None = None
    refunded: Decimal = ZERO


@dataclass(slots=True)
class FeePatch:
    """A fee that the merchant paid because the card could not. Source: contract 3.7."""

    trade_no: str
    origin_trade_no: str | None
    kind: FeeType
    card: Card
    time: int
    amount: Decimal


@dataclass(slots=True)
class Message:
    """A code or link for the cardholder; sealed only when it is read."""

    trade_no: str
    origin_trade_no: str | None
    kind: ThreeDsType
    card: Card
    time: int
    text: str = field(repr=False)
    amount: Decimal = ZERO
    merchant_name: str | None = None
    expires_at: int | None = None


@dataclass(frozen=True, slots=True)
class Notice:
    """Something to be told by webhook."""

    kind: EventKind[Any]
    payload: Model | Message
    """As it was at that moment; a message is sealed when it is taken."""


@dataclass(slots=True)
class Disturbance:
    """What is to go wrong with the next webhooks."""

    duplicate: int = 0
    bad_signature: int = 0
    lose: int = 0
    reverse: bool = False

    def take(self, what: Literal["duplicate", "bad_signature", "lose"]) -> bool:
        """True if it is to go wrong now; one less is left."""
        left: int = getattr(self, what)
        if left > 0:
            setattr(self, what, left - 1)
        return left > 0
