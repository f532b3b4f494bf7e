"""Rows against the card types on offer."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from fincard_async._sansio.secret import Secret
from fincard_async.bulk import InputError, IssueRow, check_rows
from fincard_async.sandbox import CARD_TYPES, HOLDER_IDS, SHARED_ACCOUNT_ID
from fincard_async.sandbox.catalog import (
    GIFT,
    PHYSICAL,
    PREPAID,
    PREPAID_WITH_HOLDER,
    SHARED,
    SUBSCRIPTION_WITHOUT_DEPOSIT,
    WITHDRAWN,
)


def row(card_type_id: int, amount: str, **values: Any) -> IssueRow:
    """A row of line 7."""
    return IssueRow(row_id="a", card_type_id=card_type_id, amount=Decimal(amount), line=7, **values)


@pytest.mark.parametrize(
    "good",
    [
        row(PREPAID, "10"),
        row(PREPAID, "5000.00"),
        row(PREPAID, "10.250"),
        row(GIFT, "5.0"),
        row(PREPAID_WITH_HOLDER, "50", holder_id=HOLDER_IDS[0]),
        row(SUBSCRIPTION_WITHOUT_DEPOSIT, "0"),
        row(SHARED, "0.00", account_id=SHARED_ACCOUNT_ID),
        row(PHYSICAL, "20", holder_id=HOLDER_IDS[0], card_number=Secret("OFFLINE-1")),
    ],
)
def test_rows_that_fit(good: IssueRow) -> None:
    """Rows that their card types take pass."""
    check_rows([good], CARD_TYPES, "cards.csv")


@pytest.mark.parametrize(
    "bad, messages",
    [
        (row(1, "50"), ["card_type_id is not a card type of this merchant"]),
        (row(WITHDRAWN, "50"), ["the card type is not on offer"]),
        (
            row(PREPAID_WITH_HOLDER, "50"),
            ["holder_id is missing: the card type needs a cardholder"],
        ),
        (
            row(SHARED, "1"),
            [
                "account_id is missing: the card type shares the balance of an account",
                "amount must be 0: the card type takes no initial deposit",
            ],
        ),
        (
            row(PHYSICAL, "20", holder_id=1),
            ["card_number is missing: the card type is physical"],
        ),
        (row(PREPAID, "9.99"), ["amount must be at least 10 USD"]),
        (row(PREPAID, "5000.01"), ["amount must be at most 5000 USD"]),
        (row(PREPAID, "10.001"), ["amount must not have more than 2 decimal places"]),
        (row(GIFT, "5.5"), ["amount must not have more than 0 decimal places"]),
    ],
)
def test_rows_that_do_not_fit(bad: IssueRow, messages: list[str]) -> None:
    """Rows that the server is bound to refuse are named with file and line, all at once."""
    with pytest.raises(InputError) as caught:
        check_rows([bad, row(PREPAID, "50"), replace(bad, line=9)], CARD_TYPES, "cards.csv")
    assert [str(fault) for fault in caught.value.faults] == [
        f"cards.csv:{line}: {message}" for line in (7, 9) for message in messages
    ]


def test_a_card_type_that_says_little() -> None:
    """What a card type leaves out is no reason to refuse a row."""
    silent = msgspec.structs.replace(
        CARD_TYPES[0],
        deposit_amount_min_quota_for_active_card=None,
        deposit_amount_max_quota_for_active_card=None,
        recharge_digital=None,
        recharge_currency=None,
        need_deposit_for_active_card=None,
        enable_active_card=None,
    )
    check_rows([row(PREPAID, "0.001")], [silent], "cards.csv")
