"""What the merchant can spend, as the funds check of a job wants it.

Orders of cards, deposits and fees are paid by the wallet, also those of shared cards, so that only
accounts of that type count. A balance that the server does not tell counts as nothing: a check that
is wrong in this direction refuses a job, and sends no row that cannot be paid.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import TYPE_CHECKING

from fincard_async._generated.models.accounts import Account, AccountType

if TYPE_CHECKING:
    from fincard_async.client import FincardClient


def available(accounts: Iterable[Account]) -> dict[str, Decimal]:
    """What the wallets hold and nothing holds back, by currency.

    Args:
        accounts: The answer of ``client.accounts.info()``.
    """
    funds: dict[str, Decimal] = {}
    for account in accounts:
        if account.account_type is AccountType.WALLET and account.currency is not None:
            balance = account.available_balance or Decimal(0)
            funds[account.currency] = funds.get(account.currency, Decimal(0)) + balance
    return funds


async def wallet_funds(client: FincardClient) -> dict[str, Decimal]:
    """Ask for the accounts and add up what can be spent; sends one read.

    Raises:
        FincardError: As ``client.accounts.info()`` does.
    """
    return available(await client.accounts.info())
