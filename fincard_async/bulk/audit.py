"""Comparing a job's journal with the server's ledger, both ways. Source: correctness 3.6, 3.7.

::

    window    from the first send to the time after which nothing can arrive any more
    ledger    every order of the job's kind in it, by the query of operations and, for cards, by the
              query of purchases: two books of the same orders
    journal   every row, against what the ledger has under its number
    others    what the ledger has under numbers of no row

A list that moves while it is read may hide a row, so what differs is asked for once more, by its
number, before it is called a difference. Nothing is changed on either side: what to do about a
difference is for a person to decide.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from fincard_async._generated.models.common import OperationStatus, OperationType
from fincard_async._generated.operations import load
from fincard_async.client import FincardClient
from fincard_async.errors import JournalError, JournalMismatch, ValidationError

from .books import Booked, Books, copy_pages, of_operation, of_purchase
from .entry import Entry, Header, RowState
from .lookup import PAGE, look_up
from .ports import Journal

BEFORE_MS: Final = 5 * 60_000
"""How much earlier than the journal's first send the ledger is read: clocks differ."""
AFTER_MS: Final = 16 * 60_000
"""How much later than its last send: an order may be carried out so late (correctness 3.1, A2)."""
_BATCH: Final = 500
_OF_CARDS: Final = OperationType.CREATE.value


class Difference(enum.Enum):
    """How journal and ledger differ about an order."""

    NOT_ON_LEDGER = "not on ledger"
    """The journal says that the order was taken; the server has none of its number."""
    NOT_IN_JOURNAL = "not in journal"
    """The server has an order, of this kind and in this time, whose number is no row's."""
    TWICE = "twice"
    """The server has several orders of one number."""
    AMOUNT = "amount"
    CARD = "card"
    STATE = "state"
    """The two do not agree on whether it was carried out."""
    QUERIES = "queries"
    """The server's own two queries do not agree: one of them lacks the order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One difference, with what both sides say."""

    difference: Difference
    order_no: str | None
    """The client's number; None for an order that the platform made by itself."""
    row_id: str | None = None
    job: str | None = None
    state: RowState | None = None
    """What the journal says; None if it has no such row."""
    amount: Decimal | None = None
    card_no: str | None = None
    booked: tuple[Booked, ...] = ()
    """What the server says."""


@dataclass(slots=True)
class Sum:
    """Amounts of one currency."""

    journal: Decimal = Decimal(0)
    """Of the rows that the journal has as carried out."""
    ledger: Decimal = Decimal(0)
    """Of the orders under the numbers of rows that succeeded."""
    others: Decimal = Decimal(0)
    """Of the orders under other numbers that succeeded."""


@dataclass(slots=True, kw_only=True)
class Audit:
    """What came of a comparison."""

    jobs: tuple[str, ...]
    start: int | None
    """The window, in epoch milliseconds; None if no row was ever sent."""
    end: int | None
    rows: int = 0
    """Rows of the journals."""
    unsettled: int = 0
    """Rows about which the journal itself is not sure yet, parked ones included."""
    orders: int = 0
    """Orders of the ledger under the numbers of rows."""
    others: int = 0
    """Orders of the ledger under other numbers."""
    differences: Counter[Difference] = field(default_factory=Counter[Difference])
    sums: dict[str, Sum] = field(default_factory=dict[str, Sum])
    """Exact sums of what was carried out, by currency."""

    @property
    def agrees(self) -> bool:
        """True if nothing differs, and no row is unsettled."""
        return not self.differences and not self.unsettled


