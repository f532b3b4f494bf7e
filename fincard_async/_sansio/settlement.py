"""What a look-up by order number proves. Pure.

The server refuses a repeated order number and never replays the first result, so after a lost
answer the truth comes from the operation query. Three things can spoil it, and each is guarded:

- a filter that the server ignores returns other people's rows, so only a row that itself carries
  the number counts;
- a row of another kind, card or amount is not this order: it is never adopted;
- "not there" proves nothing while the request may still be on its way.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Protocol, TypeVar

import msgspec

from .model import Model


class OrderRecord(Protocol):
    """What a row of the operation query says about an order."""

    @property
    def merchant_order_no(self) -> str | None: ...
    @property
    def type(self) -> object: ...
    @property
    def card_no(self) -> str | None: ...
    @property
    def amount(self) -> Decimal | None: ...


R = TypeVar("R", bound=OrderRecord)
T = TypeVar("T")


class Sought(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The order to look for; None is not compared."""

    order_no: str
    kind: str | None = None
    """Value of ``type``, such as ``create``."""
    card_no: str | None = None
    amount: Decimal | None = None


def find(sought: Sought, records: Iterable[R]) -> R | None:
    """The row that carries the order's number, whatever else it says."""
    for record in records:
        if record.merchant_order_no == sought.order_no:
            return record
    return None


def differences(sought: Sought, record: OrderRecord) -> tuple[str, ...]:
    """Names of the facts in which the row is not the order that was sought."""
    pairs = (
        ("kind", sought.kind, None if record.type is None else str(record.type)),
        ("card_no", sought.card_no, record.card_no),
        ("amount", sought.amount, record.amount),
    )
    return tuple(
        name
        for name, mine, theirs in pairs
        if mine is not None and theirs is not None and mine != theirs
    )


def proves_absence(
    *, complete: bool, control: bool, now: float, sent_at: float, wait: float
) -> bool:
    """True if "not found" means "never carried out".

    Args:
        complete: Every page was read.
        control: A known order was found by the same kind of query, and an invented one was not.
        now: Seconds since the epoch at which the query began.
        sent_at: The same for the last time the request was sent.
        wait: Seconds for which a request may still be on its way, and a query behind.
    """
    return complete and control and now >= sent_at + wait


def adopt(kind: type[T], record: object) -> T:
    """The result that the mutation itself would have given, from a row of the query."""
    assert issubclass(kind, Model), "every mutation answers with a model"
    names = [field.name for field in msgspec.structs.fields(kind)]
    return kind(**{name: getattr(record, name, None) for name in names})
