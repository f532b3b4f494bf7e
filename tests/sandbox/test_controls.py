"""Control calls: merchants, the issuer, the platform, the books."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from fincard_async.errors import ArgumentTypeError
from fincard_async.sandbox import SHARED_ACCOUNT_ID, WALLET_ACCOUNT_ID, Refusal
from fincard_async.sandbox.catalog import SHARED

from .kit import Api, Refused


def test_purchase_holds_then_settles(api: Api) -> None:
    """A purchase holds its cost at once and settles later."""
    card_no = api.card()
    row = api.controls.simulate_purchase(card_no, "10.50", fee="0.30", cross_border_fee=1)
    assert (row.status, row.settle_amount) == ("authorized", None)
    assert row.cross_board_fee_currency == "USD"
    assert api.balance(card_no) == Decimal("38.20")
    api.time.pass_ms(1000)
    [row] = api.rows("authorizations")
    assert (row["status"], row["settleAmount"]) == ("succeed", Decimal("10.5"))
    balance = api.call("cards.get_balance", cardNo=card_no)
    assert balance["usedAmount"] == Decimal("11.80")


def test_purchase_in_another_currency(api: Api) -> None:
    """The row has the price at the merchant and the amount on the card."""
    row = api.controls.simulate_purchase(
        api.card(), 1500, currency="JPY", authorized_amount="10.02", settle_after_ms=0
    )
    assert (row.amount, row.currency, row.authorized_amount) == (1500, "JPY", Decimal("10.02"))
    assert row.status == "succeed"


@pytest.mark.parametrize(
    ("prepare", "arguments", "reason"),
    [
        ({}, {"amount": 51}, "Insufficient card balance"),
        ({}, {"amount": 50, "fee": 1}, "Insufficient card balance"),
        ({"method": "freeze"}, {"amount": 1}, "not usable"),
        ({"block": True}, {"amount": 1}, "not usable"),
        ({"update": {"riskControls": {"allowedMcc": ["7995"]}}}, {"amount": 1}, "not allowed"),
        ({"update": {"riskControls": {"blockedMcc": ["5411"]}}}, {"amount": 1}, "is blocked"),
        (
            {"update": {"spendingControls": [{"interval": "PER_TRANSACTION", "amount": 5}]}},
            {"amount": "5.01"},
            "limit",
        ),
    ],
)
def test_declined_purchase(
    api: Api, prepare: dict[str, Any], arguments: dict[str, Any], reason: str
) -> None:
    """A declined purchase is a failed row with its reason, and takes nothing."""
    card_no = api.card()
    if "method" in prepare:
        api.change(prepare["method"], card_no)
    if "block" in prepare:
        api.controls.block_card(card_no)
    if "update" in prepare:
        api.change("update", card_no, **prepare["update"])
    api.settle()
    row = api.controls.simulate_purchase(card_no, **arguments)
    assert row.status == "failed"
    assert reason in row.description
    assert api.balance(card_no) == 50


@pytest.mark.parametrize(
    ("rules", "mcc"), [({"allowedMcc": ["7995"]}, "7995"), ({"blockedMcc": ["5411"]}, "7995")]
)
def test_allowed_purchase(api: Api, rules: dict[str, Any], mcc: str) -> None:
    """A purchase that the merchant rules allow goes through."""
    card_no = api.card()
    api.change("update", card_no, riskControls=rules)
    api.settle()
    assert api.controls.simulate_purchase(card_no, 1, mcc=mcc).status == "authorized"


def test_shared_cards_spend_one_balance(api: Api) -> None:
    """Two shared cards draw on the balance of their account."""
    first, second = (api.card(SHARED, 0, accountId=SHARED_ACCOUNT_ID) for _ in range(2))
    api.controls.simulate_purchase(first, 100)
    assert api.balance(second) == 99_900


def test_refund(api: Api) -> None:
    """A settled purchase can be given back in parts, up to its amount."""
    card_no = api.card()
    trade_no = api.controls.simulate_purchase(card_no, 30, settle_after_ms=0).trade_no
    row = api.controls.simulate_refund(trade_no, 10)
    assert (row.type, row.origin_trade_no, row.status) == ("refund", trade_no, "succeed")
    assert api.controls.simulate_refund(trade_no).amount == 20
    assert api.balance(card_no) == 50
    with pytest.raises(Refusal, match="amount"):
        api.controls.simulate_refund(trade_no)


def test_reversal(api: Api) -> None:
    """A purchase taken back before it settles gives everything back, once."""
    card_no = api.card()
    trade_no = api.controls.simulate_purchase(card_no, 30, fee=1).trade_no
    assert api.controls.simulate_reversal(trade_no).type == "Void"
    assert api.balance(card_no) == 50
    api.time.pass_ms(5000)
    [row] = api.rows("authorizations", tradeNo=trade_no)
    assert (row["status"], row["description"]) == ("failed", "Reversed")
    with pytest.raises(Refusal, match="not settled"):
        api.controls.simulate_reversal(trade_no)
    with pytest.raises(Refusal, match="Only a settled purchase"):
        api.controls.simulate_refund(trade_no)


def test_refund_after_cancel_reaches_the_merchant(api: Api) -> None:
    """A refund to a cancelled card is paid to the merchant's account."""
    card_no = api.card()
    trade_no = api.controls.simulate_purchase(card_no, 30, settle_after_ms=0).trade_no
    api.change("cancel", card_no)
    api.settle()
    api.controls.simulate_refund(trade_no)
    assert api.balance(card_no) == 0
    assert api.controls.ledger().wallet == 999_999


