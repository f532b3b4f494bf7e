"""The sandbox as a sender: signed, for everything that happens, again until acknowledged."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import pytest

from fincard_async._generated.events import RETRY_SECONDS
from fincard_async._sansio.messages import HttpResponse
from fincard_async.errors import WebhookRefused
from fincard_async.sandbox import Refusal
from fincard_async.testing import deliver_to, platform_key
from fincard_async.webhooks import Inbox, ThreeDsEvent, WebhookEvent, ack
from tests.sandbox.kit import Api

from .kit import verifier

pytestmark = pytest.mark.anyio


class Post:
    """A merchant that keeps what comes and answers as told."""

    def __init__(self) -> None:
        self.events: list[WebhookEvent[Any]] = []
        self.headers: list[Mapping[str, str]] = []
        self.refused = 0
        self.answer = ack()

    async def __call__(self, headers: Mapping[str, str], body: bytes) -> HttpResponse:
        """Take one delivery."""
        self.headers.append(headers)
        try:
            event = verifier().verify(headers, body)
        except WebhookRefused:
            self.refused += 1
            return HttpResponse(401, {}, b"")
        assert isinstance(event, WebhookEvent)
        self.events.append(event)
        return self.answer

    @property
    def shown(self) -> list[str]:
        """What came, in words."""
        return [
            ":".join(filter(None, [e.category or "", str(e.data.type), e.status or ""]))
            for e in self.events
        ]


class Street:
    """A sandbox, its sender and a merchant."""

    def __init__(self, **settings: Any) -> None:
        self.api, self.post = Api(**settings), Post()
        self.hooks = self.api.sandbox.webhooks(platform_key(), self.post, speed=60_000.0)

    async def go(self, milliseconds: int = 20) -> list[str]:
        """Let time pass and deliver; what came meanwhile."""
        before = len(self.post.shown)
        self.api.time.pass_ms(milliseconds)
        await self.hooks.deliver_due()
        return self.post.shown[before:]


async def test_every_operation_is_told() -> None:
    """When it is final, and not before; a failure is told as one."""
    street = Street()
    api = street.api
    card = api.order()["cardNo"]
    assert await street.go(5) == []
    assert await street.go() == ["card_transaction:create:success"]
    for method in ("deposit", "withdraw", "freeze", "unfreeze", "update", "cancel"):
        api.change(method, card, **({"amount": 20} if method in ("deposit", "withdraw") else {}))
        await street.go()
    assert street.post.shown[1:] == [
        f"card_transaction:{kind}:success"
        for kind in ("deposit", "withdraw", "Freeze", "UnFreeze", "card_update", "cancel")
    ]
    api.controls.fail_next("create")
    api.order()
    assert await street.go() == ["card_transaction:create:fail"]
    assert street.hooks.tally.sent == street.hooks.tally.acknowledged == 8


async def test_a_physical_card_is_told_in_three_categories() -> None:
    """The order, the sealed activation code, the activation."""
    street = Street()
    card = street.api.plastic(active=False)
    assert await street.go() == [
        "card_3ds:activation_code",
        "card_transaction:create:success",
    ]
    assert isinstance(street.post.events[0], ThreeDsEvent)
    code = street.api.state.messages.rows[-1].text
    assert code.encode() not in street.post.events[0].raw
    street.api.change("activate", card, pin="102938", activeCode=code)
    assert await street.go() == ["physical_card:card_activated:success"]
    street.api.change("update_pin", card, pin="102938")
    assert await street.go() == ["card_transaction:update_pin:success"]


async def test_a_purchase_is_told_as_it_moves() -> None:
    """Authorized, settled; reversed, with a row of its own; refunded; declined; fees."""
    street = Street()
    api, auth = street.api, "card_auth_transaction"
    card = api.card()
    await street.go()
    bought = api.controls.simulate_purchase(card, "5")
    assert await street.go() == [f"{auth}:auth:authorized"]
    assert await street.go(1000) == [f"{auth}:auth:succeed"]
    api.controls.simulate_refund(bought.trade_no)
    assert await street.go() == [f"{auth}:refund:succeed"]
    again = api.controls.simulate_purchase(card, "5", settle_after_ms=None)
    api.controls.simulate_reversal(again.trade_no)
    assert await street.go() == [
        f"{auth}:auth:authorized",
        f"{auth}:auth:failed",
        f"{auth}:Void:succeed",
    ]
    api.controls.simulate_purchase(card, "5", settle_after_ms=0)
    assert await street.go() == [f"{auth}:auth:authorized", f"{auth}:auth:succeed"]
    api.controls.simulate_purchase(card, "5000")
    api.controls.simulate_verification(card)
    api.controls.simulate_maintain_fee(card, "1")
    api.controls.simulate_fee_patch(card, "0.5")
    api.controls.simulate_otp(card)
    api.controls.simulate_auth_url(card)
    api.controls.simulate_overdraft(card, "3")
    api.controls.block_card(card)
    assert await street.go() == [
        f"{auth}:auth:failed",
        f"{auth}:verification:succeed",
        f"{auth}:maintain_fee:succeed",
        "card_fee_patch:card_patch_fee:success",
        "card_3ds:third_3ds_otp",
        "card_3ds:auth_url",
        "card_transaction:overdraft_statement:success",
        "card_transaction:blocked:success",
    ]
    assert street.post.events[-2].data.amount == 3


async def test_retries_keep_the_real_schedule() -> None:
    """Six pauses as the schema has them, sixty thousand times faster, and then no more."""
    street = Street()
    street.post.answer = HttpResponse(500, {}, b"")
    street.api.card()
    await street.go()
    began, times = street.api.time.ms, [0]
    for _ in range(2 * sum(RETRY_SECONDS) // 60):
        if await street.go(1):
            times.append(street.api.time.ms - began)
    assert [after - before for before, after in itertools.pairwise(times)] == [
        seconds // 60 for seconds in RETRY_SECONDS
    ]
    tally = street.hooks.tally
    assert (tally.sent, tally.acknowledged, tally.given_up, street.hooks.waiting) == (7, 0, 1, 0)
    assert len({headers["X-WSB-REQUEST-ID"] for headers in street.post.headers}) == 1


@pytest.mark.parametrize(
    "answer",
    [
        HttpResponse(200, {}, b""),
        HttpResponse(200, {}, b"ok"),
        HttpResponse(200, {}, b'{"success":true,"code":0}'),
        HttpResponse(200, {}, b'{"success":false,"code":200}'),
        HttpResponse(202, {}, ack().body),
        HttpResponse(0, {}, b""),
    ],
)
async def test_only_the_exact_acknowledgement_ends_the_retries(answer: HttpResponse) -> None:
    """HTTP 200 alone is not enough (contract 4)."""
    street = Street()
    street.post.answer = answer
    street.api.card()
    await street.go()
    assert street.hooks.waiting == 1
    street.post.answer = ack()
    await street.go(10)
    assert (street.hooks.waiting, len(street.post.events)) == (0, 2)


async def test_deliveries_go_wrong_on_demand() -> None:
    """Lost, twice, with a bad signature and in the wrong order; only the lost one never comes."""
    street = Street()
    street.api.controls.disturb_webhooks(lose=1, duplicate=1, bad_signature=1, reverse=True)
    card = street.api.card()
    await street.go()
    assert (street.hooks.tally.lost, street.post.shown) == (1, [])
    bought = street.api.controls.simulate_purchase(card, "5", settle_after_ms=0)
    await street.go()
    assert street.post.refused == 1
    await street.go(10)
    assert [(event.key[0], event.status) for event in street.post.events] == [
        (bought.trade_no, "authorized"),
        (bought.trade_no, "authorized"),
        (bought.trade_no, "succeed"),
    ]
    with pytest.raises(Refusal):
        street.api.controls.disturb_webhooks(lose=-1)


async def test_an_inbox_makes_sense_of_all_that() -> None:
    """Duplicates, reversal and bad signatures: every event is handled once, none after a later."""
    api = Api()
    inbox = Inbox(verifier(), confirm=False)
    seen: list[Any] = []

    @inbox.on()
    async def see(event: WebhookEvent[Any]) -> None:
        seen.append((event.key, event.status))

    hooks = api.sandbox.webhooks(platform_key(), deliver_to(inbox), speed=60_000.0)
    api.controls.disturb_webhooks(duplicate=5, bad_signature=7, reverse=True)
    card = api.card()
    for _ in range(10):
        api.controls.simulate_purchase(card, "1", settle_after_ms=0)
    for _ in range(30):
        api.time.pass_ms(10)
        await hooks.deliver_due()
    assert hooks.waiting == 0
    assert hooks.tally.refused == 7
    assert len(seen) == len(set(seen)) <= 21
    ends = dict(seen)
    assert len(ends) == 11
    assert set(ends.values()) == {"success", "succeed"}


async def test_without_a_listener_nothing_is_kept() -> None:
    """A sandbox that sends no webhooks does not collect them."""
    api = Api()
    api.card()
    assert api.state.notices == []


async def test_without_the_merchants_key_no_code_is_sent() -> None:
    """A code that cannot be sealed is not sent in the open."""
    street = Street(merchant_key=None)
    card = street.api.card()
    street.api.controls.simulate_otp(card)
    assert await street.go() == ["card_transaction:create:success"]
