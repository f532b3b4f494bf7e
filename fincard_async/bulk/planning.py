"""Rows to journal entries, one batch after the other, so that a million rows need little memory.

The order number and the request of a row are fixed here, once (correctness 3.2). All rows are read
and checked before the first is sent; what is wrong is collected, up to a bound, into one error.

Only secrets stay in memory, such as the printed numbers of physical cards: they are in no journal,
and every run gets them from the rows again.
"""

from __future__ import annotations

import hashlib
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Iterable,
    Mapping,
    Sequence,
)
from contextlib import aclosing, asynccontextmanager
from typing import Final, TypeAlias, cast

import anyio.lowlevel

from fincard_async._generated.models.cards import CardType
from fincard_async._sansio.model import Model
from fincard_async._sansio.order_no import numbers_of
from fincard_async._sansio.rules import check
from fincard_async._sansio.secret import Secret
from fincard_async.errors import ValidationError

from .checks import CardOrder, order_faults
from .entry import Entry
from .faults import InputError, InputFault
from .guards import Asked, Guards, Sum
from .kinds import BulkOperationType
from .marks import Marking
from .ports import Plan
from .records import BulkRow, payload_of, to_request
from .rows import LONGEST_ROW_ID, RowFile

BATCH: Final = 1000
MOST_FAULTS: Final = 100
"""So many faults are collected; then nothing more is read."""

Rows: TypeAlias = Iterable[BulkRow] | AsyncIterable[BulkRow]
Secrets: TypeAlias = Mapping[int, Mapping[str, Secret]]
"""By seq: the secret fields of a row, by Python name."""
CardTypes: TypeAlias = Mapping[int, CardType]


