"""Accounts: balances, the ledger behind them, new accounts, transfers."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from fincard_async.sandbox import SHARED_ACCOUNT_ID, WALLET_ACCOUNT_ID
from fincard_async.sandbox.catalog import PREPAID, SHARED

from .kit import Api, Refused

DAY = 86_400_000
FUNDS = 1_000_000


def info(api: Api) -> list[Any]:
    """All accounts."""
    found: list[Any] = api.call("accounts.info")
    return found


def ledger(api: Api, **filters: Any) -> list[Any]:
    """Up to a hundred rows."""
    rows: list[Any] = api.call("accounts.transactions", pageNum=1, pageSize=100, **filters)[
        "records"
    ]
    return rows


def transfer(api: Api, amount: object, **body: Any) -> Any:
    """Move money from the wallet to the account of shared cards."""
    return api.call(
        "accounts.transfer",
        **{
            "type": "TRANSFER",
            "merchantOrderNo": api.number(),
            "amount": amount,
            "payerAccountId": WALLET_ACCOUNT_ID,
            "payeeAccountId": SHARED_ACCOUNT_ID,
            **body,
        },
    )


def facts(row: Any) -> tuple[Any, ...]:
    """What a row of the ledger says happened."""
    return row["bizType"], row["direction"], Decimal(str(row["amount"]))


def test_info(api: Api) -> None:
    """The wallet comes first; what can be spent is what orders on cards are paid from."""
    wallet, shared = info(api)
    assert (wallet["accountId"], wallet["accountType"]) == (WALLET_ACCOUNT_ID, "WALLET")
    assert (shared["accountId"], shared["accountType"]) == (SHARED_ACCOUNT_ID, "MARGIN")
    assert wallet["availableBalance"] == wallet["totalBalance"] == FUNDS


def test_what_is_on_its_way_is_frozen() -> None:
    """An order that is not final holds its money back; the total shrinks when it succeeds."""
    api = Api(latency_ms=None)
    api.order(amount=50)
    wallet = info(api)[0]
    assert (wallet["availableBalance"], wallet["frozenBalance"]) == (FUNDS - 51, 51)
    assert wallet["totalBalance"] == FUNDS
    api.controls.settle_now()
    wallet = info(api)[0]
    assert (wallet["frozenBalance"], wallet["totalBalance"]) == (0, FUNDS - 51)


def test_list_has_ten_rows_to_a_page(api: Api) -> None:
    """The page size of this query ends at ten, and its pages are all accounts once."""
    for number in range(11):
        api.call("accounts.create", accountName=f"Team {number}")
    pages = [api.call("accounts.list_all", pageNum=n, pageSize=10)["records"] for n in (1, 2, 3)]
    assert [len(page) for page in pages] == [10, 3, 0]
    ids = {row["accountId"] for page in pages for row in page}
    assert ids == {row["accountId"] for row in info(api)}
    with pytest.raises(Refused) as caught:
        api.call("accounts.list_all", pageNum=1, pageSize=11)
    assert caught.value.code == 40002


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"type": "WALLET"}, [WALLET_ACCOUNT_ID]),
        ({"type": "margin"}, [SHARED_ACCOUNT_ID]),
        ({"type": "SAVINGS"}, []),
        ({"accountId": SHARED_ACCOUNT_ID}, [SHARED_ACCOUNT_ID]),
        ({"accountId": SHARED_ACCOUNT_ID, "type": "WALLET"}, []),
        ({"accountId": 5}, []),
    ],
)
def test_list_filters(api: Api, filters: dict[str, Any], expected: list[int]) -> None:
    """Each filter narrows the list, and a value that nothing has finds nothing."""
    page = api.call("accounts.list_all", pageNum=1, pageSize=10, **filters)
    assert [row["accountId"] for row in page["records"]] == expected
    assert page["total"] == len(expected)


def test_get(api: Api) -> None:
    """One account is the same as in the list of all; an unknown one is refused."""
    assert api.call("accounts.get", accountId=SHARED_ACCOUNT_ID) == info(api)[1]
    with pytest.raises(Refused, match="Account not found"):
        api.call("accounts.get", accountId=5)


def test_a_shared_card_draws_on_a_new_account(api: Api) -> None:
    """An account is created, filled, used by a card, and its ledger tells all of it."""
    made = api.call("accounts.create", accountName="Team budget", currency="USD")
    assert (made["accountType"], made["availableBalance"]) == ("MARGIN", 0)
    account_id = made["accountId"]
    assert len(str(account_id)) == 19
    transfer(api, 80, payeeAccountId=account_id)
    card_no = api.card(SHARED, 0, accountId=account_id)
    trade_no = api.controls.simulate_purchase(card_no, "12.34").trade_no
    api.controls.advance(1000)
    api.controls.simulate_refund(trade_no, "2.34")
    assert api.call("accounts.get", accountId=account_id)["availableBalance"] == 70
    rows = ledger(api, accountId=account_id)
    assert [facts(row) for row in rows] == [
        ("card_refund", "IN", Decimal("2.34")),
        ("card_settlement", "OUT", Decimal("12.34")),
        ("fund_transfer", "IN", Decimal(80)),
    ]
    assert rows[1]["orderNo"] == trade_no


def test_each_creation_makes_another_account(api: Api) -> None:
    """Without an order number the server cannot know a repeat, in no mode."""
    for dedupe in ("error", "replay", "none"):
        api = Api(dedupe=dedupe)
        ids = {api.call("accounts.create", accountName="Team")["accountId"] for _ in range(2)}
        assert len(ids) == 2
        assert len(info(api)) == 4


def test_creation_in_another_currency(api: Api) -> None:
    """The sandbox has US dollars only."""
    with pytest.raises(Refused, match="currency") as caught:
        api.call("accounts.create", accountName="Team", currency="EUR")
    assert caught.value.code == 40002


def test_transfer(api: Api) -> None:
    """The money is on the other account at once, and the answer is the bare word true."""
    assert transfer(api, "250.50", remark="Team budget") is True
    wallet, shared = info(api)
    assert wallet["availableBalance"] == FUNDS - Decimal("250.50")
    assert shared["availableBalance"] == 100_000 + Decimal("250.50")
    out, came = sorted(ledger(api), key=lambda row: row["direction"], reverse=True)
    assert facts(out) == ("fund_transfer", "OUT", Decimal("250.50"))
    assert facts(came) == ("fund_transfer", "IN", Decimal("250.50"))
    assert out["orderNo"] == came["orderNo"]
    assert out["remark"] == came["remark"] == "Team budget"
    assert "merchantOrderNo" not in out


def test_transfer_answered_with_an_object() -> None:
    """Other servers tell the balances of the account that paid."""
    api = Api(transfer_reply="object")
    made = transfer(
        api,
        5,
        type="COLLECTION",
        payerAccountId=SHARED_ACCOUNT_ID,
        payeeAccountId=WALLET_ACCOUNT_ID,
    )
    [row] = ledger(api, accountId=SHARED_ACCOUNT_ID)
    assert (made["beforeBalance"], made["afterBalance"]) == (100_000, 99_995)
    assert (made["txId"], made["orderNo"]) == (row["txId"], row["orderNo"])
    assert made["bizType"] == "fund_collection"
    assert "merchantOrderNo" not in made


@pytest.mark.parametrize(
    ("changes", "code", "text"),
    [
        ({"amount": "1000000.01"}, -1, "Insufficient balance"),
        ({"amount": "0.001"}, 40002, "decimal places"),
        ({"amount": 0}, 40002, "amount"),
        ({"amount": -5}, 40002, "amount"),
        ({"payerAccountId": 5}, -1, "Account not found"),
        ({"payeeAccountId": 5}, -1, "Account not found"),
        ({"payeeAccountId": WALLET_ACCOUNT_ID}, 40002, "payeeAccountId"),
        ({"type": "GIFT"}, 40002, "type"),
        ({"merchantOrderNo": "SHORT"}, 40002, "merchant_order_no"),
    ],
)
def test_transfer_refused(api: Api, changes: dict[str, Any], code: int, text: str) -> None:
    """A transfer that cannot be is refused with the reason, and moves nothing."""
    with pytest.raises(Refused, match=text) as caught:
        transfer(api, **{"amount": 5, **changes})
    assert caught.value.code == code
    assert info(api)[0]["availableBalance"] == FUNDS
    assert ledger(api) == []


def test_numbers_are_shared_with_cards() -> None:
    """A number is taken for transfers and operations on cards alike, until it is forgotten."""
    api = Api(forget_after_ms=1000)
    mine, theirs = api.number(), api.order()["merchantOrderNo"]
    transfer(api, 5, merchantOrderNo=mine)
    for number in (mine, theirs):
        with pytest.raises(Refused, match="Duplicate order number"):
            transfer(api, 5, merchantOrderNo=number)
        with pytest.raises(Refused, match="Duplicate order number"):
            api.order(merchantOrderNo=number)
    assert api.controls.doubled() == []
    api.time.pass_ms(1000)
    transfer(api, 5, merchantOrderNo=mine)
    assert api.controls.doubled() == [mine]


def test_a_repeated_transfer_is_answered_as_before() -> None:
    """In the mode that replays, the money moves once."""
    api = Api(dedupe="replay")
    number = api.number()
    assert transfer(api, 5, merchantOrderNo=number) is True
    assert transfer(api, 5, merchantOrderNo=number) is True
    assert info(api)[0]["availableBalance"] == FUNDS - 5


def test_ledger_of_the_wallet(api: Api) -> None:
    """Every way in which money leaves or comes to the wallet has its own reason."""
    card_no = api.card(PREPAID, 50)
    api.change("deposit", card_no, amount=20)
    api.settle()
    api.change("withdraw", card_no, amount=5)
    api.controls.fail_next("deposit")
    api.change("deposit", card_no, amount=7)
    api.settle()
    api.controls.simulate_fee_patch(card_no, 1)
    api.controls.simulate_fee_patch(card_no, 2, kind="card_patch_cross_border")
    api.controls.simulate_overdraft(card_no, 3)
    api.controls.add_funds(9)
    api.change("cancel", card_no)
    api.settle()
    rows = ledger(api, accountId=WALLET_ACCOUNT_ID)[::-1]
    reasons = [row["bizType"] for row in rows]
    assert reasons == [
        "card_purchase",
        "card_deposit",
        "card_deposit",
        "card_withdraw",
        "card_deposit",
        "card_auth_fee_patch",
        "card_cross_board_patch",
        "card_overdraft_statement",
        "chain_deposit",
        "card_cancel",
    ]
    assert [facts(row)[1:] for row in rows if row["amount"] == 7] == [("OUT", 7), ("IN", 7)]
    assert rows[0]["orderNo"] == api.rows("operations", type="create")[0]["orderNo"]


@pytest.mark.parametrize("name", ["bizType", "orderNo", "accountId"])
def test_ledger_filters(api: Api, name: str) -> None:
    """Each filter gives exactly the rows that have its value."""
    api.card()
    transfer(api, 5)
    rows = ledger(api)
    for value in {row[name] for row in rows}:
        assert ledger(api, **{name: value}) == [row for row in rows if row[name] == value]


def test_ledger_window(api: Api) -> None:
    """A window is thirty days at most, and the last thirty if none is asked for."""
    transfer(api, 1)
    api.controls.advance(31 * DAY)
    api.log_in()
    transfer(api, 2)
    now = api.state.now
    assert {row["amount"] for row in ledger(api)} == {2}
    assert {row["amount"] for row in ledger(api, endTime=now - DAY)} == {1}
    assert ledger(api, startTime=now - 30 * DAY) == ledger(api)
    with pytest.raises(Refused, match="startTime") as caught:
        ledger(api, startTime=now - 30 * DAY - 1)
    assert caught.value.code == 40002


def test_accounts_after_a_restart(tmp_path: Path) -> None:
    """Accounts, balances and the ledger are the same after the state file was read."""
    path = tmp_path / "state"
    api = Api(state=path)
    account_id = api.call("accounts.create", accountName="Team")["accountId"]
    number = api.number()
    transfer(api, 5, payeeAccountId=account_id, merchantOrderNo=number)
    before = info(api), ledger(api)
    api.sandbox.close()
    again = Api(state=path)
    assert (info(again), ledger(again)) == before
    with pytest.raises(Refused, match="Duplicate order number"):
        transfer(again, 5, merchantOrderNo=number)
