"""Every example of the schema as a signed event: typed, told by header or by content."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from fincard_async._generated import events
from fincard_async._sansio.webhook import WebhookEvent
from fincard_async.errors import WebhookUnreadable
from fincard_async.testing import sign_webhook
from fincard_async.webhooks import (
    KINDS,
    Event,
    OperationEvent,
    ThreeDsEvent,
    UnknownEvent,
    WebhookVerifier,
    ack,
)

from .kit import OPERATION, Sample, sample, samples, verifier

VERIFIER: WebhookVerifier = verifier()
every_sample = pytest.mark.parametrize("case", samples(), ids=[s.id for s in samples()])


def read(payload: object, category: str | None = None, request_id: str | None = None) -> Event:
    """Sign and verify."""
    return VERIFIER.verify(*sign_webhook(payload, category=category, request_id=request_id))


@every_sample
def test_an_example_becomes_its_event(case: Sample) -> None:
    """The class of its category, with the payload's fields and the words of its kind."""
    event = read(case.body, case.category, "delivery-1")
    assert isinstance(event, WebhookEvent)
    assert type(event) is KINDS[case.category].event
    assert type(event.data) is KINDS[case.category].payload
    assert event.event_id == "delivery-1"
    assert event.subject is not None
    assert all(event.key)
    assert event.raw == msgspec.json.encode(case.body)
    if event.kind.card is not None:
        assert event.card_no == case.body.get("cardNo")
    if event.kind.order_number is not None:
        assert event.merchant_order_no == case.body.get("merchantOrderNo")


@every_sample
def test_a_category_is_told_by_the_body_too(case: Sample) -> None:
    """Without the header the signed fields decide, and the event is the same one."""
    named, found = read(case.body, case.category), read(case.body)
    assert found == named
    bare = {key: value for key, value in case.body.items() if value is not None}
    assert read(bare).category == case.category


@every_sample
@pytest.mark.parametrize("other", KINDS)
def test_a_header_cannot_relabel_an_event(case: Sample, other: str) -> None:
    """Headers are not signed: a category that the body contradicts is refused."""
    if other == case.category:
        return
    with pytest.raises(WebhookUnreadable, match="contradicts the signed body"):
        read(case.body, other)


@every_sample
def test_the_envelope_of_the_mock_is_opened(case: Sample) -> None:
    """``{eventId, eventType, data}`` around an event; its own words are not needed."""
    for kind in (case.category, "card_create"):
        event = read({"eventId": "evt-1", "eventType": kind, "tenantId": "t", "data": case.body})
        assert isinstance(event, WebhookEvent)
        assert (event.category, event.event_id) == (case.category, "evt-1")
        plain = read(case.body)
        assert isinstance(plain, WebhookEvent)
        assert event.data == plain.data


def test_what_only_the_mock_sends_is_unknown() -> None:
    """Its short data have no number, so they become an unknown event and are not lost."""
    data = {"cardId": "c-1", "status": "ACTIVE", "amount": 1.5, "currency": "USD"}
    event = read({"eventId": "evt-1", "eventType": "card_create", "createTime": 1, "data": data})
    assert isinstance(event, UnknownEvent)
    assert (event.category, event.event_id, event.subject) == ("card_create", "evt-1", None)
    assert event.data["cardId"] == "c-1"


@pytest.mark.parametrize("category", ["card_lottery", "CARD_TRANSACTION", "card transaction"])
def test_an_unknown_category_is_an_event_too(category: str) -> None:
    """Also if its fields look like those of a known one: the platform says it is another."""
    event = read(sample(OPERATION), category)
    assert isinstance(event, UnknownEvent)
    assert event.category == category
    assert event.digest != read(sample(OPERATION)).digest


@pytest.mark.parametrize("header", ["", " ", "x" * 129, "card\u00e9", "a\x00b"])
def test_a_header_that_is_no_name_is_no_category(header: str) -> None:
    """It counts as absent."""
    assert read(sample(OPERATION), header).category == OPERATION


