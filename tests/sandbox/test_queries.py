"""The six transaction queries: rows, filters, windows and pages."""

from __future__ import annotations

from typing import Any

import pytest

from fincard_async._crypto.sealing import unseal
from fincard_async._sansio.secret import Sealed
from fincard_async.sandbox.catalog import PREPAID, SUBSCRIPTION_WITHOUT_DEPOSIT

from .kit import KEY, Api, Refused

QUERIES = [
    "purchases",
    "operations",
    "operations_v1",
    "authorizations",
    "authorization_fees",
    "three_ds",
]


class World:
    """A sandbox in which every query has rows of two cards, a second apart."""

    def __init__(self) -> None:
        self.api = api = Api()
        self.first, self.second = self._card(), self._card()
        for card_no in (self.first, self.second):
            self.trade_no = self._at_merchants(card_no)
        api.settle()

    def _card(self) -> str:
        card_no = self.api.card()
        self.api.time.pass_ms(980)
        return card_no

    def _at_merchants(self, card_no: str) -> str:
        controls = self.api.controls
        trade_no: str = controls.simulate_purchase(card_no, 10).trade_no
        controls.simulate_verification(card_no)
        controls.simulate_maintain_fee(card_no, 1)
        controls.simulate_fee_patch(card_no, 1, origin_trade_no=trade_no)
        controls.simulate_fee_patch(card_no, 1, kind="card_patch_cross_border")
        controls.simulate_otp(card_no, 10, origin_trade_no=trade_no)
        controls.simulate_auth_url(card_no, 10)
        self.api.change("deposit", card_no, amount=10)
        self.api.time.pass_ms(1000)
        return trade_no


@pytest.fixture(scope="module")
def world() -> World:
    """Read-only for all tests of this file."""
    return World()


@pytest.mark.parametrize("query", QUERIES)
def test_newest_first(world: World, query: str) -> None:
    """Rows come newest first, and total counts all of them."""
    page = world.api.page(query)
    times = [row["transactionTime"] for row in page["records"]]
    assert times == sorted(times, reverse=True)
    assert page["total"] == len(times) > 0


@pytest.mark.parametrize("query", QUERIES)
def test_pages_are_a_partition(world: World, query: str) -> None:
    """Single-row pages together are the one large page, and the page after the last is empty."""
    rows = [strip(row) for row in world.api.rows(query)]
    pages = [world.api.page(query, number, size=1) for number in range(1, len(rows) + 2)]
    assert [strip(row) for page in pages for row in page["records"]] == rows
    assert {page["total"] for page in pages} == {len(rows)}


def strip(row: dict[str, Any]) -> dict[str, Any]:
    """A row without what is sealed anew each time."""
    return {key: value for key, value in row.items() if key != "values"}


@pytest.mark.parametrize(
    ("query", "filters"),
    [
        ("purchases", ["merchantOrderNo", "orderNo"]),
        ("operations", ["type", "merchantOrderNo", "orderNo", "cardNo"]),
        ("operations_v1", ["type", "merchantOrderNo", "orderNo", "cardNo"]),
        ("authorizations", ["type", "tradeNo", "cardNo"]),
        ("authorization_fees", ["tradeType", "tradeNo", "originTradeNo", "cardNo"]),
        ("three_ds", ["type", "tradeNo", "cardNo"]),
    ],
)
def test_every_filter(world: World, query: str, filters: list[str]) -> None:
    """Each filter, alone and with another, gives exactly the rows that have its value."""
    everything = world.api.rows(query)
    for name in filters:
        field = "type" if name == "tradeType" else name
        for value in {row[field] for row in everything if field in row}:
            found = world.api.rows(query, **{name: value})
            assert [strip(row) for row in found] == [
                strip(row) for row in everything if row.get(field) == value
            ]
            card = everything[0].get("cardNo")
            if card and name != "cardNo":
                both = world.api.rows(query, **{name: value, "cardNo": card})
                assert len(both) == sum(row["cardNo"] == card for row in found)
        assert world.api.rows(query, **{name: "nothing-has-this"}) == []


