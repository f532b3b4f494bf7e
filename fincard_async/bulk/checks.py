"""Rows against the card types on offer, and against themselves: before any money moves."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Final

from fincard_async._generated.models.cards import CardType, OpenCardRequest
from fincard_async._generated.models.common import CardForm, CardMode, CardTypeStatus
from fincard_async._generated.operations.cards import OPEN
from fincard_async._sansio import order_no
from fincard_async._sansio.money import to_money
from fincard_async._sansio.rules import check
from fincard_async.errors import ValidationError

from .faults import Faults
from .plan import Entry
from .rows import IssueRow


def check_rows(rows: Iterable[IssueRow], card_types: Iterable[CardType], file: str) -> None:
    """Refuse rows that the server is bound to refuse; ``file`` is named in the faults.

    Raises:
        InputError: A card type is unknown or not on offer, lacks what it needs, or does not take
            the amount; it lists every fault.
    """
    faults = Faults(file)
    by_id = {card_type.card_type_id: card_type for card_type in card_types}
    for row in rows:
        card_type = by_id.get(row.card_type_id)
        if card_type is None:
            faults.add(row.line, "card_type_id is not a card type of this merchant")
            continue
        for message in _faults(row, card_type):
            faults.add(row.line, message)
    faults.raise_if_any()


def _faults(row: IssueRow, card_type: CardType) -> Iterator[str]:
    if card_type.status is not CardTypeStatus.ONLINE or card_type.enable_active_card is False:
        yield "the card type is not on offer"
    if card_type.need_card_holder and row.holder_id is None:
        yield "holder_id is missing: the card type needs a cardholder"
    if card_type.mode is CardMode.BUDGET_CARD and row.account_id is None:
        yield "account_id is missing: the card type shares the balance of an account"
    if card_type.type is CardForm.PHYSICAL and row.card_number is None:
        yield "card_number is missing: the card type is physical"
    yield from _amount_faults(row.amount, card_type)


def _amount_faults(amount: Decimal, card_type: CardType) -> Iterator[str]:
    if card_type.need_deposit_for_active_card is False:
        if amount:
            yield "amount must be 0: the card type takes no initial deposit"
        return
    currency = card_type.recharge_currency or ""
    least = card_type.deposit_amount_min_quota_for_active_card
    most = card_type.deposit_amount_max_quota_for_active_card
    if least is not None and amount < least:
        yield f"amount must be at least {least} {currency}".rstrip()
    if most is not None and amount > most:
        yield f"amount must be at most {most} {currency}".rstrip()
    places = card_type.recharge_digital
    if places is not None and _places(amount) > places:
        yield f"amount must not have more than {places} decimal places"


def _places(amount: Decimal) -> int:
    """Decimal places that are not trailing zeros."""
    exponent = amount.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


OPERATION: Final = OPEN.name


def plan_rows(rows: Sequence[IssueRow], job: str) -> list[Entry]:
    """The journal's entries for these rows, with order numbers, after checks without a server.

    Raises:
        ValidationError: A row id stands twice, or a row breaks a rule of the schema.
    """
    if not job or not job.isprintable():
        raise ValidationError("job must be a name in printable characters")
    if not rows:
        raise ValidationError("there are no rows")
    entries = [_entry(seq, row, job) for seq, row in enumerate(rows)]
    if len({entry.row_id for entry in entries}) < len(entries):
        raise ValidationError("a row_id stands twice")
    return entries


def _entry(seq: int, row: IssueRow, job: str) -> Entry:
    if not row.row_id:
        raise ValidationError(f"row {seq}: row_id is empty")
    number = order_no.derive(namespace=job, operation=OPERATION, row_key=row.row_id)
    amount = to_money(row.amount)
    request = OpenCardRequest(
        merchant_order_no=number,
        card_type_id=row.card_type_id,
        amount=amount,
        holder_id=row.holder_id,
        account_id=row.account_id,
        card_number=row.card_number,
    )
    check(OPEN.rules, request, f"row {row.row_id!r}: ")
    return Entry(seq=seq, row_id=row.row_id, order_no=number, amount=amount)


def digest(rows: Iterable[IssueRow]) -> str:
    """SHA-256 over the rows, in order, without card numbers: a hash of one could be reversed."""
    found = hashlib.sha256()
    for row in rows:
        parts = (row.row_id, row.card_type_id, to_money(row.amount), row.holder_id, row.account_id)
        for part in parts:
            data = str(part).encode()
            found.update(len(data).to_bytes(8, "big") + data)
    return found.hexdigest()
