"""Handlers of the resource ``transactions``: six queries over the tables of rows.

Source: seed, "Transaction Queries"; contract 3.7. Pages count from 1, newest first. The purchase
query and the second operation query show a new card as one row; the first operation query shows it
as two, see ``render.old_operation_record``.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final, Protocol, TypeVar

from fincard_async._generated.models import transactions as m
from fincard_async._generated.models.common import OperationType
from fincard_async._sansio.model import PageData
from fincard_async.sandbox import render
from fincard_async.sandbox.sealing import Sealer
from fincard_async.sandbox.state import State
from fincard_async.sandbox.tables import Table

R = TypeVar("R")
_NO_FILTERS: Final[Mapping[str, str]] = {}


class _Query(Protocol):
    """The paging fields that every query has."""

    @property
    def page_num(self) -> int: ...
    @property
    def page_size(self) -> int: ...
    @property
    def start_time(self) -> int | None: ...
    @property
    def end_time(self) -> int | None: ...


class Transactions:
    """The six transaction queries over one state."""

    def __init__(self, state: State, sealer: Sealer) -> None:
        self._state = state
        self._sealer = sealer

    def purchases(self, request: m.ListPurchasesRequest) -> PageData[m.PurchaseRecord]:
        """Orders of cards."""
        state = self._state
        total, rows = self._page(
            state.operations,
            request,
            {"merchant_order_no": request.merchant_order_no, "order_no": request.order_no},
            always={"type": OperationType.CREATE.value},
        )
        return PageData(
            total=total, records=[render.purchase_record(row, state.seen_at) for row in rows]
        )

    def operations(self, request: m.ListOperationsRequest) -> PageData[m.OperationRecord]:
        """Operations; a new card and its deposit are one row."""
        state = self._state
        total, rows = self._page(state.operations, request, _operation_filters(request))
        return PageData(
            total=total, records=[render.operation_record(row, state.seen_at) for row in rows]
        )

    def operations_v1(self, request: m.ListOperationsRequest) -> PageData[m.OperationRecord]:
        """Operations; a new card and its deposit are two rows."""
        state = self._state
        total, rows = self._page(state.operations_v1(), request, _operation_filters(request))
        moment = state.seen_at
        records = [render.old_operation_record(order, kind, moment) for order, kind in rows]
        return PageData(total=total, records=records)

    def authorizations(
        self, request: m.ListAuthorizationsRequest
    ) -> PageData[m.AuthorizationRecord]:
        """What happened at merchants."""
        total, rows = self._page(
            self._state.authorizations,
            request,
            {
                "type": _text(request.type),
                "trade_no": request.trade_no,
                "card_no": request.card_no,
            },
        )
        return PageData(total=total, records=[render.authorization_record(row) for row in rows])

    def authorization_fees(
        self, request: m.ListAuthorizationFeesRequest
    ) -> PageData[m.AuthorizationFeeRecord]:
        """Fees that the merchant paid for its cards."""
        total, rows = self._page(
            self._state.fee_patches,
            request,
            {
                "type": _text(request.trade_type),
                "trade_no": request.trade_no,
                "origin_trade_no": request.origin_trade_no,
                "card_no": request.card_no,
            },
        )
        return PageData(total=total, records=[render.fee_record(row) for row in rows])

    def three_ds(self, request: m.ListThreeDsRequest) -> PageData[m.ThreeDsRecord]:
        """Codes and links for cardholders, sealed now."""
        total, rows = self._page(
            self._state.messages,
            request,
            {
                "type": _text(request.type),
                "trade_no": request.trade_no,
                "card_no": request.card_no,
            },
        )
        records = [render.message_record(row, self._sealer.seal(row.text)) for row in rows]
        return PageData(total=total, records=records)

    def _page(
        self,
        table: Table[R],
        request: _Query,
        filters: Mapping[str, str | None],
        *,
        always: Mapping[str, str] = _NO_FILTERS,
    ) -> tuple[int, list[R]]:
        """One page of what the query shows; ``always`` filters, whatever was asked."""
        view, end = self._state.view, request.end_time
        if view is not None:
            table = table.without_newest(view.newest) if view.newest else table
            filters = {} if view.unfiltered else filters
            seen = self._state.seen_at
            end = seen if end is None else min(end, seen)
        return table.page(
            {**filters, **always} if always else filters,
            start=request.start_time,
            end=end,
            number=request.page_num,
            size=request.page_size,
            moving=None if view is not None and view.newest else self._state.moving,
        )


def _operation_filters(request: m.ListOperationsRequest) -> dict[str, str | None]:
    return {
        "type": _text(request.type),
        "merchant_order_no": request.merchant_order_no,
        "order_no": request.order_no,
        "card_no": request.card_no,
    }


def _text(value: Enum | None) -> str | None:
    """The wire text of an enumeration filter; an unknown value fits no row."""
    return None if value is None else str(value.value)
