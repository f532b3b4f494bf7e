"""Making accounts, and moving money between them. Source: contract 3.3, 6, 8."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from fincard_async._generated.models.accounts import (
    CreateAccountRequest,
    LedgerReason,
    TransferRequest,
    TransferType,
)

from .booking import note
from .fees import CENTS, ZERO, check_places
from .orders import check_new
from .records import Account, Purse, Transfer
from .refusal import bad_parameter, not_found, refuse
from .state import State

CURRENCY: Final = "USD"
"""Of every account."""
_REASONS: Final[Mapping[TransferType, LedgerReason]] = {
    TransferType.TRANSFER: LedgerReason.FUND_TRANSFER,
    TransferType.COLLECTION: LedgerReason.FUND_COLLECTION,
}


def find_account(state: State, account_id: int) -> Account:
    """The account, or a refusal."""
    account = state.accounts.get(account_id)
    if account is None:
        raise not_found("Account")
    return account


def create(state: State, request: CreateAccountRequest) -> Account:
    """An empty account for shared cards; each call makes another one, whatever its name."""
    if request.currency not in (None, CURRENCY):
        raise bad_parameter("currency", f"must be {CURRENCY}")
    account_id = int(state.next_order_no())
    account = Account(account_id, True, Purse(ZERO, account_id), request.account_name, state.now)
    return state.add_account(account)


def transfer(state: State, request: TransferRequest) -> Transfer:
    """Move money at once, or refuse; the order number is taken over all kinds of operations."""
    number = check_new(state, request.merchant_order_no)
    if (reason := _REASONS.get(request.type)) is None:
        raise bad_parameter("type", "not a kind of transfer")
    payer = find_account(state, request.payer_account_id)
    payee = find_account(state, request.payee_account_id)
    if payer is payee:
        raise bad_parameter("payeeAccountId", "it is the account that pays")
    check_places(request.amount, CENTS)
    if payer.purse.balance < request.amount:
        raise refuse("Insufficient balance")
    order_no = state.next_order_no()
    for account, change in ((payee, request.amount), (payer, -request.amount)):
        account.purse.balance += change
        note(state, account.purse, change, reason, order_no, request.remark)
    made = Transfer(number, state.now, state.entries.rows[-1])
    state.transfers.append(made)
    return made