@pytest.mark.parametrize("call", ["simulate_refund", "simulate_reversal"])
def test_unknown_purchase(api: Api, call: str) -> None:
    """Only a purchase can be given back: no unknown number, no other kind of row."""
    other = api.controls.simulate_verification(api.card()).trade_no
    for trade_no in ("TRX-NOTHING", other):
        with pytest.raises(Refusal, match="Purchase not found"):
            getattr(api.controls, call)(trade_no)


def test_verification(api: Api) -> None:
    """A verification moves no money and fails on a card that is not usable."""
    card_no = api.card()
    assert api.controls.simulate_verification(card_no).status == "succeed"
    api.change("freeze", card_no)
    assert api.controls.simulate_verification(card_no).status == "failed"
    assert api.balance(card_no) == 50


def test_maintenance_fee(api: Api) -> None:
    """A maintenance fee is taken from the card, or fails where it has too little."""
    card_no = api.card()
    assert api.controls.simulate_maintain_fee(card_no, 50).status == "succeed"
    assert api.controls.simulate_maintain_fee(card_no, 1).status == "failed"
    assert api.balance(card_no) == 0


def test_fee_patch(api: Api) -> None:
    """A fee that the card could not pay is charged to the merchant."""
    card_no = api.card()
    row = api.controls.simulate_fee_patch(card_no, "0.50", kind="card_patch_cross_border")
    assert (row.type, row.deduction_source_funds) == ("card_patch_cross_border", "wallet")
    assert api.controls.ledger().wallet == Decimal("999948.50")
    with pytest.raises(Refusal, match="kind"):
        api.controls.simulate_fee_patch(card_no, 1, kind="nonsense")
    with pytest.raises(Refusal, match="Insufficient balance"):
        api.controls.simulate_fee_patch(card_no, 2_000_000)


def test_overdraft(api: Api) -> None:
    """An overdraft statement is an operation of the platform, without a merchant's number."""
    api.controls.fail_next()
    order_no = api.controls.simulate_overdraft(api.plastic(active=False), 5)
    [row] = api.rows("operations", type="overdraft_statement")
    assert (row["orderNo"], row["amount"], row["status"]) == (order_no, 5, "success")
    assert "merchantOrderNo" not in row


def test_block(api: Api) -> None:
    """A blocked card takes no operation but a cancellation, until the block is lifted."""
    card_no = api.card()
    api.controls.block_card(card_no)
    assert api.call("cards.get", cardNo=card_no)["blocked"]
    assert api.rows("operations", type="blocked")[0]["cardNo"] == card_no
    with pytest.raises(Refused, match="blocked by the issuer"):
        api.change("freeze", card_no)
    api.controls.unblock_card(card_no)
    assert api.change("freeze", card_no)


def test_messages(api: Api) -> None:
    """Codes are made up, or given; every message is a row of its own."""
    card_no = api.card()
    api.controls.simulate_otp(card_no)
    trade_no = api.controls.simulate_otp(card_no, 5, otp="123456")
    api.controls.simulate_auth_url(card_no, 5, url="https://bank.example/ok")
    texts = [message.text for message in api.state.messages.rows]
    assert texts[1:] == ["123456", "https://bank.example/ok"]
    assert api.rows("three_ds", tradeNo=trade_no)[0]["amount"] == 5


def test_fail_next(api: Api) -> None:
    """Planned failures are used up in order, each by the next order of its kind."""
    api.controls.fail_next("deposit", "No", count=2)
    api.controls.fail_next()
    card_no = api.card()
    assert api.status(card_no) == "fail"
    card_no = api.card()
    for _ in range(3):
        api.change("deposit", card_no, amount=10)
    api.settle()
    rows = api.rows("operations", type="deposit")
    assert [row["status"] for row in rows] == ["success", "fail", "fail"]
    with pytest.raises(Refusal, match="kind"):
        api.controls.fail_next("nonsense")


