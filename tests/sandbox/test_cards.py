"""The endpoints of a card that exists: what they answer, move and refuse."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from fincard_async._crypto.sealing import Content, unseal
from fincard_async._sansio.secret import Sealed
from fincard_async.sandbox import SHARED_ACCOUNT_ID, Refusal
from fincard_async.sandbox.catalog import (
    CARD_TYPES,
    GIFT,
    PLAIN,
    PREPAID,
    SHARED,
)
from fincard_async.sandbox.orders import check_new

from .kit import KEY, SETTINGS, Api, Refused


def opened(sealed: str, content: Content) -> str:
    """What the merchant reads in a sealed value."""
    return unseal(KEY, Sealed(sealed), content).reveal()


@pytest.mark.parametrize("first", ["open", "deposit"])
@pytest.mark.parametrize(
    ("second", "extra"),
    [
        ("deposit", {"amount": 10}),
        ("withdraw", {"amount": 10}),
        ("freeze", {}),
        ("unfreeze", {}),
        ("cancel", {}),
        ("update", {}),
        ("update_pin", {"pin": "102938"}),
        ("activate", {"pin": "102938", "activeCode": "1"}),
    ],
)
def test_duplicate_order_number(api: Api, first: str, second: str, extra: dict[str, Any]) -> None:
    """A number that any operation has used is refused by every operation."""
    number = api.number()
    card_no = api.card(merchantOrderNo=number)
    if first == "deposit":
        number = api.number()
        api.change("deposit", card_no, amount=10, merchantOrderNo=number)
    with pytest.raises(Refused, match="Duplicate order number"):
        api.change(second, card_no, merchantOrderNo=number, **extra)
    with pytest.raises(Refused, match="Duplicate order number"):
        api.order(merchantOrderNo=number)


def test_order_number_is_required(api: Api) -> None:
    """A handler that is called without the checks of the edge still wants an order number."""
    with pytest.raises(Refusal, match="merchantOrderNo"):
        check_new(api.state, None)


def test_refused_number_can_be_used(api: Api) -> None:
    """A refusal leaves no trace, so its order number is still free."""
    number = api.number()
    with pytest.raises(Refused):
        api.order(amount=1, merchantOrderNo=number)
    assert api.order(merchantOrderNo=number)


@pytest.mark.parametrize(
    ("method", "extra"),
    [
        ("get", {}),
        ("get_sensitive", {}),
        ("get_balance", {}),
        ("deposit", {"amount": 10}),
        ("withdraw", {"amount": 10}),
        ("freeze", {}),
        ("unfreeze", {}),
        ("cancel", {}),
        ("update", {}),
        ("update_pin", {"pin": "102938"}),
        ("activate", {"pin": "102938", "activeCode": "1"}),
    ],
)
def test_unknown_card(api: Api, method: str, extra: dict[str, Any]) -> None:
    """A card that does not exist is not found, whatever is asked of it."""
    with pytest.raises(Refused, match="Card not found") as caught:
        api.change(method, "FC-NOBODY", **extra)
    assert caught.value.code == -1


def test_get(api: Api) -> None:
    """A card is shown without its balance unless that is asked for."""
    card_no = api.card(holderId=124801)
    simple = api.call("cards.get", cardNo=card_no)
    assert (simple["cardTypeId"], simple["holderId"], simple["blocked"]) == (PREPAID, 124801, False)
    assert "balanceInfo" not in simple
    assert "noPinPaymentAmount" not in simple
    full = api.call("cards.get", cardNo=card_no, onlySimpleInfo=False)
    assert full["balanceInfo"] == {
        "cardNo": card_no,
        "amount": 50,
        "usedAmount": 0,
        "currency": "USD",
    }


def test_sensitive(api: Api) -> None:
    """Card number, CVV and expiry come sealed for the merchant and have the right form."""
    card_no, other = api.card(), api.card()
    sealed = api.call("cards.get_sensitive", cardNo=card_no)
    assert "activateUrl" not in sealed
    number = opened(sealed["cardNumber"], "card_number")
    assert number.startswith("531993")
    assert len(number) == 16
    assert len(opened(sealed["cvv"], "cvv")) == 3
    assert opened(sealed["expireDate"], "expire_date") == "11/2029"
    again = api.call("cards.get_sensitive", cardNo=other)
    assert opened(again["cardNumber"], "card_number") != number


def test_sensitive_of_a_gift_card(api: Api) -> None:
    """A gift card shows the URL that redeems it, and nothing else."""
    sealed = api.call("cards.get_sensitive", cardNo=api.card(GIFT))
    assert list(sealed) == ["activateUrl"]
    assert opened(sealed["activateUrl"], "url").startswith("https://")


def test_sensitive_needs_a_key_and_a_card() -> None:
    """Nothing is shown without the merchant's key, or of a card that is not there."""
    api = Api(merchant_key=None)
    with pytest.raises(Refused, match="public key is not configured"):
        api.call("cards.get_sensitive", cardNo=api.card())
    with pytest.raises(Refused, match="does not allow this: pending"):
        api.call("cards.get_sensitive", cardNo=api.order()["cardNo"])


