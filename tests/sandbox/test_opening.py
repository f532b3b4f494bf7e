"""Card types, and ordering a card: what is accepted, taken and refused."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from fincard_async.sandbox import HOLDER_IDS, SHARED_ACCOUNT_ID, WALLET_ACCOUNT_ID
from fincard_async.sandbox.catalog import (
    GIFT,
    PHYSICAL,
    PLAIN,
    PREPAID,
    PREPAID_WITH_HOLDER,
    SHARED,
    SUBSCRIPTION_WITHOUT_DEPOSIT,
    WITHDRAWN,
)

from .kit import Api, Refused, card_type


def test_every_mode_form_and_category_is_on_offer(api: Api) -> None:
    """The default card types cover the documented modes, forms and categories."""
    types = api.call("cards.list_types")
    assert {item["mode"] for item in types} == {"PREPAID_CARD", "BUDGET_CARD"}
    assert {item["type"] for item in types} == {"Virtual", "Physical"}
    assert {item["category"] for item in types} == {"GIFT", "PURCHASE", "SUBSCRIPTION", "PHYSICAL"}
    assert {item["status"] for item in types} == {"online", "offline"}
    for switch in ("needCardHolder", "needDepositForActiveCard", "enableDeposit", "enableFreeze"):
        assert {item[switch] for item in types} == {True, False}


@pytest.mark.parametrize(
    ("kind", "amount", "extra"),
    [
        (PREPAID, 50, {}),
        (PREPAID, 50, {"holderId": HOLDER_IDS[1]}),
        (PREPAID_WITH_HOLDER, 50, {"holderId": HOLDER_IDS[0]}),
        (SUBSCRIPTION_WITHOUT_DEPOSIT, 0, {}),
        (PLAIN, 10, {}),
        (PHYSICAL, 20, {"holderId": HOLDER_IDS[0], "cardNumber": "OFFLINE-1"}),
        (GIFT, 5, {}),
        (SHARED, 0, {"accountId": SHARED_ACCOUNT_ID}),
    ],
)
def test_open(api: Api, kind: int, amount: int, extra: dict[str, Any]) -> None:
    """Every card type that is online can be issued; price and deposit leave the merchant."""
    price = card_type(kind).card_price
    number = api.number()
    order = api.order(kind, amount, merchantOrderNo=number, **extra)
    assert order["merchantOrderNo"] == number
    assert (order["type"], order["amount"], order["fee"]) == ("create", amount, price)
    assert 20 <= len(order["cardNo"]) <= 30
    assert len(order["orderNo"]) == 19
    api.settle()
    assert api.controls.ledger().wallet == 1_000_000 - price - amount
    assert api.controls.ledger().fees == price


@pytest.mark.parametrize(
    ("kind", "amount", "extra", "code", "text"),
    [
        (999, 50, {}, -1, "Card type not found"),
        (WITHDRAWN, 50, {}, -1, "offline"),
        (PREPAID_WITH_HOLDER, 50, {}, 40002, "holderId"),
        (PREPAID_WITH_HOLDER, 50, {"holderId": 5}, -1, "Cardholder not found"),
        (PHYSICAL, 50, {"holderId": 124801}, 40002, "cardNumber"),
        (SHARED, 0, {}, 40002, "accountId"),
        (SHARED, 0, {"accountId": 5}, -1, "Account not found"),
        (SHARED, 0, {"accountId": WALLET_ACCOUNT_ID}, -1, "not for shared cards"),
        (SHARED, 1, {"accountId": SHARED_ACCOUNT_ID}, 40002, "no initial deposit"),
        (PREPAID, 9, {}, 40002, "at least"),
        (PREPAID, 5001, {}, 40002, "at most"),
        (PREPAID, "10.001", {}, 40002, "decimal places"),
        (PREPAID, "1e1", {}, 40002, "amount"),
        (PREPAID, -1, {}, 40002, "amount"),
    ],
)
def test_open_refused(
    api: Api, kind: int, amount: object, extra: dict[str, Any], code: int, text: str
) -> None:
    """A card that cannot be issued is refused with the reason, and costs nothing."""
    with pytest.raises(Refused, match=text) as caught:
        api.order(kind, amount, **extra)
    assert (caught.value.status, caught.value.code) == (200, code)
    assert api.controls.ledger().wallet == 1_000_000
    assert not api.state.cards


def test_open_switched_off() -> None:
    """A card type whose cards cannot be created refuses, although it is online."""
    kind = msgspec.structs.replace(card_type(PREPAID), enable_active_card=False)
    with pytest.raises(Refused, match="cannot be created"):
        Api(card_types=(kind,)).order()


def test_open_without_enough_funds() -> None:
    """The merchant pays price and deposit together, to the cent."""
    assert Api(funds=Decimal(51)).card()
    with pytest.raises(Refused, match="Insufficient balance"):
        Api(funds=Decimal("50.99")).card()


def test_cards_of_a_holder_are_limited() -> None:
    """A holder gets as many cards of a type as its metadata says."""
    metadata = msgspec.structs.replace(card_type(PREPAID).metadata, card_holder_max_card_limit=2)
    kind = msgspec.structs.replace(card_type(PREPAID), metadata=metadata)
    api = Api(card_types=(kind,))
    for _ in range(2):
        api.card(holderId=124801)
    with pytest.raises(Refused, match="cannot have more"):
        api.card(holderId=124801)
    assert api.card(holderId=124802)


def test_type_without_metadata() -> None:
    """A card type may come without metadata: no limits, nothing can be set."""
    api = Api(card_types=(msgspec.structs.replace(card_type(PREPAID), metadata=None),))
    card_no = api.card(holderId=124801)
    for setting in (
        {"noPinPaymentAmount": 1},
        {"spendingControls": [{"interval": "PER_TRANSACTION", "amount": 5}]},
        {"riskControls": {"allowedMcc": ["5411"]}},
    ):
        with pytest.raises(Refused, match="not support the model"):
            api.change("update", card_no, **setting)


def test_printed_number_is_used_once(api: Api) -> None:
    """A card bought offline can be assigned to one card only."""
    api.plastic("OFFLINE-1", active=False)
    with pytest.raises(Refused, match="another card"):
        api.plastic("OFFLINE-1", active=False)