def test_settle_now(api: Api) -> None:
    """Everything open can be finished at once: orders, and purchases that would never settle."""
    card_no = api.card()
    api.controls.simulate_purchase(card_no, 1, settle_after_ms=60_000)
    api.change("deposit", card_no, amount=10)
    assert api.controls.settle_now() == 2
    assert api.controls.settle_now() == 0
    assert api.rows("authorizations")[0]["status"] == "succeed"
    assert api.rows("operations")[0]["status"] == "success"


def test_add_funds_and_holders(api: Api) -> None:
    """Money and cardholders can be added, and only real accounts are paid into."""
    api.controls.add_funds("0.50")
    api.controls.add_funds(5, WALLET_ACCOUNT_ID)
    api.controls.add_funds(7, account_id=SHARED_ACCOUNT_ID)
    ledger = api.controls.ledger()
    assert (ledger.wallet, ledger.shared) == (Decimal("1000005.50"), 100_007)
    with pytest.raises(Refusal, match="Account not found"):
        api.controls.add_funds(1, 5)
    api.controls.add_holder(77)
    assert api.card(holderId=77)


def test_expire_tokens(api: Api) -> None:
    """Every token issued so far is refused; a new login works."""
    api.controls.expire_tokens()
    with pytest.raises(Refused) as caught:
        api.order()
    assert (caught.value.status, caught.value.code) == (401, 401)
    api.log_in()
    assert api.order()


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("simulate_purchase", {"amount": 0}),
        ("simulate_purchase", {"amount": 1, "fee": -1}),
        ("simulate_purchase", {"amount": 1, "authorized_amount": 0}),
        ("simulate_maintain_fee", {"amount": -1}),
        ("simulate_otp", {"amount": -1}),
    ],
)
def test_bad_amounts(api: Api, name: str, arguments: dict[str, Any]) -> None:
    """An amount that makes no sense is refused."""
    with pytest.raises(Refusal, match="parameter error"):
        getattr(api.controls, name)(api.card(), **arguments)


def test_bad_times(api: Api) -> None:
    """Neither time nor latency goes below zero."""
    for milliseconds in (-1, 10**12):
        with pytest.raises(Refusal, match="milliseconds"):
            api.controls.advance(milliseconds)
    with pytest.raises(Refusal, match="count"):
        api.controls.fail_next(count=0)
    with pytest.raises(Refusal, match="negative"):
        api.controls.set_latency(-1)


def test_no_floats(api: Api) -> None:
    """A float is no amount here either."""
    with pytest.raises(ArgumentTypeError):
        api.controls.add_funds(0.1)


def test_ledger(api: Api) -> None:
    """The books name every place where money can be."""
    api.controls.fail_next("create")
    api.card()
    api.card()
    card_no = api.card(amount=20)
    api.controls.simulate_purchase(card_no, 5)
    api.change("deposit", card_no, amount=100)
    assert msgspec.structs.asdict(api.controls.ledger()) == {
        "cards": 2,
        "orders": 4,
        "unfinished": 1,
        "created_amount": 70,
        "wallet": 999_828,
        "shared": 100_000,
        "on_cards": 65,
        "held": 100,
        "fees": 2,
        "spent": 5,
        "paid_in": 1_100_000,
    }


@pytest.mark.parametrize(
    ("name", "body", "text"),
    [
        ("nothing", b"{}", "Control call not found"),
        ("invoke", b"{}", "Control call not found"),
        ("_send", b"{}", "Control call not found"),
        ("__class__", b"{}", "Control call not found"),
        ("add_funds", b"{}", "missing required field `amount`"),
        ("add_funds", b'{"amount": 1, "more": 1}', "unknown field"),
        ("add_funds", b"[]", "body"),
        ("add_funds", b'{"amount": "1_000"}', "not an exact decimal amount"),
        ("set_latency", b'{"latency_ms": "soon"}', "latency_ms"),
        ("set_latency", b"[" * 100, "nested too deeply"),
    ],
)
def test_call_by_name_refused(api: Api, name: str, body: bytes, text: str) -> None:
    """A call by name must exist and have the arguments of its method."""
    with pytest.raises(Refusal, match=text):
        api.controls.invoke(name, body)


def test_call_by_name(api: Api) -> None:
    """A call by name takes its arguments as JSON, amounts as exact numbers or text."""
    card_no = api.card()
    body = f'{{"card_no": "{card_no}", "amount": 0.1, "fee": "0.2"}}'.encode()
    row = api.controls.invoke("simulate_purchase", body)
    assert (row.amount, row.fee) == (Decimal("0.1"), Decimal("0.2"))
    assert api.controls.invoke("ledger", b"{}") == api.controls.ledger()