def test_deposit(api: Api) -> None:
    """The fee comes out of the deposit; the card receives the net amount at success."""
    card_no = api.card()
    answer = api.change("deposit", card_no, amount=100, clientRemark="November")
    assert (answer["amount"], str(answer["fee"])) == (100, "1.20")
    assert api.controls.ledger().held == 100
    assert api.balance(card_no) == 50
    api.settle()
    assert api.balance(card_no) == Decimal("148.80")
    assert api.controls.ledger().fees == Decimal("2.20")


@pytest.mark.parametrize(
    ("amount", "code", "text"),
    [
        (4, 40002, "at least 5"),
        (10001, 40002, "at most 10000"),
        ("5.001", 40002, "decimal places"),
        (9000, -1, "Insufficient balance"),
    ],
)
def test_deposit_refused(amount: object, code: int, text: str) -> None:
    """A deposit outside the quotas or the merchant's funds is refused."""
    api = Api(funds=Decimal(100))
    with pytest.raises(Refused, match=text) as caught:
        api.change("deposit", api.card(), amount=amount)
    assert caught.value.code == code


def test_deposit_switched_off(api: Api) -> None:
    """A gift card takes no deposits."""
    with pytest.raises(Refused, match="not support the model"):
        api.change("deposit", api.card(GIFT), amount=10)


def test_withdraw(api: Api) -> None:
    """A withdrawal leaves the card at once and reaches the merchant at success."""
    card_no = api.card()
    api.change("withdraw", card_no, amount="49.50")
    assert api.balance(card_no) == Decimal("0.50")
    assert api.controls.ledger().wallet == 999_949
    api.settle()
    assert api.controls.ledger().wallet == Decimal("999998.50")


def test_failed_withdrawal(api: Api) -> None:
    """A withdrawal that fails returns to the card."""
    card_no = api.card()
    api.controls.fail_next("withdraw")
    api.change("withdraw", card_no, amount=10)
    api.settle()
    assert api.balance(card_no) == 50
    assert api.rows("operations")[0].get("receivedAmount") is None


def test_withdraw_refused(api: Api) -> None:
    """What the card type keeps back stays on the card; a shared card has nothing of its own."""
    with pytest.raises(Refused, match="Insufficient card balance"):
        api.change("withdraw", api.card(), amount="49.51")
    shared = api.card(SHARED, 0, accountId=SHARED_ACCOUNT_ID)
    with pytest.raises(Refused, match="not support the model"):
        api.change("withdraw", shared, amount=1)


@pytest.mark.parametrize("method", ["freeze", "unfreeze"])
def test_freeze_switched_off(api: Api, method: str) -> None:
    """A card type without freezing refuses both directions."""
    card_no = api.card(PLAIN)
    if method == "unfreeze":
        api.state.cards[card_no].status = type(api.state.cards[card_no].status)("Freeze")
    with pytest.raises(Refused, match="not support the model"):
        api.change(method, card_no)


def test_cancel_returns_the_balance(api: Api) -> None:
    """What is left on the card goes to the merchant when the cancellation succeeds."""
    card_no = api.card()
    assert "receivedAmount" not in api.change("cancel", card_no)
    api.settle()
    assert api.rows("operations")[0]["receivedAmount"] == 50
    assert api.balance(card_no) == 0
    assert api.controls.ledger().wallet == 999_999
    with pytest.raises(Refused, match="does not allow this: cancel"):
        api.change("unfreeze", card_no)


def test_cancel_shared_card(api: Api) -> None:
    """A shared card leaves the account's balance alone."""
    card_no = api.card(SHARED, 0, accountId=SHARED_ACCOUNT_ID)
    assert api.balance(card_no) == 100_000
    api.change("cancel", card_no)
    api.settle()
    assert api.controls.ledger().shared == 100_000


def test_update_limits(api: Api) -> None:
    """New spending limits are in force once the update succeeds."""
    card_no = api.card()
    limit = {"interval": "PER_TRANSACTION", "amount": 25}
    assert api.change("update", card_no, spendingControls=[limit])["type"] == "card_update"
    api.settle()
    card = api.call("cards.get", cardNo=card_no)
    assert card["spendingControls"] == [{**limit, "supportSetting": True}]
    api.change("update", card_no)
    api.settle()
    assert api.call("cards.get", cardNo=card_no)["spendingControls"] == card["spendingControls"]


