"""What a look-up by order number proves."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, strategies as st

from fincard_async._generated.models.cards import Activation, CardOperation
from fincard_async._generated.models.common import OperationStatus, OperationType
from fincard_async._generated.models.transactions import OperationRecord
from fincard_async._sansio.settlement import Sought, adopt, differences, find, proves_absence

NUMBER = "A" * 32


def row(**parts: Any) -> OperationRecord:
    """A row of the operation query."""
    whole: dict[str, Any] = {
        "order_no": "P1",
        "type": OperationType.DEPOSIT,
        "status": OperationStatus.SUCCESS,
        "merchant_order_no": NUMBER,
        "card_no": "C1",
        "amount": Decimal("5.00"),
        **parts,
    }
    return OperationRecord(**whole)


SOUGHT = Sought(order_no=NUMBER, kind="deposit", card_no="C1", amount=Decimal(5))


def test_only_a_row_with_the_number_counts() -> None:
    """A server that ignores the filter returns other people's rows, and rows without a number."""
    mine = row()
    others = [row(merchant_order_no=None), row(merchant_order_no="B" * 32)]
    assert find(SOUGHT, [*others, mine]) is mine
    assert find(SOUGHT, others) is None
    assert find(SOUGHT, []) is None


@pytest.mark.parametrize(
    "parts, names",
    [
        ({}, ()),
        ({"amount": Decimal("5.01")}, ("amount",)),
        ({"amount": Decimal("5.000")}, ()),
        ({"amount": None}, ()),
        ({"card_no": "C2"}, ("card_no",)),
        ({"card_no": None}, ()),
        ({"type": OperationType.WITHDRAW}, ("kind",)),
        ({"type": OperationType("unheard-of")}, ("kind",)),
        (
            {"type": OperationType.CREATE, "card_no": "C2", "amount": Decimal(0)},
            ("kind", "card_no", "amount"),
        ),
        ({"status": OperationStatus.FAIL}, ()),
    ],
)
def test_the_facts_that_are_compared(parts: dict[str, Any], names: tuple[str, ...]) -> None:
    """Kind, card and amount, where both sides have them; the status is the answer, not a fact."""
    assert differences(SOUGHT, row(**parts)) == names


def test_what_is_not_asked_for_is_not_compared() -> None:
    """An order number alone fits any row that carries it."""
    assert differences(Sought(order_no=NUMBER), row(card_no="C9", amount=Decimal(77))) == ()


@given(
    complete=st.booleans(),
    control=st.booleans(),
    now=st.floats(0, 1000),
    sent_at=st.floats(0, 1000),
    wait=st.floats(0, 1000),
)
def test_absence_needs_every_proof(
    complete: bool, control: bool, now: float, sent_at: float, wait: float
) -> None:
    """All pages, working controls, and time for whatever may still be on its way."""
    proven = proves_absence(complete=complete, control=control, now=now, sent_at=sent_at, wait=wait)
    assert proven is (complete and control and now >= sent_at + wait)


@pytest.mark.parametrize("kind", [CardOperation, Activation])
def test_a_row_becomes_the_answer_of_the_mutation(kind: type[Any]) -> None:
    """The fields that both have, and nothing else."""
    result = adopt(kind, row(card_no=None))
    assert isinstance(result, kind)
    assert (result.merchant_order_no, result.status) == (NUMBER, OperationStatus.SUCCESS)
    assert result.card_no is None
    assert result.type is OperationType.DEPOSIT
