"""Every endpoint, once, through the public client: against the sandbox in process and over HTTP."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from decimal import Decimal

import pytest

from fincard_async import FincardClient, Secret
from fincard_async._generated.models.cards import CardOperation, RiskControls, SpendingLimit
from fincard_async._generated.operations import OPERATION_NAMES
from fincard_async.errors import NotFound, ValidationError
from fincard_async.sandbox import (
    HOLDER_IDS,
    SHARED_ACCOUNT_ID,
    WALLET_ACCOUNT_ID,
    Sandbox,
    SandboxSettings,
)
from fincard_async.sandbox.app import serve
from fincard_async.testing import sandbox_client, sandbox_key, sandbox_login

pytestmark = pytest.mark.anyio

PHYSICAL_CARD = "5588210000000107"


@dataclass(frozen=True)
class World:
    """A client and the sandbox behind it."""

    client: FincardClient
    sandbox: Sandbox

    async def opened(self, card_type_id: int = 111001, amount: str = "100", **more: object) -> str:
        """Open a card, let it settle, and return its id."""
        made = await self.client.cards.open(
            card_type_id=card_type_id,
            amount=amount,
            **more,  # type: ignore[arg-type]  # the tests pass documented arguments
        )
        self.sandbox.controls.settle_now()
        assert made.card_no is not None
        return made.card_no


@pytest.fixture(params=["in process", "http"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    """The same sandbox behind two kinds of wire."""
    key = sandbox_key()
    settings = replace(SandboxSettings(), merchant_key=key.public_key().pem(), latency_ms=None)
    with Sandbox(settings) as sandbox:
        if request.param == "in process":
            async with sandbox_client(sandbox=sandbox, card_key=key) as client:
                yield World(client, sandbox)
            return
        async with (
            serve(sandbox) as base_url,
            FincardClient(
                base_url=base_url,
                auth=sandbox_login(settings),
                tenant_id=settings.tenant_id,
                card_key=key,
            ) as client,
        ):
            yield World(client, sandbox)


def finished(world: World, operation: CardOperation, kind: str) -> None:
    """An accepted operation has its kind, its order number, and is not final yet."""
    assert operation.type == kind
    assert operation.merchant_order_no is not None
    assert operation.status == "wait_process"
    world.sandbox.controls.settle_now()


async def test_list_types(world: World) -> None:
    """Card types arrive with exact prices and nested metadata."""
    types = {found.card_type_id: found for found in await world.client.cards.list_types()}
    assert types[111002].card_price == Decimal("2.50")
    assert types[111002].need_card_holder is True
    metadata = types[111001].metadata
    assert metadata is not None
    assert metadata.card_holder_model == "B2B"


async def test_open(world: World) -> None:
    """A card is opened under a minted number, and becomes Normal with its deposit on it."""
    made = await world.client.cards.open(card_type_id=111001, amount="50.25")
    finished(world, made, "create")
    assert len(made.merchant_order_no) == 32
    assert made.card_no is not None
    card = await world.client.cards.get(made.card_no, only_simple_info=False)
    assert card.status == "Normal"
    assert card.balance_info is not None
    assert card.balance_info.amount == Decimal("50.25")


async def test_cards_get(world: World) -> None:
    """The simple form of a card leaves the balance out."""
    card_no = await world.opened()
    card = await world.client.cards.get(card_no)
    assert (card.card_no, card.status, card.balance_info) == (card_no, "Normal", None)


async def test_get_sensitive(world: World) -> None:
    """Sealed values open with the merchant's key, and print nowhere."""
    sealed = await world.client.cards.get_sensitive(await world.opened())
    opened = await world.client.unseal(sealed)
    assert opened.card_number is not None
    assert opened.card_number.reveal().startswith("531993")
    assert opened.card_number.reveal() not in repr((sealed, opened))


async def test_get_sensitive_of_a_gift_card(world: World) -> None:
    """A gift card gives its activation URL and nothing else."""
    sealed = await world.client.cards.get_sensitive(await world.opened(111050, "25"))
    assert (sealed.card_number, sealed.cvv, sealed.expire_date) == (None, None, None)
    opened = await world.client.unseal(sealed)
    assert opened.activate_url is not None
    assert opened.activate_url.reveal().startswith("https://")


async def test_get_balance(world: World) -> None:
    """A balance is exact and names its card."""
    card_no = await world.opened(amount="10.10")
    balance = await world.client.cards.get_balance(card_no)
    assert (balance.card_no, balance.amount, balance.currency) == (card_no, Decimal("10.10"), "USD")


async def test_deposit(world: World) -> None:
    """A deposit reaches the card less its fee."""
    card_no = await world.opened(amount="20")
    made = await world.client.cards.deposit(card_no=card_no, amount=Decimal("5.55"))
    finished(world, made, "deposit")
    assert made.fee is not None
    balance = await world.client.cards.get_balance(card_no)
    assert balance.amount == Decimal("25.55") - made.fee