async def audit(
    client: FincardClient,
    *journals: Journal,
    on_difference: Callable[[Found], None] | None = None,
    ignore_others: bool = False,
) -> Audit:
    """Compare journals with the ledger of the server that they belong to.

    Journals are opened, which locks them, and closed again; none may be open. Give all journals
    whose jobs ran at the same time, so that the orders of one are not taken for strangers by
    another.

    Args:
        client: Who asks; of the server and tenant of the journals.
        journals: At least one.
        on_difference: Called for every difference, as it is found.
        ignore_others: Do not call it a difference that the ledger has orders under other numbers.

    Raises:
        ValidationError: There is no journal.
        JournalMismatch: A journal belongs to another server or tenant.
        JournalError: A journal cannot be used.
        FincardError: The ledger cannot be read.
    """
    if not journals:
        raise ValidationError("an audit needs a journal")
    opened: list[Journal] = []
    try:
        headers: list[Header] = []
        for journal in journals:
            headers.append(await journal.attach())
            opened.append(journal)
            _check(client, headers[-1])
        with Books() as books:
            return await _Comparison(client, books, on_difference, ignore_others).make(
                list(zip(headers, journals, strict=True))
            )
    finally:
        for journal in opened:
            await journal.close()


def _check(client: FincardClient, header: Header) -> None:
    if (header.server, header.tenant) != (client.origin, client.tenant_id):
        raise JournalMismatch(
            f"the journal of job {header.job!r} belongs to {header.server}, tenant {header.tenant},"
            f" and not to {client.origin}, tenant {client.tenant_id}"
        )


class _Comparison:
    def __init__(
        self,
        client: FincardClient,
        books: Books,
        on_difference: Callable[[Found], None] | None,
        ignore_others: bool,
    ) -> None:
        self._client = client
        self._books = books
        self._tell = on_difference
        self._ignore_others = ignore_others
        self._audit: Audit

    async def make(self, jobs: Sequence[tuple[Header, Journal]]) -> Audit:
        start, end = await _window(journal for _, journal in jobs)
        self._audit = Audit(jobs=tuple(header.job for header, _ in jobs), start=start, end=end)
        if start is not None and end is not None:
            for kind in sorted({_kind_of(header) for header, _ in jobs}):
                await self._copy(kind, start, end)
        for header, journal in jobs:
            await self._compare(header, journal)
        self._count_others()
        return self._audit

    async def _copy(self, kind: str, start: int, end: int) -> None:
        queries = self._client.transactions
        operations = queries.operations(
            type=OperationType(kind), start_time=start, end_time=end, page_size=PAGE
        )
        await copy_pages(self._books, operations.pages(), of_operation)
        if kind == _OF_CARDS:
            purchases = queries.purchases(start_time=start, end_time=end, page_size=PAGE)
            await copy_pages(self._books, purchases.pages(), lambda row: of_purchase(row, kind))

    async def _compare(self, header: Header, journal: Journal) -> None:
        kind, after = _kind_of(header), -1
        while entries := await journal.read((), after=after, limit=_BATCH):
            after = entries[-1].seq
            claimed = await self._books.claim([entry.order_no for entry in entries])
            for entry in entries:
                await self._compare_row(header.job, kind, entry, claimed.get(entry.order_no, []))

    async def _compare_row(
        self, job: str, kind: str, entry: Entry, booked: Sequence[Booked]
    ) -> None:
        found = list(compare(entry, booked, kind))
        if found:  # asked again by number: a moving list proves nothing
            booked = await self._ask_again(entry, kind)
            found = list(compare(entry, booked, kind))
        self._add_up(entry, booked)
        for difference in found:
            self._report(
                Found(
                    difference=difference,
                    order_no=entry.order_no,
                    row_id=entry.row_id,
                    job=job,
                    state=entry.state,
                    amount=entry.amount,
                    card_no=entry.card_no,
                    booked=tuple(booked),
                )
            )

    async def _ask_again(self, entry: Entry, kind: str) -> list[Booked]:
        number = entry.order_no
        finding = await look_up(self._client, number)
        if finding.unclear is not None:
            raise JournalError(f"the ledger cannot be compared: {finding.unclear}")
        booked = [of_operation(record) for record in finding.records]
        if kind == _OF_CARDS:
            page = await self._client.transactions.purchases(merchant_order_no=number).page(1)
            booked += [
                of_purchase(record, kind)
                for record in page.records
                if record.merchant_order_no == number
            ]
        return booked

    def _add_up(self, entry: Entry, booked: Sequence[Booked]) -> None:
        operations = [row for row in booked if row.query == "operations"]
        self._audit.rows += 1
        self._audit.orders += len(operations)
        self._audit.unsettled += not entry.state.final and entry.state is not RowState.PLANNED
        if entry.state is RowState.ISSUED and entry.amount is not None:
            self._sum(entry.currency).journal += entry.amount
        for row in operations:
            if row.status is OperationStatus.SUCCESS and row.amount is not None:
                self._sum(row.currency).ledger += row.amount

    def _count_others(self) -> None:
        for row in self._books.unclaimed():
            if row.query == "operations":
                self._audit.others += 1
                if row.status is OperationStatus.SUCCESS and row.amount is not None:
                    self._sum(row.currency).others += row.amount
                if not self._ignore_others:
                    self._report(
                        Found(
                            difference=Difference.NOT_IN_JOURNAL,
                            order_no=row.number,
                            booked=(row,),
                        )
                    )

    def _sum(self, currency: str | None) -> Sum:
        return self._audit.sums.setdefault(currency or "unknown", Sum())

    def _report(self, found: Found) -> None:
        self._audit.differences[found.difference] += 1
        if self._tell is not None:
            self._tell(found)


