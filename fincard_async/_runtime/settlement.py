"""Find out what became of a mutation, by its order number.

Used by the client after an unknown outcome or a duplicate answer, inside the call's own deadline,
and by ``fincard_async.settle`` afterwards, also in another process. It only reads.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

from fincard_async._generated.operations import load
from fincard_async._generated.wire import PAGE_SIZE_MAX
from fincard_async._sansio.model import Model, PageData
from fincard_async._sansio.operation import Operation
from fincard_async._sansio.options import CallOptions, Lane
from fincard_async._sansio.order_no import NUMBER_BYTES, mint
from fincard_async._sansio.settlement import Sought, adopt, differences, find
from fincard_async.errors import FincardError, ResponseMismatch, UsageError

from .pipeline import Pipeline

if TYPE_CHECKING:
    from fincard_async._generated.models.transactions import OperationRecord

PAUSES: Final = (0.2, 0.5, 1.0, 2.0, 4.0)
"""Seconds between look-ups of an order that is not there yet; the last one repeats."""
MOST_PAGES: Final = 100
"""A server that ignores the filter is paged through no further than this."""


@dataclass(frozen=True, slots=True)
class LookUp:
    """What one query found."""

    record: OperationRecord | None
    complete: bool
    """True if every row was seen, so that a missing record was really not there."""


class Settler:
    """Looks orders up over a pipeline."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline

    async def settle_call(
        self,
        operation: Operation[Model, object],
        request: Model,
        error: FincardError,
        deadline: float,
    ) -> object:
        """The result of a mutation that ended as ``error``, or that error again.

        Raises:
            OutcomeUnknown, DuplicateOrder: It cannot be found in time, or what is found under its
                number is another order; then ``__cause__`` is a ResponseMismatch.
        """
        assert error.order_no is not None
        sought = Sought(
            order_no=error.order_no,
            kind=operation.kind,
            card_no=getattr(request, "card_no", None),
            amount=getattr(request, "amount", None),
        )
        record = await self._until_found(operation, sought, deadline)
        if record is None:
            raise error
        if others := differences(sought, record):
            raise error from ResponseMismatch(
                f"the order exists with another {', '.join(others)}", order_no=sought.order_no
            )
        self._pipeline.doubts.clear(sought.order_no)
        return adopt(operation.output, record)

    async def _until_found(
        self, operation: Operation[Model, object], sought: Sought, deadline: float
    ) -> OperationRecord | None:
        clock = self._pipeline.clock
        pauses = itertools.chain(PAUSES, itertools.repeat(PAUSES[-1]))
        while clock.monotonic() < deadline:
            try:
                found = (await self.look_up(operation, sought, deadline)).record
            except UsageError:
                return None  # such as a client that was closed: no later query fares better
            except FincardError:
                found = None  # the original error is the one that matters, and it is raised
            if found is not None:
                return found
            pause = next(pauses)
            if clock.monotonic() + pause >= deadline:
                break
            await clock.sleep(pause)
        return None

    async def look_up(
        self, operation: Operation[Model, object], sought: Sought, deadline: float
    ) -> LookUp:
        """Ask once for an order, page by page where the server ignores the filter."""
        seen, before = 0, cast("list[OperationRecord]", [])
        for number in range(1, MOST_PAGES + 1):
            page = await self._page(operation, sought.order_no, number, deadline)
            if (record := find(sought, page.records)) is not None:
                return LookUp(record, complete=True)
            seen += len(page.records)
            if page.records and page.records == before:
                break  # the same page again: the rest was never shown
            # ``total`` is advisory: a full page is never the last, whatever it says.
            if len(page.records) < PAGE_SIZE_MAX and seen >= page.total:
                return LookUp(None, complete=True)
            if not page.records:
                break
            before = page.records
        return LookUp(None, complete=False)

    async def controls_hold(self, operation: Operation[Model, object], deadline: float) -> bool:
        """True if the query finds a known order and does not find an invented one.

        Without any order on the server there is nothing to find, and nothing is proven.
        """
        rows = (await self._page(operation, None, 1, deadline)).records
        known = next((row.merchant_order_no for row in rows if row.merchant_order_no), None)
        if known is None:
            return False
        invented = mint(self._pipeline.entropy.token_bytes(NUMBER_BYTES))
        positive = await self.look_up(operation, Sought(order_no=known), deadline)
        negative = await self.look_up(operation, Sought(order_no=invented), deadline)
        return positive.record is not None and negative.record is None

    async def newest(
        self, operation: Operation[Model, object], number: int, deadline: float
    ) -> Sequence[OperationRecord]:
        """One page of the newest operations, whatever their numbers."""
        return (await self._page(operation, None, number, deadline)).records

    async def _page(
        self,
        operation: Operation[Model, object],
        order_no: str | None,
        number: int,
        deadline: float,
    ) -> PageData[OperationRecord]:
        assert operation.settled_by is not None, "the schema says how every mutation is settled"
        assert operation.order_number is not None
        query = load(operation.settled_by)
        assert query.paging is not None
        request = query.input(
            **{
                query.paging.page: number,
                query.paging.size: PAGE_SIZE_MAX,
                operation.order_number.name: order_no,
            }
        )
        timeout = max(0.001, deadline - self._pipeline.clock.monotonic())
        options = CallOptions(timeout=timeout, lane=Lane.MONEY)
        return cast("PageData[OperationRecord]", await self._pipeline.run(query, request, options))
