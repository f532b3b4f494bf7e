"""Your books against the server's, in both directions, over a window of time.

::

    found = await reconcile(client, expected, since=begin, until=end)
    for finding in found.findings: ...

Both queries are read whole (``Paginator.export``), so what is not in them was not there. What the
books should hold comes as ``Expected`` rows, from a journal, a ledger or a file. Memory holds the
expected rows; the server's are passed through.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from ._generated.models.common import OperationStatus, OperationType
from ._generated.models.transactions import OperationRecord, PurchaseRecord
from ._sansio.paging import Moment, milliseconds
from .client import FincardClient
from .errors import ValidationError

SLACK_MS: Final = 300_000
"""Clocks of two machines may differ by as much, and so may the moments in two books."""


class Outcome(enum.Enum):
    """What the books say of an order."""

    DONE = "done"
    """It was carried out."""
    NOTHING = "nothing"
    """It was refused, failed, or never sent."""
    OPEN = "open"
    """Nobody knows yet."""


class Difference(enum.Enum):
    """What does not fit."""

    MISSING = "missing"
    """Done in the books, and the server has no such order."""
    UNKNOWN_TO_BOOKS = "unknown to the books"
    """The server carried out an order that the books do not have."""
    DONE_AFTER_ALL = "done after all"
    """The books say that nothing happened, and the server carried it out."""
    FAILED_AFTER_ALL = "failed after all"
    """Done in the books, and at the server it failed."""
    AMOUNT = "another amount"
    TWICE = "twice"
    """The server has two orders of one number and kind."""
    NO_PURCHASE = "no purchase"
    """A card was made, and the purchases do not list it."""
    NO_OPERATION = "no operation"
    """A purchase without its operation."""
    OPEN = "open"
    """The books do not know the outcome; the finding says what the server does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """An order as the books have it."""

    order_no: str
    """The client's number: ``merchantOrderNo``."""
    outcome: Outcome
    amount: Decimal | None = None
    """None is not compared."""
    moment: int | None = None
    """When it was sent, in milliseconds since the epoch; None if the books do not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One difference."""

    difference: Difference
    order_no: str | None
    """The client's number; None if the server's row has none."""
    platform_no: str | None = None
    """The platform's number."""
    status: str | None = None
    """What the server says of it."""
    expected: Decimal | None = None
    found: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation:
    """What came of it."""

    matched: int
    """Orders that are the same in both."""
    undecided: int
    """Expected orders so close to an end of the window that their absence means nothing."""
    purchases: int
    operations: int
    """Rows of the server in the window."""
    complete: bool
    """False if a part of the server's rows was only best effort: then absence proves nothing."""
    findings: tuple[Finding, ...]

    @property
    def clean(self) -> bool:
        """True if the two books agree, as far as this can be known."""
        return self.complete and not self.findings


async def reconcile(
    client: FincardClient,
    expected: Iterable[Expected],
    *,
    since: Moment,
    until: Moment,
    kinds: Iterable[OperationType | str] = (OperationType.CREATE,),
    concurrency: int = 8,
) -> Reconciliation:
    """Compare the books with the purchases and operations of a window, in both directions.

    Args:
        client: Reads; nothing is changed.
        expected: What the books have. Orders from outside the window may be among them.
        since: First moment, included.
        until: First moment that does not belong to the window.
        kinds: Kinds of operations that the books keep; others are passed over.
        concurrency: Most pages asked for at once.

    Raises:
        ValidationError: A window that cannot be used, or an order twice in ``expected``.
        FincardError: As ``export``.
    """
    window = (milliseconds(since, "since") or 0, milliseconds(until, "until") or 0)
    books = _Books(expected, window, frozenset(map(OperationType, kinds)))
    query = client.transactions
    purchases = query.purchases().export(since=since, until=until, concurrency=concurrency)
    async for purchase in purchases:
        books.bought(purchase)
    operations = query.operations().export(since=since, until=until, concurrency=concurrency)
    async for operation in operations:
        books.done(operation)
    return books.close(
        complete=purchases.report.best_effort == operations.report.best_effort == 0,
    )