def compare(entry: Entry, booked: Sequence[Booked], kind: str) -> Iterator[Difference]:
    """How a row and what the ledger has under its number differ; several ways at once are told.

    ``booked`` has rows of both queries. An order that is in one of them only is a difference of the
    queries, unless it failed: a card that was never made need not be a purchase.
    """
    operations = [row for row in booked if row.query == "operations"]
    purchases = [row for row in booked if row.query == "purchases"]
    if max(len(operations), len(purchases)) > 1:
        yield Difference.TWICE
    for row in booked:
        if entry.amount is not None and row.amount not in (None, entry.amount):
            yield Difference.AMOUNT
            break
    wanted = entry.card_no or entry.target
    if any(wanted and row.card_no not in (None, wanted) for row in operations):
        yield Difference.CARD
    if not operations and _TAKEN.get(entry.state):
        yield Difference.NOT_ON_LEDGER
    if any(not _agrees(entry, row, kind) for row in operations):
        yield Difference.STATE
    if kind == _OF_CARDS and _of_one_query(operations, purchases):
        yield Difference.QUERIES


def _of_one_query(operations: Sequence[Booked], purchases: Sequence[Booked]) -> bool:
    if not operations:
        return bool(purchases)
    return not purchases and operations[0].status is not OperationStatus.FAIL


_TAKEN: Final[Mapping[RowState, bool]] = {
    RowState.ISSUED: True,
    RowState.ACCEPTED: True,
    RowState.FAILED: True,
}
"""States that say that the server has the order."""
_MEANS: Final[Mapping[RowState, OperationStatus]] = {
    RowState.ISSUED: OperationStatus.SUCCESS,
    RowState.FAILED: OperationStatus.FAIL,
}
"""What the ledger must say of an order in this state."""
_ABSENT: Final = frozenset({RowState.PLANNED, RowState.REFUSED, RowState.WITHDRAWN})
"""States that say that the server has no such order."""


def _agrees(entry: Entry, row: Booked, kind: str) -> bool:
    """Whether an order on the ledger may be what the journal says."""
    if entry.state in _ABSENT or row.kind.casefold() != kind.casefold():
        return False
    means = _MEANS.get(entry.state)
    return means is None or row.status is means


def _kind_of(header: Header) -> str:
    kind = load(f"cards.{header.kind}").kind
    if kind is None:
        raise JournalError(f"the ledger does not list operations of the kind {header.kind!r}")
    return kind


async def _window(journals: Iterable[Journal]) -> tuple[int | None, int | None]:
    """From the first send of all journals to the last, with a margin on both sides."""
    span: list[int] = []
    for journal in journals:
        after = -1
        while entries := await journal.read((), after=after, limit=_BATCH):
            after = entries[-1].seq
            span += [time for entry in entries for time in _times(entry)]
            span = [min(span), max(span)] if span else []
    return (span[0] - BEFORE_MS, span[1] + AFTER_MS) if span else (None, None)


def _times(entry: Entry) -> Iterator[int]:
    for time in (entry.first_sent_at, entry.last_sent_at, entry.ended_at):
        if time is not None:
            yield time