@pytest.mark.parametrize(
    ("steps", "rules"),
    [
        ([{"allowedMcc": ["5411"]}], {"allowedMcc": ["5411"]}),
        ([{"allowedMcc": ["5411"]}, {"blockedMcc": ["7995"]}], {"blockedMcc": ["7995"]}),
        ([{"allowedMcc": ["5411"]}, {"allowedMcc": []}], {}),
        ([{"blockedMcc": ["7995"]}, {"blockedMcc": []}], {}),
        ([{"blockedMcc": ["7995"]}, {"allowedMcc": []}], {"blockedMcc": ["7995"]}),
        ([{"allowedMcc": ["5411"]}, {"blockedMcc": []}], {"allowedMcc": ["5411"]}),
        ([{"allowedMcc": []}], {}),
    ],
)
def test_update_merchant_rules(api: Api, steps: list[Any], rules: dict[str, Any]) -> None:
    """One of the two lists is in force; an empty list removes the rule of its name."""
    card_no = api.card()
    for step in steps:
        api.change("update", card_no, riskControls=step)
        api.settle()
    assert api.call("cards.get", cardNo=card_no)["riskControls"] == rules


def test_update_refused(api: Api) -> None:
    """What the card type does not support, or two lists at once, is a parameter error."""
    card_no, plain = api.card(), api.card(PLAIN)
    for body in (
        {"cardNo": plain, "riskControls": {"allowedMcc": ["5411"]}},
        {"cardNo": plain, "spendingControls": [{"interval": "PER_TRANSACTION", "amount": 1}]},
        {"cardNo": card_no, "spendingControls": [{"interval": "PER_YEAR", "amount": 1}]},
        {"cardNo": card_no, "noPinPaymentAmount": 100},
        {"cardNo": card_no, "riskControls": {"allowedMcc": ["1"], "blockedMcc": ["2"]}},
    ):
        with pytest.raises(Refused) as caught:
            api.call("cards.update", merchantOrderNo=api.number(), **body)
        assert caught.value.code == 40002


def test_limit_without_pin(api: Api) -> None:
    """The limit without PIN of a physical card stays within the card type's quotas."""
    card_no = api.plastic()
    assert api.call("cards.get", cardNo=card_no)["noPinPaymentAmount"] == 500
    api.change("update", card_no, noPinPaymentAmount=2000)
    api.settle()
    assert api.call("cards.get", cardNo=card_no)["noPinPaymentAmount"] == 2000
    with pytest.raises(Refused, match="noPinPaymentAmount"):
        api.change("update", card_no, noPinPaymentAmount="2000.01")


def test_pin(api: Api) -> None:
    """The PIN of a physical card can be changed; virtual cards have none; bad PINs are refused."""
    card_no = api.plastic()
    assert api.change("update_pin", card_no, pin="102938")["type"] == "update_pin"
    with pytest.raises(Refused, match="not support the model"):
        api.change("update_pin", api.card(), pin="102938")
    for pin in ("111938", "123456", "123123", "12345", "abcdef"):
        with pytest.raises(Refused, match="pin") as caught:
            api.change("update_pin", card_no, pin=pin)
        assert pin not in caught.value.msg


def test_activation_refused(api: Api) -> None:
    """A wrong code activates nothing, and the answer does not repeat it."""
    card_no = api.plastic(active=False)
    with pytest.raises(Refused, match="activeCode") as caught:
        api.change("activate", card_no, pin="102938", activeCode="00000000")
    assert "00000000" not in caught.value.msg
    code = api.state.messages.rows[0].text
    with pytest.raises(Refused, match="no_pin_payment_amount must be at most 2000"):
        api.change("activate", card_no, pin="102938", activeCode=code, noPinPaymentAmount=2001)
    assert api.status(card_no) == "un_activated"


def test_activation_of_a_virtual_card(api: Api) -> None:
    """A virtual card has nothing to activate, whatever its state says."""
    card_no = api.card()
    api.state.cards[card_no].status = type(api.state.cards[card_no].status)("un_activated")
    with pytest.raises(Refused, match="not support the model"):
        api.change("activate", card_no, pin="102938", activeCode="1")


def test_settings_are_reported(api: Api) -> None:
    """A sandbox says what it was set up with, without printing secrets."""
    assert api.sandbox.settings == SETTINGS
    assert SETTINGS.password not in repr(SETTINGS)
    assert len({item.card_type_id for item in CARD_TYPES}) == len(CARD_TYPES)
