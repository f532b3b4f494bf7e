"""Limits that a job must keep before anything is sent, and what it will cost. Exact, and pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Context, Decimal
from typing import Final

import msgspec

from fincard_async._generated.models.cards import CardType
from fincard_async._sansio.model import Model
from fincard_async._sansio.money import Amount, to_money
from fincard_async.errors import UsageError, ValidationError

from .entry import Entry

UNKNOWN_CURRENCY: Final = "?"
"""Stands for the currency of amounts whose card type is not known here."""
NO_FUNDS: Final = "funds were not checked"
EXACT: Final = Context(prec=100)
"""The default context rounds to 28 digits."""
_SHOWN: Final = 20
_ZERO: Final = Decimal(0)


class GuardTripped(UsageError):
    """The job asks for more than was allowed; nothing was sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guards:
    """How much a job may ask for.

    Attributes:
        max_rows: Most rows.
        max_total: Most money, by currency; or one amount, for the sum over all rows whatever their
            currency.
    """

    max_rows: int | None = None
    max_total: Mapping[str, Decimal] | Decimal | None = None


def make_guards(max_rows: int | None, max_total: Mapping[str, Amount] | Amount | None) -> Guards:
    """Guards from what a caller gave.

    Raises:
        ValidationError: A limit is no limit.
    """
    if max_rows is not None and max_rows < 1:
        raise ValidationError("max_rows must be at least 1")
    if max_total is None:
        return Guards(max_rows=max_rows)
    if isinstance(max_total, Mapping):
        limits = {name: to_money(amount, "max_total") for name, amount in max_total.items()}
        return Guards(max_rows=max_rows, max_total=limits)
    return Guards(max_rows=max_rows, max_total=to_money(max_total, "max_total"))


Sums = dict[str, Decimal]


def add(sums: Sums, currency: str | None, amount: Decimal | None) -> None:
    """Add an amount to the sum of its currency."""
    if amount:
        name = currency or UNKNOWN_CURRENCY
        sums[name] = EXACT.add(sums.get(name, _ZERO), amount)


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What a job asks for, as far as rows and card types tell. An estimate, not a quote."""

    job: str
    kind: str
    rows: int
    amounts: Mapping[str, Decimal]
    """What the rows move, by currency (of the card type's deposits; ``?`` where it is unknown)."""
    prices: Mapping[str, Decimal]
    """Prices of the cards to be issued, by currency."""
    deposit_fees: Mapping[str, Decimal]
    """Rate and fixed fee of the initial deposits as if they were deposits; whether the platform
    takes them on a new card is not documented."""
    sample: tuple[str, ...]
    """The first rows: id, and the card that they are about."""
    funds: Mapping[str, Decimal] | None = None
    """What the merchant has, by currency; None if nobody was asked."""
    note: str | None = NO_FUNDS
    """What could not be estimated or checked."""

    @property
    def total(self) -> Mapping[str, Decimal]:
        """Amounts, prices and fees together, by currency."""
        sums: Sums = {}
        for part in (self.amounts, self.prices, self.deposit_fees):
            for currency, amount in part.items():
                add(sums, currency, amount)
        return sums

    def lacking(self) -> Mapping[str, Decimal]:
        """What the funds lack, by currency; nothing if they are not known."""
        if self.funds is None:
            return {}
        wanted = self.total.items()
        gaps = {name: amount - self.funds.get(name, Decimal(0)) for name, amount in wanted}
        # In which currency a deposit to a card moves money, its row does not tell.
        return {name: gap for name, gap in gaps.items() if gap > 0 and name != UNKNOWN_CURRENCY}


class Asked(msgspec.Struct, frozen=True, array_like=True):
    """What a part of the rows asks for."""

    rows: int
    amounts: Sums
    prices: Sums
    deposit_fees: Sums


@dataclass(slots=True)
class Sum:
    """Adds up rows as they are read, and stops at the guards."""

    guards: Guards = field(default_factory=Guards)
    rows: int = 0
    amounts: Sums = field(default_factory=dict[str, Decimal])
    prices: Sums = field(default_factory=dict[str, Decimal])
    deposit_fees: Sums = field(default_factory=dict[str, Decimal])
    sample: list[str] = field(default_factory=list[str])

    def add(self, entry: Entry, request: Model, card_type: CardType | None) -> None:
        """One row more.

        Raises:
            GuardTripped: It is one too many, or its amount is.
        """
        self.rows += 1
        self._check_rows()
        currency = None
        if card_type is not None:
            currency = card_type.recharge_currency or card_type.fiat_currency
            add(self.prices, card_type.card_price_currency, card_type.card_price)
            add(self.deposit_fees, currency, _deposit_fee(card_type, entry.amount))
        add(self.amounts, currency, entry.amount)
        self._check_total()
        if len(self.sample) < _SHOWN:
            self.sample.append(f"{entry.row_id} {entry.target or ''}".rstrip())

    def copy(self) -> Asked:
        """What was asked for so far."""
        return Asked(self.rows, dict(self.amounts), dict(self.prices), dict(self.deposit_fees))

    def since(self, before: Asked) -> Asked:
        """What was asked for since then."""
        return Asked(
            self.rows - before.rows,
            _less(self.amounts, before.amounts),
            _less(self.prices, before.prices),
            _less(self.deposit_fees, before.deposit_fees),
        )

    def join(self, part: Asked) -> None:
        """Many rows more, whose sums are known.

        Raises:
            GuardTripped: They are too many, or their amounts are.
        """
        self.rows += part.rows
        self._check_rows()
        for sums, more in (
            (self.amounts, part.amounts),
            (self.prices, part.prices),
            (self.deposit_fees, part.deposit_fees),
        ):
            for currency, amount in more.items():
                add(sums, currency, amount)
        self._check_total()

    def _check_rows(self) -> None:
        if self.guards.max_rows is not None and self.rows > self.guards.max_rows:
            raise GuardTripped(f"there are more than {self.guards.max_rows} rows (max_rows)")

    def _check_total(self) -> None:
        limit = self.guards.max_total
        if limit is None:
            return
        if isinstance(limit, Decimal):
            total = sum(self.amounts.values(), Decimal(0))
            if total > limit:
                raise GuardTripped(f"the rows move more than {limit} in all (max_total)")
            return
        for currency, amount in self.amounts.items():
            if amount > limit.get(currency, Decimal(0)):
                allowed = limit.get(currency, Decimal(0))
                raise GuardTripped(f"the rows move more than {allowed} {currency} (max_total)")


def _less(sums: Sums, before: Sums) -> Sums:
    parts = ((name, EXACT.subtract(sums[name], before.get(name, _ZERO))) for name in sums)
    return {name: part for name, part in parts if part}


def _deposit_fee(card_type: CardType, amount: Decimal | None) -> Decimal:
    if not amount:
        return Decimal(0)
    rate, fixed = card_type.recharge_fee_rate or Decimal(0), card_type.recharge_fixed_fee or 0
    return EXACT.add(EXACT.multiply(amount, rate).scaleb(-2, EXACT), Decimal(fixed))
