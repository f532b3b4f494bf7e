"""Handlers of the resource ``accounts``. Source: contract 3.3."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from fincard_async._generated.models import accounts as m
from fincard_async._generated.operations.accounts import TRANSACTIONS
from fincard_async._sansio.model import PageData
from fincard_async.sandbox.accounts import CURRENCY, create, find_account, transfer
from fincard_async.sandbox.booking import frozen
from fincard_async.sandbox.fees import CENTS
from fincard_async.sandbox.records import Account, Entry, Transfer
from fincard_async.sandbox.refusal import bad_parameter

from .paged import Paged, text_of

_DAY_MS: Final = 86_400_000


class Accounts(Paged):
    """The six account endpoints over one state."""

    def info(self, request: m.GetAccountsRequest) -> list[m.Account]:
        """All accounts, the wallet first."""
        return [self._shown(account) for account in self._state.accounts.values()]

    def list_all(self, request: m.ListAccountsRequest) -> PageData[m.Account]:
        """Accounts, the newest first."""
        filters = {"account_id": _id_of(request.account_id), "type": text_of(request.type)}
        total, rows = self._page(self._state.account_rows, request, filters)
        return PageData(total=total, records=[self._shown(account) for account in rows])

    def get(self, request: m.GetAccountRequest) -> m.Account:
        """One account."""
        return self._shown(find_account(self._state, request.account_id))

    def transactions(
        self, request: m.ListAccountTransactionsRequest
    ) -> PageData[m.AccountTransaction]:
        """The ledger, of the last days if no window is asked for."""
        filters = {
            "account_id": _id_of(request.account_id),
            "order_no": request.order_no,
            "biz_type": text_of(request.biz_type),
        }
        total, rows = self._page(self._state.entries, self._within(request), filters)
        return PageData(total=total, records=[_movement(entry) for entry in rows])

    def create(self, request: m.CreateAccountRequest) -> m.Account:
        """An empty account for shared cards."""
        return self._shown(create(self._state, request))

    def transfer(self, request: m.TransferRequest) -> m.AccountTransfer | Literal[True]:
        """Done at once; the answer is as long as the settings say."""
        made = transfer(self._state, request)
        return True if self._state.says_true else _transferred(made)

    def _within(
        self, request: m.ListAccountTransactionsRequest
    ) -> m.ListAccountTransactionsRequest:
        """The request with both ends of its window, which must not be longer than allowed."""
        paging = TRANSACTIONS.paging
        assert paging is not None, "the schema says how it is paged"
        assert paging.max_days is not None, "the schema says how long a window may be"
        end = self._state.now if request.end_time is None else request.end_time
        longest = paging.max_days * _DAY_MS
        start = end - longest if request.start_time is None else request.start_time
        if end - start > longest:
            raise bad_parameter("startTime", f"at most {paging.max_days} days before endTime")
        return msgspec.structs.replace(request, start_time=start, end_time=end)

    def _shown(self, account: Account) -> m.Account:
        held = frozen(self._state, account)
        return m.Account(
            account_id=account.account_id,
            account_type=account.type,
            currency=CURRENCY,
            available_balance=account.purse.balance,
            frozen_balance=held,
            total_balance=account.purse.balance + held,
            account_name=account.name,
            digital=CENTS,
        )


def _movement(entry: Entry) -> m.AccountTransaction:
    return m.AccountTransaction(
        tx_id=entry.tx_id,
        account_id=entry.account_id,
        direction=entry.direction,
        amount=abs(entry.change),
        currency=CURRENCY,
        biz_type=entry.reason,
        before_balance=entry.balance - entry.change,
        after_balance=entry.balance,
        order_no=entry.order_no,
        remark=entry.remark,
        create_time=entry.time,
    )


def _transferred(made: Transfer) -> m.AccountTransfer:
    """The long answer; like the one that is documented, it does not repeat the client's number."""
    entry = made.entry
    return m.AccountTransfer(
        order_no=entry.order_no,
        tx_id=entry.tx_id,
        account_id=entry.account_id,
        amount=abs(entry.change),
        currency=CURRENCY,
        before_balance=entry.balance - entry.change,
        after_balance=entry.balance,
        biz_type=entry.reason,
        direction=entry.direction,
        transaction_status="COMPLETED",
        remark=entry.remark,
    )


def _id_of(account_id: int | None) -> str | None:
    return None if account_id is None else str(account_id)