def test_nothing_tells_what_it_is() -> None:
    """An object of unknown fields is an event without a category."""
    event = read({"hello": "world"})
    assert isinstance(event, UnknownEvent)
    assert (event.category, event.card_no, event.merchant_order_no) == (None, None, None)
    assert repr(event) == "UnknownEvent(no category)"


UNREADABLE: dict[str, bytes] = {
    "empty": b"",
    "not JSON": b"hello",
    "cut off": b'{"orderNo": "1", "type": "create"',
    "a list": b"[]",
    "null": b"null",
    "a number": b"1",
    "not UTF-8": b'{"orderNo": "\xff"}',
    "too deep": b'{"a":' + b"[" * 100 + b"]" * 100 + b"}",
    "a key twice": b'{"orderNo":"1","type":"create","status":"fail","status":"success"}',
    "a key twice inside": b'{"orderNo":"1","type":"create","status":"fail","x":{"a":1,"a":2}}',
    "no status": b'{"orderNo":"1","type":"create"}',
    "a wrong type": b'{"orderNo":1,"type":"create","status":"success"}',
    "money as words": b'{"orderNo":"1","type":"create","status":"success","amount":"much"}',
    "money with an exponent": b'{"orderNo":"1","type":"create","status":"success","amount":1e3}',
    "not a number": b'{"orderNo":"1","type":"create","status":"success","amount":"NaN"}',
    "a long number": b'{"orderNo":"1","type":"create","status":"success","amount":'
    + b"9" * 5000
    + b"}",
    "a huge exponent": b'{"hello": 1e99999999999999999999}',
    "trailing": b'{"orderNo":"1","type":"create","status":"success"} {}',
    "an envelope around nothing": b'{"eventType":"card_create","data":"x"}',
}


@pytest.mark.parametrize("body", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_a_signed_body_may_be_unreadable(body: bytes) -> None:
    """Then the event is an error of its own, which quotes nothing and hides no other error."""
    with pytest.raises(WebhookUnreadable) as caught:
        read(body)
    assert caught.value.__context__ is None
    assert not [
        part for part in (b"orderNo", b"much", b"999") if part in str(caught.value).encode()
    ]


def test_an_event_prints_no_payload() -> None:
    """Only what it is about and how far it is."""
    event = read(sample(OPERATION), OPERATION)
    assert repr(event) == "OperationEvent(1995300000000000101/create, success)"
    assert f"{event}" == str(event) == repr(event)
    held = read(sample("card_3ds"), "card_3ds")
    assert isinstance(held, ThreeDsEvent)
    assert repr(held) == "ThreeDsEvent(TDS202611220001)"
    assert repr(held.data.values) == "Sealed(...)"


def test_the_other_vocabulary_is_read() -> None:
    """``cardId`` means the same as ``cardNo`` (contract 7.1)."""
    body = sample(OPERATION)
    body["cardId"] = body.pop("cardNo")
    event = read(body)
    assert isinstance(event, OperationEvent)
    assert event.card_no == body["cardId"]


@every_sample
def test_final_states_are_those_of_the_last_step(case: Sample) -> None:
    """What the schema lists last ends an order; what it does not know ends nothing."""
    kind: Any = KINDS[case.category]
    wire = next((name for name in case.body if snake(name) == kind.state), "status")
    for step, words in enumerate(kind.states, 1):
        for word in words:
            event = read({**case.body, wire: word.upper()}, case.category)
            assert isinstance(event, WebhookEvent)
            assert event.final is (step == len(kind.states))
    if kind.states:
        event = read({**case.body, wire: "brand_new"}, case.category)
    else:
        event = read(case.body, case.category)
    assert isinstance(event, WebhookEvent)
    assert not event.final


def snake(wire: str) -> str:
    """``tradeStatus`` to ``trade_status``."""
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in wire)


def test_the_acknowledgement_is_exact() -> None:
    """The one body that satisfies both platforms (contract 9, row 13)."""
    answer = ack()
    assert answer.status == 200
    assert answer.body == b'{"success":true,"code":200,"msg":"Success","data":null}'
    assert events.ACK.encode() == answer.body
