"""Webhook and poll race: a confirmed event ends a wait, any other one makes the next look early."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from fincard_async import BearerToken, FincardClient
from fincard_async._generated.models.transactions import OperationRecord
from fincard_async._sansio.webhook import Event
from fincard_async.errors import StatusContradiction
from fincard_async.testing import FakeClock, ScriptedTransport, platform_key, sign_webhook
from fincard_async.waiters import attach, wait_until_final
from fincard_async.webhooks import Inbox, WebhookVerifier
from fincard_async.webhooks.inbox import Subscriber
from tests.top.test_settle import Query, row

pytestmark = pytest.mark.anyio

NUMBER = "WEBHOOK-WAIT-00000000000000001"


class Still(FakeClock):
    """Time that passes only when the test says so: a sleeper sleeps until then."""

    def __init__(self) -> None:
        super().__init__()
        self._moved = anyio.Event()

    async def sleep(self, seconds: float) -> None:
        end = self.monotonic() + seconds
        while self.monotonic() < end:
            await self._moved.wait()

    def advance(self, seconds: float) -> None:
        super().advance(seconds)
        self._moved.set()
        self._moved = anyio.Event()


class Room:
    """A client whose orders are never final by themselves, and an inbox."""

    def __init__(self, *numbers: str, confirm: bool = True) -> None:
        self.query, self.clock = Query(*[row(n, status="processing") for n in numbers]), Still()
        self.client = FincardClient(
            base_url="http://127.0.0.1",
            auth=BearerToken("t"),
            tenant_id="acme",
            transport=ScriptedTransport(itertools.repeat(self.query)),
            clock=self.clock,
        )
        verifier = WebhookVerifier(platform_key().public_key())
        self.inbox = Inbox(verifier, client=self.client, confirm=confirm)
        self.found: dict[str, OperationRecord] = {}

    async def wait(self, number: str) -> None:
        self.found[number] = await wait_until_final(
            self.client, number, timeout=3600, inbox=self.inbox
        )

    def settle(self, number: str, status: str = "success") -> None:
        """From now on the query says so."""
        for item in self.query.rows:
            if item["merchantOrderNo"] == number:
                item["status"] = status

    async def tell(self, number: str | None, status: str = "success", **parts: Any) -> str:
        """A webhook about an order."""
        body = row(number, status=status, **parts)
        return (await self.inbox.receive(*sign_webhook(body))).outcome


async def test_a_confirmed_webhook_ends_the_wait() -> None:
    """Without waiting for the next poll, and with the one query that confirmed it."""
    room = Room(NUMBER)
    async with anyio.create_task_group() as group:
        group.start_soon(room.wait, NUMBER)
        await anyio.wait_all_tasks_blocked()
        assert room.query.asked == []
        room.settle(NUMBER)
        assert await room.tell(NUMBER) == "handled"
    assert room.found[NUMBER].status == "success"
    assert len(room.query.asked) == 1


async def test_a_hint_makes_the_next_look_early() -> None:
    """An inbox that does not confirm is not believed: the poll asks, at once."""
    room = Room(NUMBER, confirm=False)
    async with anyio.create_task_group() as group:
        group.start_soon(room.wait, NUMBER)
        await anyio.wait_all_tasks_blocked()
        assert await room.tell(NUMBER) == "handled"
        await anyio.wait_all_tasks_blocked()
        assert (len(room.query.asked), room.found) == (1, {})
        room.settle(NUMBER)
        assert await room.tell(NUMBER, remark="again") == "handled"
    assert len(room.query.asked) == 2


async def test_a_webhook_that_is_not_confirmed_is_a_hint_too() -> None:
    """The query lags behind the event; the poll goes on and finds it later."""
    room = Room(NUMBER)
    async with anyio.create_task_group() as group:
        group.start_soon(room.wait, NUMBER)
        await anyio.wait_all_tasks_blocked()
        assert await room.tell(NUMBER) == "unconfirmed"
        await anyio.wait_all_tasks_blocked()
        assert len(room.query.asked) == 2  # to confirm, and the early look
        assert room.found == {}
        room.settle(NUMBER)
        room.clock.advance(60.0)


async def test_everybody_who_waits_is_told_of_his_own() -> None:
    """One webhook ends one wait; the others sleep on, and one of them takes the turn."""
    numbers = [f"WEBHOOK-WAIT-{n:017d}" for n in range(4)]
    room = Room(*numbers)
    async with anyio.create_task_group() as group:
        for number in numbers:
            group.start_soon(room.wait, number)
        await anyio.wait_all_tasks_blocked()
        for count, number in enumerate(numbers, 1):
            room.settle(number)
            assert await room.tell(number) == "handled"
            await anyio.wait_all_tasks_blocked()
            assert len(room.found) == count
    assert len(room.query.asked) == 4  # nothing but the confirmations


@pytest.mark.parametrize("number", ["WEBHOOK-WAIT-99999999999999999", None])
async def test_events_of_others_change_nothing(number: str | None) -> None:
    """Neither an order that nobody waits for, nor one without a number of the client."""
    room = Room(NUMBER, confirm=False)
    async with anyio.create_task_group() as group:
        group.start_soon(room.wait, NUMBER)
        await anyio.wait_all_tasks_blocked()
        assert await room.tell(number) == "handled"
        await room.inbox.receive(*sign_webhook({"hello": 1}))
        await anyio.wait_all_tasks_blocked()
        assert room.query.asked == []
        room.settle(NUMBER)
        room.clock.advance(1.0)


async def test_without_a_webhook_the_poll_is_enough() -> None:
    """All webhooks lost: the same end, a little later."""
    room = Room(NUMBER)
    attach(room.client, room.inbox)
    attach(room.client, room.inbox)
    assert len(room.inbox._subscribers) == 1
    room.settle(NUMBER)
    async with anyio.create_task_group() as group:
        group.start_soon(room.wait, NUMBER)
        await anyio.wait_all_tasks_blocked()
        room.clock.advance(0.5)
    assert room.found[NUMBER].status == "success"


async def test_a_webhook_that_came_before_ends_nothing_later() -> None:
    """What was told before the wait is found by its first look."""
    room = Room(NUMBER)
    attach(room.client, room.inbox)
    room.settle(NUMBER)
    assert await room.tell(NUMBER) == "handled"
    async with anyio.create_task_group() as group:
        group.start_soon(room.wait, NUMBER)
        await anyio.wait_all_tasks_blocked()
        assert room.found == {}
        room.clock.advance(0.5)
    assert len(room.query.asked) == 2


class Direct(Inbox):
    """An inbox whose only subscriber the test tells by hand."""

    tell: Subscriber

    def subscribe(self, subscriber: Subscriber) -> Callable[[], None]:
        self.tell = subscriber
        return super().subscribe(subscriber)


async def test_two_final_states_end_a_wait_loudly(caplog: pytest.LogCaptureFixture) -> None:
    """Both confirmed, before the waiter runs: the first stays, and none of them is believed."""
    room, events, errors = Room(NUMBER), list[Event](), list[StatusContradiction]()
    room.inbox.subscribe(events.append)
    for status in ("success", "fail"):
        room.settle(NUMBER, status)
        assert await room.tell(NUMBER, status) == "handled"
    room.inbox = direct = Direct(WebhookVerifier(platform_key().public_key()), confirm=False)

    async def wait() -> None:
        try:
            await room.wait(NUMBER)
        except StatusContradiction as error:
            errors.append(error)

    async with anyio.create_task_group() as group:
        group.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        for event in events:
            direct.tell(event)
    assert [(e.first, e.then, e.order_no) for e in errors] == [("success", "fail", NUMBER)]
    assert f"order {NUMBER} was success, and now is fail" in caplog.text
