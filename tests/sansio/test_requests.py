"""From arguments to final bytes, and back on the other side of the wire."""

from __future__ import annotations

import traceback
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings, strategies as st

from fincard_async._sansio.requests import (
    build_request,
    order_no_of,
    parse_request,
    with_order_number,
)
from fincard_async._sansio.secret import Secret
from fincard_async.errors import ValidationError

from .samples import ORDER, READ, WRITE, Ask

MINTED = "B" * 32


def test_a_number_is_minted_where_none_was_given() -> None:
    """A number of the caller's is kept, and a read has none."""
    assert with_order_number(WRITE, Ask(card_no="C1"), MINTED).merchant_order_no == MINTED
    given_one = Ask(card_no="C1", merchant_order_no=ORDER)
    assert with_order_number(WRITE, given_one, MINTED) is given_one
    read = Ask(card_no="C1")
    assert with_order_number(READ, read, MINTED) is read


def test_the_number_of_a_request() -> None:
    """Only a mutation has one."""
    assert order_no_of(WRITE, Ask(card_no="C1", merchant_order_no=ORDER)) == ORDER
    assert order_no_of(READ, Ask(card_no="C1", merchant_order_no=ORDER)) is None


def test_a_prepared_call_is_final() -> None:
    """Path, bytes and number are fixed, and its repr shows neither request nor body."""
    asked = Ask(card_no="C1", merchant_order_no=ORDER, amount=Decimal("5.0"), pin=Secret("135790"))
    prepared = build_request(WRITE, asked, money_as="number")
    assert prepared.path == "/api/things/pay"
    assert prepared.order_no == ORDER
    assert prepared.body == (
        b'{"cardNo":"C1","merchantOrderNo":"' + ORDER.encode() + b'","amount":5.0,"pin":"135790"}'
    )
    assert "135790" not in repr(prepared)
    assert "C1" not in repr(prepared)


@pytest.mark.parametrize(
    "asked",
    [
        Ask(card_no="", merchant_order_no=ORDER),
        Ask(card_no="C1", merchant_order_no="short"),
        Ask(card_no="C1", merchant_order_no="A" * 41),
        Ask(card_no="C1"),
        Ask(card_no="C1", merchant_order_no=ORDER, amount=Decimal("0")),
        Ask(card_no="C1", merchant_order_no=ORDER, remark="x" * 51),
        Ask(card_no="C1", merchant_order_no=ORDER, pin=Secret("111111")),
    ],
)
def test_a_broken_rule_stops_both_sides(asked: Ask) -> None:
    """The client refuses to send it, and the sandbox refuses to take it."""
    with pytest.raises(ValidationError):
        build_request(WRITE, asked, money_as="number")
    with pytest.raises(ValidationError):
        parse_request(WRITE, msgspec.json.encode(_plain(asked)))


def _plain(asked: Ask) -> dict[str, object]:
    return {
        "cardNo": asked.card_no,
        "merchantOrderNo": asked.merchant_order_no,
        "amount": asked.amount,
        "remark": asked.remark,
        "pin": asked.pin and asked.pin.reveal(),
    }


def test_text_that_is_no_utf8_is_refused() -> None:
    """Half a surrogate pair cannot be sent, and the error does not hold the text."""
    asked = Ask(card_no="C1", merchant_order_no=ORDER, remark="canary\ud800")
    with pytest.raises(ValidationError, match="cannot be written as UTF-8") as caught:
        build_request(WRITE, asked, money_as="number")
    assert caught.value.__context__ is None
    assert "canary" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"null", b'{"cardNo":1}', b"\xff", b"{"])
def test_a_body_that_is_no_request(body: bytes) -> None:
    """The sandbox tells damaged JSON from a broken rule."""
    with pytest.raises(msgspec.MsgspecError):
        parse_request(WRITE, body)


texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=50)
requests = st.builds(
    Ask,
    card_no=texts,
    merchant_order_no=st.from_regex(r"[A-Z2-7]{20,40}", fullmatch=True),
    amount=st.none() | st.decimals("0.01", "999999999.99", places=2),
    pin=st.sampled_from([None, Secret("135790"), Secret("902741")]),
    remark=st.none() | texts,
)


@settings(max_examples=50)
@given(requests)
@pytest.mark.parametrize("money_as", ["number", "string"])
def test_both_directions_are_a_pair(money_as: str, asked: Ask) -> None:
    """What the client builds is what the sandbox parses, with amounts in either form."""
    prepared = build_request(WRITE, asked, money_as=money_as)
    assert parse_request(WRITE, prepared.body) == asked