class RowPlan:
    """The plan of a job; see ``ports.Plan``.

    Args:
        rows: Read once, in order.
        operation: What is done with each.
        job: Name of the job: with the row's id, it decides the order number.
        source: Named in faults.
        card_types: Where given, orders of cards are checked against them.
        guards: What the rows may ask for in all.

    Raises:
        ValidationError: The name of the job cannot be used.
    """

    def __init__(
        self,
        rows: Rows,
        *,
        operation: BulkOperationType,
        job: str,
        source: str = "rows",
        card_types: CardTypes | None = None,
        guards: Guards | None = None,
    ) -> None:
        if not job or not job.isprintable():
            raise ValidationError("job must be a name in printable characters")
        self.secrets: dict[int, Mapping[str, Secret]] = {}
        self.sum = Sum(guards or Guards())
        self._rows = rows
        assert operation.order_number is not None
        self._operation = operation
        field = operation.order_number.name
        self._rules = tuple(rule for rule in operation.rules if rule.name != field)
        """Without the order number's: those that are made here are all of one form."""
        self._number_of = numbers_of(namespace=job, operation=operation.name)
        self._source = source
        self._card_types = card_types
        self._digest = hashlib.sha256()
        self._faults: list[InputFault] = []
        self._repeats = self._uncounted = 0
        self._marking = Marking(operation, job, card_types)
        self._mark = self._file = ""
        self._first: Asked | None = None
        """What the first batch asks for."""
        self._lines: dict[int, int | None] = {}
        """Lines of the batch that was given out last."""

    @property
    def mark(self) -> str:
        """Of the batch that was given out last; "" if it holds secrets, of which none is kept."""
        return self._mark

    @property
    def rows(self) -> int:
        """How many rows there were so far, with those that were left out."""
        return self.sum.rows

    def __aiter__(self) -> AsyncGenerator[Sequence[Entry]]:
        return self.unlike({})

    async def unlike(self, marks: Mapping[int, str]) -> AsyncGenerator[Sequence[Entry]]:
        """The batches but for those whose marks, by their last seq, say that they are the same."""
        self._file = await self._digest_of_file()
        if isinstance(self._rows, RowFile) and (rest := self._marking.same_file(marks, self._file)):
            if batch := self._batch(0, self._rows.first(BATCH), marks):
                yield batch
            self.sum.join(rest)
            return
        rows: list[BulkRow] = []
        first, fault = 0, None
        try:
            async with aclosing(_each(self._rows)) as source:
                async for row in source:
                    if len(rows) == BATCH:
                        if batch := self._batch(first, rows, marks):
                            yield batch
                        first, rows = first + BATCH, []
                        if len(self._faults) >= MOST_FAULTS:
                            return
                        await anyio.lowlevel.checkpoint()
                    rows.append(row)
        except InputError as error:
            fault = error
        batch = self._batch(first, rows, marks, last=True)
        if fault is not None:
            self._faults += fault.faults
            self._uncounted += fault.count - len(fault.faults)
        if batch:
            yield batch

    async def _digest_of_file(self) -> str:
        """Of all of it; "" where there is none. To read half of a file says nothing of the rest."""
        if not isinstance(self._rows, RowFile):
            return ""
        try:
            return await self._marking.file(self._rows.content())
        except OSError:
            return ""  # to read its rows fails as well, and tells why, or there is just no digest

    def _batch(
        self, first: int, rows: Sequence[BulkRow], marks: Mapping[int, str], *, last: bool = False
    ) -> list[Entry]:
        """The entries of these rows; none if they are the same as when their mark was made."""
        self._lines = {}
        if not rows:
            return []
        digest = self._marking.digest(rows)
        # The first batch is planned in any case: a sample of it is shown to people.
        if first and (same := self._marking.same(marks.get(first + len(rows) - 1), digest)):
            self.sum.join(same)
            return []
        before = self.sum.copy()
        found = [self._entry(first + place, row) for place, row in enumerate(rows)]
        self._first = self._first or self.sum.copy()
        if not digest:  # a secret, of which a digest of the file would be one as well
            self._file = ""
        file = self._file if last else ""
        rest = self.sum.since(self._first) if last else None
        self._mark = self._marking.mark(digest, self.sum.since(before), file, rest)
        return [entry for entry in found if entry is not None]

    def repeated(self, entry: Entry, first: int) -> None:
        """Note that a row of the last batch has the id of an earlier one."""
        self._repeats += 1
        if isinstance(self._rows, RowFile):
            return  # it tells at its end, with both lines
        line = self._lines.get(entry.seq)
        message = f"a row_id stands twice: in row {first + 1} and in row {entry.seq + 1}"
        self._faults.append(InputFault(self._source, line, message))

    def finish(self) -> str:
        """SHA-256 over the rows that were given out, without secrets: a hash of one could be
        reversed.

        Raises:
            InputError: Rows are faulty.
            ValidationError: There are none.
        """
        if self._faults:
            count = len(self._faults) + self._uncounted
            raise InputError(tuple(self._faults[:MOST_FAULTS]), count)
        if self._repeats:
            raise InputError((InputFault(self._source, None, "a row_id stands twice"),))
        if not self.sum.rows:
            raise ValidationError("there are no rows")
        return self._digest.hexdigest()

    def _entry(self, seq: int, row: BulkRow) -> Entry | None:
        """The entry of a row, or None if a fault was noted."""
        self._lines[seq] = row.line
        try:
            return self._planned(seq, row)
        except ValidationError as error:
            message = error.message if row.line is not None else f"row {seq + 1}: {error.message}"
        self._faults.append(InputFault(self._source, row.line, message))
        return None

    def _planned(self, seq: int, row: BulkRow) -> Entry:
        _check_row_id(row.row_id)
        operation = self._operation
        request = to_request(operation, row)
        check(self._rules, request)
        payload, secrets = payload_of(operation, request)
        entry = Entry(
            seq=seq,
            row_id=row.row_id,
            order_no=self._number_of(row.row_id, row.generation),
            payload=payload,
            amount=getattr(request, "amount", None),
            target=getattr(request, "card_no", None),
            generation=row.generation,
            withheld=" ".join(secrets),
        )
        self.sum.add(entry, request, self._card_type(request))
        self._digest.update(_line(entry))
        if secrets:
            self.secrets[seq] = secrets
        return entry

    def _card_type(self, request: Model) -> CardType | None:
        """The card type of an order, checked; None where there is none or none is known."""
        if self._card_types is None or not hasattr(request, "card_type_id"):
            return None
        order = cast(CardOrder, request)
        card_type = self._card_types.get(order.card_type_id)
        if faults := tuple(order_faults(order, card_type)):
            raise ValidationError("; ".join(faults))
        return card_type


@asynccontextmanager
async def batches_of(
    plan: Plan, marks: Mapping[int, str] | None = None
) -> AsyncGenerator[AsyncIterator[Sequence[Entry]]]:
    """The batches of a plan; whatever reads rows is closed at the end, also of half of them."""
    batches = plan.unlike(marks or {})
    try:
        yield batches
    finally:
        if isinstance(batches, AsyncGenerator):
            await batches.aclose()


async def _each(rows: Rows) -> AsyncGenerator[BulkRow]:
    if isinstance(rows, AsyncGenerator):
        async with aclosing(rows):
            async for row in rows:
                yield row
    elif isinstance(rows, AsyncIterable):
        async for row in rows:
            yield row
    else:
        for row in rows:
            yield row


def _check_row_id(row_id: str) -> None:
    if not isinstance(row_id, str) or not row_id.strip():
        raise ValidationError("row_id is empty")
    if not row_id.isprintable() or len(row_id) > LONGEST_ROW_ID:
        raise ValidationError(f"row_id must be up to {LONGEST_ROW_ID} printable characters")


def _line(entry: Entry) -> bytes:
    """What decides what is done for a row, unambiguously, for the digest."""
    row, request = entry.row_id.encode(), entry.payload.encode()
    generation, withheld = str(entry.generation).encode(), entry.withheld.encode()
    return b"%d:%s,%d:%s,%d:%s,%d:%s," % (
        len(row),
        row,
        len(request),
        request,
        len(generation),
        generation,
        len(withheld),
        withheld,
    )
