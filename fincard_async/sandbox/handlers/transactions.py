"""Handlers of the resource ``transactions``: six queries over the tables of rows.

Source: seed, "Transaction Queries"; contract 3.7. Pages count from 1, newest first. The purchase
query and the second operation query show a new card as one row; the first operation query shows it
as two, see ``render.old_operation_record``.
"""

from __future__ import annotations

from fincard_async._generated.models import transactions as m
from fincard_async._generated.models.common import OperationType
from fincard_async._sansio.model import PageData
from fincard_async.sandbox import render
from fincard_async.sandbox.sealing import Sealer
from fincard_async.sandbox.state import State

from .paged import Paged, text_of


class Transactions(Paged):
    """The six transaction queries over one state."""

    def __init__(self, state: State, sealer: Sealer) -> None:
        super().__init__(state)
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
                "type": text_of(request.type),
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
                "type": text_of(request.trade_type),
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
                "type": text_of(request.type),
                "trade_no": request.trade_no,
                "card_no": request.card_no,
            },
        )
        records = [render.message_record(row, self._sealer.seal(row.text)) for row in rows]
        return PageData(total=total, records=records)


def _operation_filters(request: m.ListOperationsRequest) -> dict[str, str | None]:
    return {
        "type": text_of(request.type),
        "merchant_order_no": request.merchant_order_no,
        "order_no": request.order_no,
        "card_no": request.card_no,
    }