@pytest.mark.parametrize("query", QUERIES)
def test_time_window(world: World, query: str) -> None:
    """Both ends of a time window belong to it."""
    rows = world.api.rows(query)
    moment = rows[0]["transactionTime"]
    same = [strip(row) for row in rows if row["transactionTime"] == moment]
    window = world.api.rows(query, startTime=moment, endTime=moment)
    assert [strip(row) for row in window] == same
    older = world.api.page(query, endTime=moment - 1)
    assert older["total"] == len(rows) - len(same)
    assert world.api.page(query, startTime=moment + 1) == {"total": 0, "records": []}


@pytest.mark.parametrize(
    ("number", "size"), [(0, 10), (-1, 10), (1, 0), (1, 101), (None, 10), (1, None)]
)
def test_page_bounds(api: Api, number: int | None, size: int | None) -> None:
    """Pages count from 1 and have 1 to 100 rows; both must be given."""
    with pytest.raises(Refused) as caught:
        api.call("transactions.operations", pageNum=number, pageSize=size)
    assert caught.value.code == 40002


def test_purchase_row(api: Api) -> None:
    """A purchase row has the price and the deposit, and does not name the card."""
    order = api.order()
    [row] = api.rows("purchases")
    assert (row["cardFee"], row["depositAmount"], row["cardTypeId"]) == (1, 50, PREPAID)
    assert (row["orderNo"], row["status"]) == (order["orderNo"], "wait_process")
    assert order["cardNo"] not in row.values()


def test_first_version_shows_two_rows(api: Api) -> None:
    """In the first operation query a new card is two rows of one number, if it has a deposit."""
    api.card()
    api.card(SUBSCRIPTION_WITHOUT_DEPOSIT, 0)
    failing = api.order()
    api.time.pass_ms(10)
    rows = api.rows("operations_v1")
    assert [
        (row["type"], row["amount"], row["fee"], row.get("receivedAmount")) for row in rows
    ] == [
        ("deposit", 50, 0, None),
        ("create", 1, 1, None),
        ("create", api.rows("purchases")[1]["cardFee"], api.rows("purchases")[1]["cardFee"], 0),
        ("deposit", 50, 0, 50),
        ("create", 1, 1, 0),
    ]
    assert rows[0]["orderNo"] == rows[1]["orderNo"] == failing["orderNo"]
    assert len(api.rows("operations")) == 3


def test_authorization_rows(world: World) -> None:
    """A purchase shows its merchant, and once settled what was settled when."""
    [row] = world.api.rows("authorizations", tradeNo=world.trade_no)
    assert (row["status"], row["amount"], row["authorizedAmount"]) == ("succeed", 10, 10)
    assert (row["settleAmount"], row["settleDate"]) == (10, "2026-11-22")
    assert row["merchantData"]["categoryCode"] == "5411"


def test_sealed_rows(world: World) -> None:
    """One-time codes and pages come sealed for the merchant; only a page has an end."""
    otp = world.api.rows("three_ds", type="third_3ds_otp", cardNo=world.first)[0]
    assert unseal(KEY, Sealed(otp["values"]), "code").reveal().isdigit()
    assert "expirationTime" not in otp
    url = world.api.rows("three_ds", type="auth_url", cardNo=world.first)[0]
    assert unseal(KEY, Sealed(url["values"]), "url").reveal().startswith("https://")
    assert url["expirationTime"] == url["transactionTime"] + 300_000


def test_sealed_rows_need_a_key() -> None:
    """Without the merchant's key the 3DS query is refused as soon as it would show a row."""
    api = Api(merchant_key=None)
    assert api.rows("three_ds") == []
    api.controls.simulate_otp(api.card())
    with pytest.raises(Refused, match="public key is not configured"):
        api.rows("three_ds")


def test_amounts_as_text() -> None:
    """Amounts can be written as text, as parts of the API do."""
    api = Api(money_as="string")
    assert api.order()["amount"] == "50"
