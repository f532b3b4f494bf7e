"""The ledger of the merchant's accounts: every movement of a balance is a row.

The law of this module: whoever changes the balance of a purse calls ``note`` right after, so that
the rows of an account form a chain in which each begins where the one before it ended.

The ledger follows what can be spent. Money of an order that is not final has left the wallet; it
comes back with a row of its own if the order fails, and until then it is the wallet's frozen
balance. How the platform books this is not documented. Source: contract 3.3, 8.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from fincard_async._generated.models.accounts import LedgerReason
from fincard_async._generated.models.common import FeeType, OperationType

from .fees import ZERO
from .records import Account, Entry, Order, Purse
from .state import State

REASONS: Final[Mapping[OperationType, LedgerReason]] = {
    OperationType.CREATE: LedgerReason.CARD_PURCHASE,
    OperationType.DEPOSIT: LedgerReason.CARD_DEPOSIT,
    OperationType.WITHDRAW: LedgerReason.CARD_WITHDRAW,
    OperationType.CANCEL: LedgerReason.CARD_CANCEL,
    OperationType.OVERDRAFT_STATEMENT: LedgerReason.CARD_OVERDRAFT_STATEMENT,
}
"""Why an operation on a card moves the balance of an account."""
FEE_REASONS: Final[Mapping[FeeType, LedgerReason]] = {
    FeeType.CARD_PATCH_FEE: LedgerReason.CARD_AUTH_FEE_PATCH,
    FeeType.CARD_PATCH_CROSS_BORDER: LedgerReason.CARD_CROSS_BOARD_PATCH,
}
RETURNED: Final = "Returned: the operation failed"


def note(
    state: State,
    purse: Purse,
    change: Decimal,
    reason: LedgerReason,
    order_no: str | None,
    remark: str | None = None,
) -> None:
    """Write down that the balance of an account has just changed; a card's own purse has no ledger.

    Args:
        state: Where it happened.
        purse: Its balance is the one after the change.
        change: What came; negative for what went.
        reason: Why.
        order_no: The platform's number of what caused it.
        remark: For people.
    """
    if purse.account_id is None or not change:
        return
    entry = Entry(
        tx_id=len(state.entries.rows) + 1,
        account_id=purse.account_id,
        change=change,
        balance=purse.balance,
        reason=reason,
        order_no=order_no,
        remark=remark,
        time=state.now,
    )
    state.entries.append(entry)


def frozen(state: State, account: Account) -> Decimal:
    """Money of an account in orders that are not final; only the wallet pays for orders."""
    if account is not state.wallet:
        return ZERO
    waiting = (item for _, _, item in state.agenda if isinstance(item, Order))
    return sum((o.held for o in waiting if o.kind is not OperationType.WITHDRAW), ZERO)
