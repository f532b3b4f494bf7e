"""What a job can spend, from the merchant's accounts."""

from __future__ import annotations

from decimal import Decimal

import pytest

from fincard_async._generated.models.accounts import Account, AccountType
from fincard_async._sansio.model import as_enum
from fincard_async.bulk.funds import available, wallet_funds
from fincard_async.bulk.kinds import kinds, operation_of
from fincard_async.sandbox import Sandbox, SandboxSettings
from fincard_async.testing import sandbox_client


def account(kind: str | None, currency: str | None, balance: str | None) -> Account:
    """An account with what can be spent; its total is larger."""
    return Account(
        account_id=1,
        account_type=as_enum(AccountType, kind),
        currency=currency,
        available_balance=None if balance is None else Decimal(balance),
        total_balance=Decimal(1_000_000),
    )


def test_only_what_a_wallet_can_spend_counts() -> None:
    """Wallets are added up by currency; other accounts, totals and unknown balances are not."""
    accounts = [
        account("WALLET", "USD", "10.10"),
        account("wallet", "USD", "0.05"),
        account("WALLET", "EUR", None),
        account("MARGIN", "USD", "500"),
        account("SAVINGS", "USD", "500"),
        account(None, "USD", "500"),
        account("WALLET", None, "500"),
    ]
    assert available(accounts) == {"USD": Decimal("10.15"), "EUR": Decimal(0)}
    assert available([]) == {}


def test_what_the_wallet_pays() -> None:
    """Cards and deposits take money from the wallet; nothing else that is done in bulk does."""
    assert {kind for kind in kinds() if operation_of(kind).wallet_pays} == {"open", "deposit"}


@pytest.mark.anyio
async def test_funds_of_the_sandbox() -> None:
    """An order that is not final has left what can be spent."""
    with Sandbox(SandboxSettings(latency_ms=None)) as sandbox:
        async with sandbox_client(sandbox=sandbox) as client:
            assert await wallet_funds(client) == {"USD": Decimal(1_000_000)}
            await client.cards.open(card_type_id=111001, amount="50.25")
            assert await wallet_funds(client) == {"USD": Decimal("999948.75")}
