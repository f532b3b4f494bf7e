"""Asking the server how an order ended; see ``plan`` for what the answer means.

A look-up has three outcomes: the server's records of the order, its absence, or nothing that can be
relied on. The third is never taken for the second.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final

from fincard_async._generated.models.transactions import OperationRecord
from fincard_async._sansio.options import CallOptions, Lane
from fincard_async.client import FincardClient
from fincard_async.errors import (
    FincardError,
    JournalError,
    PermissionDenied,
    Unauthenticated,
    UsageError,
)

from .kinds import BulkOperationType

ENDS_THE_RUN: Final = (JournalError, PermissionDenied, Unauthenticated, UsageError)
"""Errors that no other row would escape; they say nothing about the row that met them."""
PAGE: Final = 100
_FIRST: Final = CallOptions(lane=Lane.MONEY)
_CONTROL_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class Finding:
    """What the server has under one order number."""

    records: Sequence[OperationRecord] = ()
    unclear: str | None = None
    """Why nothing follows from this look-up."""
    retry_after: float | None = None
    """Seconds for which the server asked to be left alone."""

    @property
    def absent(self) -> bool:
        """True if the server has no such order."""
        return not self.records and self.unclear is None


async def look_up(client: FincardClient, number: str) -> Finding:
    """Ask for one order by its number."""
    try:
        query = client.transactions.operations(merchant_order_no=number, options=_FIRST)
        page = await query.page(1)
    except ENDS_THE_RUN:
        raise
    except FincardError as error:
        return Finding(
            unclear=f"the look-up failed: {error.message}", retry_after=error.retry_after
        )
    if any(record.merchant_order_no != number for record in page.records):
        return Finding(unclear="the look-up failed: the server ignores the order number")
    if page.total > len(page.records):
        return Finding(unclear="the look-up failed: the server left out what it counted")
    return Finding(records=page.records)


async def controls_hold(client: FincardClient, operation: BulkOperationType) -> bool:
    """True if the query finds a known order and does not find an invented one (correctness 3.1).

    Only then does it prove anything that an order is not found.
    """
    deadline = client._clock.monotonic() + _CONTROL_SECONDS
    try:
        return await client._settler().controls_hold(operation, deadline)
    except ENDS_THE_RUN:
        raise
    except FincardError:
        return False


async def has_orders(client: FincardClient, operation: BulkOperationType) -> bool:
    """False if the server certainly has no order, so that no control can ever hold."""
    deadline = client._clock.monotonic() + _CONTROL_SECONDS
    try:
        return bool(await client._settler().newest(operation, 1, deadline))
    except ENDS_THE_RUN:
        raise
    except FincardError:
        return True


async def newest_orders(
    client: FincardClient, kind: str | None, pages: int
) -> AsyncIterator[Sequence[OperationRecord]]:
    """The newest orders of a kind, page by page, up to so many pages; a failing page ends it."""
    query = client.transactions.operations(type=kind, page_size=PAGE)
    for number in range(1, pages + 1):
        try:
            page = await query.page(number)
        except ENDS_THE_RUN:
            raise
        except FincardError:
            return
        if not page.records:
            return
        yield page.records