async def test_withdraw(world: World) -> None:
    """A withdrawal leaves the card, and more than there is is refused."""
    card_no = await world.opened(111004, "20")
    finished(world, await world.client.cards.withdraw(card_no=card_no, amount="5"), "withdraw")
    assert (await world.client.cards.get_balance(card_no)).amount == Decimal("15")


async def test_freeze_and_unfreeze(world: World) -> None:
    """A card freezes and thaws, through the states between."""
    card_no = await world.opened()
    made = await world.client.cards.freeze(card_no=card_no)
    assert (await world.client.cards.get(card_no)).status == "Freezing"
    finished(world, made, "Freeze")
    assert (await world.client.cards.get(card_no)).status == "Freeze"
    finished(world, await world.client.cards.unfreeze(card_no=card_no), "UnFreeze")
    assert (await world.client.cards.get(card_no)).status == "Normal"


async def test_cancel(world: World) -> None:
    """A cancelled card stays cancelled, and its balance is back with the merchant."""
    before = world.sandbox.controls.ledger().wallet
    card_no = await world.opened(111004, "20")
    finished(world, await world.client.cards.cancel(card_no=card_no), "cancel")
    assert (await world.client.cards.get(card_no)).status == "cancel"
    assert world.sandbox.controls.ledger().wallet == before


async def test_update(world: World) -> None:
    """Limits and merchant rules change, and an empty list removes one."""
    card_no = await world.opened()
    made = await world.client.cards.update(
        card_no=card_no,
        spending_controls=[SpendingLimit(interval="PER_TRANSACTION", amount=Decimal("99.50"))],  # type: ignore[arg-type]  # text is taken for an enumeration
        risk_controls=RiskControls(blocked_mcc=["7995"]),
    )
    finished(world, made, "card_update")
    card = await world.client.cards.get(card_no)
    assert card.risk_controls is not None
    assert card.risk_controls.blocked_mcc == ["7995"]
    assert card.spending_controls is not None
    assert card.spending_controls[0].amount == Decimal("99.50")


async def activated(world: World) -> str:
    """A physical card: ordered by its printed number, activated with the code sent for it."""
    card_no = await world.opened(
        111040, "50", holder_id=HOLDER_IDS[0], card_number=Secret(PHYSICAL_CARD)
    )
    assert (await world.client.cards.get(card_no)).status == "un_activated"
    record = await world.client.transactions.three_ds(
        card_no=card_no, type="activation_code"
    ).first()
    assert record is not None
    code = await world.client.unseal(record)
    assert code is not None
    made = await world.client.cards.activate(card_no=card_no, pin="294817", active_code=code)
    assert (made.type, made.card_no) == ("card_activated", card_no)
    world.sandbox.controls.settle_now()
    return card_no


async def test_activate(world: World) -> None:
    """A physical card becomes Normal with its PIN and activation code."""
    assert (await world.client.cards.get(await activated(world))).status == "Normal"


async def test_update_pin(world: World) -> None:
    """The PIN of a physical card changes."""
    card_no = await activated(world)
    finished(
        world, await world.client.cards.update_pin(card_no=card_no, pin="730582"), "update_pin"
    )


async def test_shared_card(world: World) -> None:
    """A shared card draws on its account."""
    card_no = await world.opened(111060, "0", holder_id=HOLDER_IDS[0], account_id=SHARED_ACCOUNT_ID)
    assert (await world.client.cards.get(card_no)).status == "Normal"


async def test_purchases(world: World) -> None:
    """The purchase query has the fee and the deposit of a card."""
    await world.opened(amount="12")
    [row] = await world.client.transactions.purchases().collect()
    assert (row.card_fee, row.deposit_amount) == (Decimal(1), Decimal(12))


@pytest.mark.parametrize("query", ["operations", "operations_v1"])
async def test_operations(world: World, query: str) -> None:
    """Operations are found by card, by type and by order number, newest first, in both versions."""
    card_no = await world.opened()
    made = await world.client.cards.freeze(card_no=card_no)
    world.sandbox.controls.settle_now()
    if query == "operations":
        rows = world.client.transactions.operations(card_no=card_no)
        by_number = world.client.transactions.operations(merchant_order_no=made.merchant_order_no)
    else:
        with pytest.warns(DeprecationWarning, match="operations"):
            rows = world.client.transactions.operations_v1(card_no=card_no)
        with pytest.warns(DeprecationWarning, match="operations"):
            by_number = world.client.transactions.operations_v1(
                merchant_order_no=made.merchant_order_no
            )
    newest = await rows.first()
    assert newest is not None
    assert newest.type == "Freeze"
    [found] = await by_number.collect()
    assert (found.type, found.status, found.card_no) == ("Freeze", "success", card_no)


