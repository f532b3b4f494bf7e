"""The inbox: stores, confirmation by query, subscribers, failure and cancellation."""

from __future__ import annotations

import logging
import sqlite3
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import anyio
import pytest

from fincard_async import FincardClient
from fincard_async._sansio.secret import Sealed
from fincard_async.errors import ConfigError, MissingExtraError
from fincard_async.sandbox import Sandbox, SandboxSettings
from fincard_async.testing import platform_key, sandbox_client, sandbox_key, sign_webhook
from fincard_async.webhooks import (
    AuthorizationEvent,
    Event,
    Inbox,
    InboxStore,
    MemoryStore,
    OperationEvent,
    PostgresStore,
    SqliteStore,
    ThreeDsEvent,
    WebhookEvent,
    WebhookVerifier,
)

from .kit import AUTHORIZATION, OPERATION, Desk, sample, verifier
from .stores import StoreTests

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[2]


@pytest.fixture(params=["memory", "sqlite", "sqlite in memory"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[InboxStore]:
    """A store of each kind that needs no server."""
    made: dict[str, InboxStore] = {
        "memory": MemoryStore(),
        "sqlite": SqliteStore(tmp_path / "inbox.db"),
        "sqlite in memory": SqliteStore(None),
    }
    yield made[request.param]
    await made[request.param].aclose()


class TestStores(StoreTests):
    """Every store keeps the law."""


async def test_a_file_is_shared_and_survives(tmp_path: Path) -> None:
    """Two inboxes over one file see each other's events, and a later one sees both."""
    path = tmp_path / "inbox.db"
    one, two = Desk(SqliteStore(path)), Desk(SqliteStore(path))
    assert await one.send(OPERATION) == "handled"
    assert await two.send(OPERATION) == "duplicate"
    two.failures = 1
    assert await two.send(AUTHORIZATION) == "failed"
    await one.inbox.aclose()
    await two.inbox.aclose()
    await two.inbox.aclose()  # a second time does nothing
    three = Desk(SqliteStore(path))
    assert await three.send(OPERATION) == "duplicate"
    assert await three.inbox.sweep() == 1
    await three.inbox.aclose()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_a_step_that_fails_changes_nothing(tmp_path: Path) -> None:
    """The transaction is taken back, and the next one works."""
    store = SqliteStore(tmp_path / "inbox.db")

    def half(db: sqlite3.Connection) -> None:
        db.execute("INSERT INTO subjects VALUES ('s', 1, 1, 1, 'd', 'x')")
        db.execute("nonsense")

    with pytest.raises(sqlite3.OperationalError):
        await store._run(half)
    assert await store.known("s") is None
    await store.aclose()


KILLED = """
import sys, anyio, os, signal
from fincard_async._sansio.webhook import Standing
from fincard_async.webhooks import Entry, SqliteStore
async def main():
    store = SqliteStore(sys.argv[1])
    entry = Entry(digest="a" * 64, category="c", event_id=None, subject="s", body=b"{}")
    await store.claim(entry, token="t", now=100.0, lease=60.0)
    if sys.argv[2] == "done":
        await store.finish("a" * 64, token="t", now=101.0, standing=Standing(2, 0, 1, "d", "x"))
    os.kill(os.getpid(), signal.SIGKILL)
anyio.run(main)
"""


@pytest.mark.slow
@pytest.mark.parametrize("phase", ["claimed", "done"])
async def test_kill_9(phase: str, tmp_path: Path) -> None:
    """What was claimed comes again after its lease; what was done stays done."""
    path = tmp_path / "inbox.db"
    done = await anyio.run_process(
        [sys.executable, "-c", KILLED, str(path), phase], check=False, stdout=subprocess.DEVNULL
    )
    assert done.returncode == -9
    store = SqliteStore(path)
    assert len(await store.waiting(now=159.0, limit=9, below=9)) == 0
    assert len(await store.waiting(now=160.0, limit=9, below=9)) == (phase == "claimed")
    assert (await store.known("s") is not None) is (phase == "done")
    await store.aclose()


async def test_handlers_by_type() -> None:
    """Each gets what it asked for, in the order in which they were registered."""
    desk, order = Desk(), list[str]()

    @desk.inbox.on(OperationEvent, ThreeDsEvent)
    async def some(event: Event) -> None:
        order.append(f"some {type(event).__name__}")

    @desk.inbox.on(WebhookEvent)
    async def known(event: WebhookEvent[Any]) -> None:
        order.append(f"known {type(event).__name__}")

    for category in (OPERATION, AUTHORIZATION, "card_lottery"):
        await desk.send(category) if category != "card_lottery" else await desk.inbox.receive(
            *sign_webhook({"a": 1}, category=category)
        )
    assert order == ["some OperationEvent", "known OperationEvent", "known AuthorizationEvent"]
    assert len(desk.seen) == 3


async def test_what_is_refused_is_not_kept() -> None:
    """Neither an unsigned delivery nor one that cannot be read reaches a store or a handler."""
    desk = Desk()
    refused = await desk.inbox.receive({}, b"{}")
    unreadable = await desk.inbox.receive(*sign_webhook(b"[]"))
    assert (refused.outcome, refused.reply.status, refused.reply.body) == ("refused", 401, b"")
    assert (unreadable.outcome, unreadable.reply.status) == ("unreadable", 400)
    assert (refused.event, unreadable.event) == (None, None)
    assert await desk.inbox.store.waiting(now=1e12, limit=9, below=9) == []
    assert desk.seen == []


async def test_a_cancelled_handler_gives_the_event_back() -> None:
    """Cancellation goes on unchanged, and the event can be handled at once by another."""
    desk, began = Desk(), anyio.Event()

    @desk.inbox.on(OperationEvent)
    async def hang(event: OperationEvent) -> None:
        if len(desk.seen) == 1:
            began.set()
            await anyio.sleep_forever()

    async with anyio.create_task_group() as group:
        group.start_soon(desk.send, OPERATION)
        await began.wait()
        group.cancel_scope.cancel()
    assert await desk.send(OPERATION) == "handled"


async def test_a_handler_ends_before_its_lease() -> None:
    """One that takes too long is stopped, so that no second one works beside it."""
    clock = Desk().clock
    inbox = Inbox(verifier(), confirm=False, lease=0.01, clock=clock)

    @inbox.on()
    async def hang(event: Event) -> None:
        await anyio.sleep_forever()

    receipt = await inbox.receive(*sign_webhook(sample(OPERATION)))
    assert (receipt.outcome, receipt.error) == ("failed", "TimeoutError")


async def test_a_lease_that_ended_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """The clock jumped, and somebody else has the event: what was done is done, with a warning."""
    store, desk = MemoryStore(), Desk()
    inbox = Inbox(verifier(), store, confirm=False, clock=desk.clock)

    @inbox.on()
    async def slow(event: Event) -> None:
        desk.clock.now += 100
        kept = await store.waiting(now=desk.clock.now, limit=1, below=9)
        await store.claim(kept[0], token="other", now=desk.clock.now, lease=60.0)

    receipt = await inbox.receive(*sign_webhook(sample(OPERATION)))
    assert receipt.outcome == "handled"
    assert [r.message for r in caplog.records] == [
        "webhook card_transaction: the lease ended before the handler did"
    ]


async def test_postgres_needs_its_extra() -> None:
    """Where asyncpg is not installed, the error says what to install."""
    if find_spec("asyncpg") is not None:
        PostgresStore("postgresql://nobody@127.0.0.1:1/none")  # nothing is opened yet
        return
    with pytest.raises(MissingExtraError, match="postgres"):
        PostgresStore("postgresql://nobody@127.0.0.1:1/none")


async def test_events_of_one_subject_take_turns() -> None:
    """Deliveries that come together are handled one after the other, none is sent away."""
    desk, running, most = Desk(), 0, 0

    @desk.inbox.on(AuthorizationEvent)
    async def count(event: AuthorizationEvent) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await anyio.lowlevel.checkpoint()
        running -= 1

    outcomes: list[str] = []

    async def send(fee: int) -> None:
        outcomes.append(await desk.send(AUTHORIZATION, fee=str(fee)))

    async with anyio.create_task_group() as group:
        for fee in range(5):
            group.start_soon(send, fee)
        group.start_soon(send, 0)
    assert sorted(outcomes) == ["duplicate"] + ["handled"] * 5
    assert most == 1


async def test_subscribers_hear_first_and_cannot_harm(caplog: pytest.LogCaptureFixture) -> None:
    """They are told once of each new event; one that raises is dropped, and the event goes on."""
    desk, heard = Desk(), list[Event]()

    def broken(event: Event) -> None:
        raise RuntimeError("canary")

    desk.inbox.subscribe(broken)
    stop = desk.inbox.subscribe(heard.append)
    with caplog.at_level(logging.WARNING):
        for fee in "112":
            await desk.send(AUTHORIZATION, fee=fee)
    assert len(heard) == 2
    assert [record.message for record in caplog.records] == [
        "subscriber dropped after RuntimeError"
    ]
    stop()
    stop()
    await desk.send(AUTHORIZATION, fee="3")
    assert len(heard) == 2


async def test_confirmation_needs_a_client() -> None:
    """It is the default, and nobody turns it off by forgetting a client."""
    with pytest.raises(ConfigError, match="confirm=False"):
        Inbox(verifier())


class Bank:
    """A sandbox with its client, and an inbox that confirms."""

    def __init__(self, client: FincardClient, sandbox: Sandbox) -> None:
        self.client, self.sandbox = client, sandbox
        self.inbox = Inbox(WebhookVerifier(platform_key().public_key()), client=client)
        self.seen: list[Any] = []
        self.heard: list[Any] = []
        self.inbox.subscribe(self.heard.append)
        self.inbox.on()(self._see)

    async def _see(self, event: Event) -> None:
        self.seen.append(event)

    async def send(self, category: str, **body: Any) -> str:
        """Deliver a signed body."""
        return (await self.inbox.receive(*sign_webhook(body, category=category))).outcome


@pytest.fixture
async def bank() -> AsyncIterator[Bank]:
    """Orders are final when the test says so."""
    settings = replace(
        SandboxSettings(), latency_ms=None, merchant_key=sandbox_key().public_key().pem()
    )
    sandbox = Sandbox(settings)
    async with sandbox_client(sandbox=sandbox, card_key=sandbox_key()) as client:
        yield Bank(client, sandbox)


async def test_a_money_event_is_confirmed_by_one_query(bank: Bank) -> None:
    """Handlers see the query's row, not the event's words."""
    order = await bank.client.cards.open(card_type_id=111001, amount="50")
    bank.sandbox.controls.settle_now()
    body = {"orderNo": order.order_no, "type": "create", "status": "success", "amount": "9999"}
    assert await bank.send(OPERATION, **body) == "handled"
    (event,) = bank.seen
    assert event.confirmed
    assert (event.data.amount, event.data.card_no) == (50, order.card_no)
    assert bank.heard == [event]


async def test_an_event_that_runs_ahead_is_not_believed_yet(bank: Bank) -> None:
    """The query says processing: the sender comes again, and then it is true."""
    order = await bank.client.cards.open(card_type_id=111001, amount="50")
    body = {"orderNo": order.order_no, "type": "create", "status": "success"}
    assert await bank.send(OPERATION, **body) == "unconfirmed"
    assert bank.seen == []
    assert [hint.confirmed for hint in bank.heard] == [False]
    bank.sandbox.controls.settle_now()
    assert await bank.send(OPERATION, **body) == "handled"
    assert await bank.send(OPERATION, **body) == "duplicate"


async def test_an_order_that_nobody_knows_is_not_believed(bank: Bank) -> None:
    """A replay from elsewhere, or a query that is behind: neither is acknowledged."""
    body = sample(OPERATION)
    receipt = await bank.inbox.receive(*sign_webhook(body))
    assert (receipt.outcome, receipt.reply.status) == ("unconfirmed", 503)
    assert not receipt.accepted
    other = await bank.client.cards.open(card_type_id=111001, amount="50")
    body = {"orderNo": other.order_no, "type": "deposit", "status": "processing"}
    assert await bank.send(OPERATION, **body) == "unconfirmed"


async def test_an_old_event_brings_the_present_row(bank: Bank) -> None:
    """A replayed ``processing`` of a finished order is handed over as what the order is now."""
    order = await bank.client.cards.open(card_type_id=111001, amount="50")
    bank.sandbox.controls.settle_now()
    body = {"orderNo": order.order_no, "type": "create", "status": "processing"}
    assert await bank.send(OPERATION, **body) == "handled"
    assert bank.seen[-1].status == "success"
    assert await bank.send(OPERATION, **{**body, "status": "wait_process"}) == "late"


async def test_a_query_that_fails_confirms_nothing(bank: Bank) -> None:
    """The event is kept and the sender asked to come again."""
    await bank.client.aclose()
    assert await bank.send(OPERATION, **sample(OPERATION)) == "unconfirmed"
    (kept,) = await bank.inbox.store.waiting(now=1e12, limit=9, below=9)
    assert kept.attempts == 1


async def test_purchases_and_fees_are_confirmed_too(bank: Bank) -> None:
    """Each by the query of its own; a message is not about money and is not asked for."""
    order = await bank.client.cards.open(card_type_id=111001, amount="50")
    bank.sandbox.controls.settle_now()
    assert order.card_no is not None
    bought = bank.sandbox.controls.simulate_purchase(order.card_no, "5")
    fee = bank.sandbox.controls.simulate_fee_patch(order.card_no, "0.5")
    common = {"cardNo": order.card_no}
    held = {"tradeNo": bought.trade_no, "type": "auth", "status": "authorized", **common}
    assert await bank.send(AUTHORIZATION, authorizedAmount="5", **held) == "handled"
    assert await bank.send(AUTHORIZATION, **{**held, "status": "succeed"}) == "unconfirmed"
    paid = {"tradeNo": fee.trade_no, "type": "card_patch_fee", "amount": "0.5", **common}
    funds = {"deductionSourceFunds": "wallet", "status": "success"}
    assert await bank.send("card_fee_patch", **paid, **funds) == "handled"
    assert await bank.send("card_3ds", **sample("card_3ds")) == "handled"
    assert [event.confirmed for event in bank.seen] == [True, True, False]
    assert isinstance(bank.seen[-1].data.values, Sealed)


@pytest.mark.slow
def test_the_import_is_light() -> None:
    """Who receives webhooks in one framework does not load the others, nor a database."""
    heavy = ["aiohttp", "asyncpg", "cryptography", "fastapi", "litestar", "sqlite3"]
    # A coverage tool that starts with the interpreter loads modules of its own.
    code = (
        "import sys; had = set(sys.modules); import fincard_async.webhooks;"
        f" print([m for m in {heavy} if m in sys.modules.keys() - had])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout == "[]\n"