class _Books:
    """The comparison. Pure: rows in, findings out."""

    def __init__(
        self,
        expected: Iterable[Expected],
        window: tuple[int, int],
        kinds: frozenset[OperationType],
    ) -> None:
        self._window = window
        self._kinds = kinds
        self._orders: dict[str, Expected] = {}
        for row in expected:
            if row.order_no in self._orders:
                raise ValidationError("an order number stands twice in the books")
            self._orders[row.order_no] = row
        self._met: set[str] = set()
        """Expected orders that the server has."""
        self._bought: dict[str, str | None] = {}
        """Purchases whose operation has not come yet: platform's number, client's number."""
        self._findings: list[Finding] = []
        self._matched = self._purchases = self._operations = 0

    def bought(self, row: PurchaseRecord) -> None:
        """A row of the purchases."""
        self._purchases += 1
        if OperationType.CREATE in self._kinds:
            self._bought[row.order_no] = row.merchant_order_no

    def done(self, row: OperationRecord) -> None:
        """A row of the operations."""
        self._operations += 1
        if row.type not in self._kinds:
            return
        if row.type is OperationType.CREATE:
            if row.order_no not in self._bought and row.status is OperationStatus.SUCCESS:
                self._find(Difference.NO_PURCHASE, row)
            self._bought.pop(row.order_no, None)
        expected = self._orders.get(row.merchant_order_no or "")
        if expected is None:
            if row.status is not OperationStatus.FAIL:
                self._find(Difference.UNKNOWN_TO_BOOKS, row)
        elif expected.order_no in self._met:
            self._find(Difference.TWICE, row, expected)
        else:
            self._met.add(expected.order_no)
            self._compare(row, expected)

    def close(self, *, complete: bool) -> Reconciliation:
        """The result; what was not met by now is not there."""
        undecided = 0
        for expected in self._orders.values():
            if expected.order_no in self._met or not self._matters(expected):
                continue
            if self._at_the_edge(expected):
                undecided += 1
            else:
                self._find(_ABSENT[expected.outcome], None, expected)
        findings = [
            *self._findings,
            *(
                Finding(difference=Difference.NO_OPERATION, order_no=mine, platform_no=number)
                for number, mine in sorted(self._bought.items())
            ),
        ]
        return Reconciliation(
            matched=self._matched,
            undecided=undecided,
            purchases=self._purchases,
            operations=self._operations,
            complete=complete,
            findings=tuple(findings),
        )

    def _compare(self, row: OperationRecord, expected: Expected) -> None:
        before = len(self._findings)
        for difference in _differences(row, expected):
            self._find(difference, row, expected)
        self._matched += len(self._findings) == before

    def _matters(self, expected: Expected) -> bool:
        """Whether the absence of an order from the window says anything."""
        if expected.outcome is Outcome.NOTHING:
            return False
        moment, (since, until) = expected.moment, self._window
        return moment is None or since - SLACK_MS <= moment < until + SLACK_MS

    def _at_the_edge(self, expected: Expected) -> bool:
        moment, (since, until) = expected.moment, self._window
        return moment is not None and not since + SLACK_MS <= moment < until - SLACK_MS

    def _find(
        self, difference: Difference, row: OperationRecord | None, expected: Expected | None = None
    ) -> None:
        number = expected.order_no if expected is not None else None
        if number is None and row is not None:
            number = row.merchant_order_no
        self._findings.append(
            Finding(
                difference=difference,
                order_no=number,
                platform_no=None if row is None else row.order_no,
                status=None if row is None else str(row.status),
                expected=None if expected is None else expected.amount,
                found=None if row is None else row.amount,
            )
        )


_ABSENT: Final = {Outcome.DONE: Difference.MISSING, Outcome.OPEN: Difference.OPEN}


def _differences(row: OperationRecord, expected: Expected) -> Iterator[Difference]:
    failed, done = row.status is OperationStatus.FAIL, row.status is OperationStatus.SUCCESS
    if expected.outcome is Outcome.OPEN:
        yield Difference.OPEN
    elif expected.outcome is Outcome.NOTHING and not failed:
        yield Difference.DONE_AFTER_ALL
    elif expected.outcome is Outcome.DONE and failed:
        yield Difference.FAILED_AFTER_ALL
    differs = None not in (expected.amount, row.amount) and expected.amount != row.amount
    if differs and (done or expected.outcome is Outcome.DONE):
        yield Difference.AMOUNT