async def test_authorizations(world: World) -> None:
    """A purchase at a merchant shows with its amounts and its merchant."""
    card_no = await world.opened()
    world.sandbox.controls.simulate_purchase(card_no, "12.50")
    [row] = await world.client.transactions.authorizations(card_no=card_no, type="auth").collect()
    assert (row.amount, row.status) == (Decimal("12.50"), "authorized")
    assert row.merchant_data is not None
    assert (await world.client.cards.get_balance(card_no)).amount == Decimal("87.50")


async def test_authorization_fees(world: World) -> None:
    """A fee that the card could not pay is charged to the merchant and listed."""
    card_no = await world.opened()
    trade = world.sandbox.controls.simulate_purchase(card_no, "12.50")
    world.sandbox.controls.simulate_fee_patch(card_no, "0.30", origin_trade_no=trade.trade_no)
    [row] = await world.client.transactions.authorization_fees(card_no=card_no).collect()
    assert (row.amount, row.origin_trade_no) == (Decimal("0.30"), trade.trade_no)


async def test_three_ds(world: World) -> None:
    """A one-time password arrives sealed and opens to its digits."""
    card_no = await world.opened()
    world.sandbox.controls.simulate_otp(card_no)
    [row] = await world.client.transactions.three_ds(
        card_no=card_no, type="third_3ds_otp"
    ).collect()
    code = await world.client.unseal(row)
    assert code is not None
    assert code.reveal().isdigit()


async def test_info(world: World) -> None:
    """All accounts come with exact balances, the wallet first."""
    wallet, shared = await world.client.accounts.info()
    assert (wallet.account_type, shared.account_type) == ("WALLET", "MARGIN")
    assert wallet.available_balance == Decimal(1_000_000)


async def test_list_all(world: World) -> None:
    """Accounts are read ten to a page, which is the server's limit and so the default."""
    for number in range(11):
        await world.client.accounts.create(f"Team {number}")
    pages = [len(page.records) async for page in world.client.accounts.list_all().pages()]
    assert pages == [10, 3]
    found = await world.client.accounts.list_all(type="wallet").collect()
    assert [account.account_id for account in found] == [WALLET_ACCOUNT_ID]
    with pytest.raises(ValidationError, match="page_size"):
        await world.client.accounts.list_all(page_size=11).first()


async def test_accounts_get(world: World) -> None:
    """One account by its id; an unknown one is NotFound."""
    account = await world.client.accounts.get(SHARED_ACCOUNT_ID)
    assert (account.account_id, account.account_name) == (SHARED_ACCOUNT_ID, "Shared cards")
    with pytest.raises(NotFound):
        await world.client.accounts.get(5)


async def test_transactions(world: World) -> None:
    """The ledger shows what an order took from the wallet."""
    await world.opened(amount="12")
    [row] = await world.client.accounts.transactions(account_id=WALLET_ACCOUNT_ID).collect()
    assert (row.biz_type, row.direction, row.amount) == ("card_purchase", "OUT", Decimal(13))
    assert row.before_balance == Decimal(1_000_000)


async def test_create(world: World) -> None:
    """A new account pays for shared cards once it has money."""
    account = await world.client.accounts.create("Team budget")
    assert (account.account_type, account.available_balance) == ("MARGIN", Decimal(0))
    await world.client.accounts.transfer(
        type="TRANSFER",
        amount="80",
        payer_account_id=WALLET_ACCOUNT_ID,
        payee_account_id=account.account_id,
    )
    holder = HOLDER_IDS[0]
    card_no = await world.opened(111060, "0", holder_id=holder, account_id=account.account_id)
    assert (await world.client.cards.get_balance(card_no)).amount == Decimal(80)


async def test_transfer(world: World) -> None:
    """The server says no more than true; the result names the number that was minted."""
    made = await world.client.accounts.transfer(
        type="TRANSFER",
        amount="250.50",
        payer_account_id=WALLET_ACCOUNT_ID,
        payee_account_id=SHARED_ACCOUNT_ID,
    )
    assert made.merchant_order_no is not None
    assert len(made.merchant_order_no) == 32
    assert (made.order_no, made.amount) == (None, None)
    wallet, shared = await world.client.accounts.info()
    assert wallet.available_balance == Decimal("999749.50")
    assert shared.available_balance == Decimal("100250.50")


async def test_unknown_card(world: World) -> None:
    """A card that does not exist is NotFound."""
    with pytest.raises(NotFound) as caught:
        await world.client.cards.get_balance("FC-no-such-card")
    assert (caught.value.operation, caught.value.code) == ("cards.get_balance", -1)


def test_every_endpoint_has_a_test() -> None:
    """The names of the tests above cover every public operation of the schema."""
    tested = {name.removeprefix("test_") for name in globals() if name.startswith("test_")}
    tested |= {"freeze", "unfreeze", "operations_v1"}
    public = [name for name in OPERATION_NAMES if not name.startswith("auth.")]
    names = Counter(name.split(".")[1] for name in public)
    shared = {name for name in public if names[name.split(".")[1]] > 1}
    assert names.keys() - {name.split(".")[1] for name in shared} <= tested
    assert {name.replace(".", "_") for name in shared} <= tested
