"""Two books, compared in both directions."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from fincard_async._generated.models.common import OperationType
from fincard_async.errors import ValidationError
from fincard_async.reconcile import Difference, Expected, Outcome, Reconciliation, reconcile
from fincard_async.testing import sandbox_client
from tests.sandbox.kit import START, Api

pytestmark = pytest.mark.anyio

SINCE, UNTIL = round(START * 1000) - 1_000_000, round(START * 1000) + 1_000_000


class Office:
    """A sandbox, and what the books say of it."""

    def __init__(self, count: int = 12) -> None:
        self.api = Api()
        self.books: list[Expected] = []
        for _ in range(count):
            order = self.api.order(amount="50")
            self.api.time.pass_ms(7)
            self.books.append(
                Expected(
                    order_no=order["merchantOrderNo"],
                    outcome=Outcome.DONE,
                    amount=Decimal(50),
                    moment=self.api.time.ms,
                )
            )
        self.api.settle()

    async def compare(self, **more: object) -> Reconciliation:
        """The comparison."""
        async with sandbox_client(sandbox=self.api.sandbox) as client:
            arguments = {"since": SINCE, "until": UNTIL, **more}
            return await reconcile(client, self.books, **arguments)  # type: ignore[arg-type]  # its arguments


async def test_books_that_agree() -> None:
    """Every order is in both, with the same amount."""
    found = await Office().compare()
    assert found.clean
    assert (found.matched, found.purchases, found.operations) == (12, 12, 12)
    assert found.findings == ()


@pytest.mark.parametrize(
    "change, difference",
    [
        ({"outcome": Outcome.NOTHING}, Difference.DONE_AFTER_ALL),
        ({"outcome": Outcome.OPEN}, Difference.OPEN),
        ({"amount": Decimal("50.01")}, Difference.AMOUNT),
    ],
)
async def test_an_order_that_is_told_differently(
    change: dict[str, object], difference: Difference
) -> None:
    """One finding, with what both sides say."""
    office = Office()
    office.books[4] = replace(office.books[4], **change)  # type: ignore[arg-type]  # its fields
    found = await office.compare()
    (finding,) = found.findings
    assert (finding.difference, finding.order_no) == (difference, office.books[4].order_no)
    assert (finding.status, finding.found) == ("success", Decimal(50))
    assert finding.expected == office.books[4].amount
    assert finding.platform_no
    assert (found.matched, found.clean) == (11, False)


async def test_an_order_of_nobody() -> None:
    """The server has it, and no book does."""
    office = Office()
    gone = office.books.pop(3)
    (finding,) = (await office.compare()).findings
    assert (finding.difference, finding.order_no) == (Difference.UNKNOWN_TO_BOOKS, gone.order_no)


async def test_an_order_that_is_not_there() -> None:
    """Done in the books only; what never happened, or happened at another time, is not missed."""
    office = Office()
    middle = office.books[0].moment
    for number, outcome, moment in (
        ("DONE", Outcome.DONE, middle),
        ("UNDATED", Outcome.DONE, None),
        ("OPEN", Outcome.OPEN, middle),
        ("NOTHING", Outcome.NOTHING, middle),
        ("EDGE", Outcome.DONE, UNTIL - 5),
        ("OTHER DAY", Outcome.DONE, UNTIL + 10**9),
    ):
        office.books.append(Expected(order_no=number, outcome=outcome, moment=moment))
    found = await office.compare()
    assert [(item.difference, item.order_no) for item in found.findings] == [
        (Difference.MISSING, "DONE"),
        (Difference.MISSING, "UNDATED"),
        (Difference.OPEN, "OPEN"),
    ]
    assert found.undecided == 1


async def test_an_order_that_failed() -> None:
    """Failed at the server: fine where the books know it, a finding where they do not."""
    office = Office()
    office.api.controls.fail_next()
    order = office.api.order()
    office.api.settle()
    assert (await office.compare()).clean
    failed = Expected(order_no=order["merchantOrderNo"], outcome=Outcome.NOTHING)
    office.books.append(failed)
    assert (await office.compare()).clean
    office.books[-1] = replace(failed, outcome=Outcome.DONE)
    (finding,) = (await office.compare()).findings
    assert (finding.difference, finding.status) == (Difference.FAILED_AFTER_ALL, "fail")


async def test_purchases_and_operations_belong_together() -> None:
    """A purchase of which the operations know nothing, and the other way round."""
    office = Office()
    hidden = office.api.state.operations.rows[5]
    twin = replace(hidden)
    object.__setattr__(twin, "order_no", "1900000000000000009")
    office.api.state.operations.append(twin)
    found = await office.compare()
    assert [item.difference for item in found.findings] == [Difference.TWICE]
    office.api.controls.move_lists(seed=0, steps=3, script=[[5, 0, 2], [12, 99, None]])
    found = await office.compare()
    assert [(item.difference, item.order_no) for item in found.findings] == [
        (Difference.MISSING, hidden.merchant_order_no),
        (Difference.NO_OPERATION, hidden.merchant_order_no),
    ]
    office.api.controls.move_lists(seed=0, steps=3, script=[[5, 2, None], [12, 99, None]])
    found = await office.compare()
    assert [item.difference for item in found.findings] == [Difference.NO_PURCHASE]


async def test_other_kinds_are_passed_over() -> None:
    """Deposits are compared only where the books keep them."""
    office = Office()
    card_no = office.api.card()
    office.api.change("deposit", card_no, amount=20)
    office.api.settle()
    found = await office.compare(kinds=["deposit"])
    assert Difference.UNKNOWN_TO_BOOKS in {item.difference for item in found.findings}
    strangers = [item for item in found.findings if item.difference is Difference.UNKNOWN_TO_BOOKS]
    assert [item.found for item in strangers] == [Decimal(20)]
    assert OperationType.DEPOSIT.value == "deposit"


async def test_best_effort_is_not_clean() -> None:
    """Where a part may not be whole, absence proves nothing."""
    office = Office(3)
    for _ in range(110):
        order = office.api.order(amount="10")
        office.books.append(Expected(order_no=order["merchantOrderNo"], outcome=Outcome.DONE))
    office.api.settle()
    found = await office.compare()
    assert found.findings == ()
    assert not found.complete
    assert not found.clean


async def test_an_order_twice_in_the_books() -> None:
    """The books themselves are wrong; nothing is sent."""
    office = Office(1)
    office.books *= 2
    with pytest.raises(ValidationError, match="twice in the books"):
        await office.compare()
