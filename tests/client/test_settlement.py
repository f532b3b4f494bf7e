"""A mutation whose answer was lost is looked up by its number, inside the call's own deadline."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import anyio
import pytest

from fincard_async import CallOptions, FincardClient, RetryPolicy
from fincard_async._generated.models.common import OperationStatus, OperationType
from fincard_async._sansio.messages import HttpRequest, HttpResponse
from fincard_async._sansio.options import NO_RETRY
from fincard_async.errors import (
    ConnectionLost,
    DuplicateOrder,
    IdempotencyConflict,
    InsufficientFunds,
    InvalidRequest,
    OutcomeUnknown,
    ResponseMismatch,
)
from fincard_async.sandbox import Sandbox, SandboxSettings, SandboxTransport
from fincard_async.sandbox.catalog import PREPAID
from fincard_async.settle import settle
from fincard_async.testing import FakeClock, Fault, ScriptedFaults, fault, sandbox_client

pytestmark = pytest.mark.anyio

SEND_ONCE = RetryPolicy(dedupe="none")
NUMBER = "SETTLEMENT-TEST-000000000001"


class Recorded(SandboxTransport):
    """Keeps what was sent."""

    requests: list[HttpRequest]

    async def send(self, request: HttpRequest, timeout: float) -> HttpResponse:
        """Pass it on."""
        self.requests.append(request)
        return await super().send(request, timeout)

    def sent(self, word: str) -> list[HttpRequest]:
        """The requests to one endpoint."""
        return [request for request in self.requests if request.path.endswith(word)]


@dataclass
class World:
    """A client, its sandbox, and the clock that both live by."""

    client: FincardClient
    sandbox: Sandbox
    clock: FakeClock
    wire: Recorded

    async def card(self) -> str:
        """A card that works."""
        opened = await self.client.cards.open(card_type_id=PREPAID, amount="100", holder_id=124801)
        self.clock.advance(1.0)
        row = await self.client.transactions.operations(
            merchant_order_no=opened.merchant_order_no
        ).first()
        assert row is not None
        assert row.card_no is not None
        return row.card_no


@asynccontextmanager
async def world(
    *script: tuple[str, int | None, Fault | str],
    sandbox: SandboxSettings | None = None,
    **settings: Any,
) -> AsyncGenerator[World]:
    """A client whose calls meet a script of faults."""
    clock = FakeClock()
    server = Sandbox(sandbox or SandboxSettings(), clock=clock.wall)
    wire = Recorded(server, faults=ScriptedFaults(script), clock=clock)
    wire.requests = []
    async with sandbox_client(
        sandbox=server, transport=wire, clock=clock, timeout=60.0, **settings
    ) as client:
        yield World(client, server, clock, wire)


Change = Callable[[FincardClient, str], Any]
CHANGES: dict[str, tuple[str, Change]] = {
    "cards.deposit": ("deposit", lambda client, card: client.cards.deposit(card, amount="10")),
    "cards.withdraw": ("withdraw", lambda client, card: client.cards.withdraw(card, amount="1.5")),
    "cards.freeze": ("Freeze", lambda client, card: client.cards.freeze(card)),
    "cards.cancel": ("cancel", lambda client, card: client.cards.cancel(card)),
}


@pytest.mark.parametrize("policy", [RetryPolicy(), SEND_ONCE], ids=["resent", "once"])
@pytest.mark.parametrize("loss", ["drop", "502", "html-200", "hang", "truncated"])
@pytest.mark.parametrize("name", CHANGES)
async def test_a_lost_answer_is_found(name: str, loss: str, policy: RetryPolicy) -> None:
    """It was carried out once, its result is returned, and no doubt stays."""
    async with world((name, 1, f"commit-then-{loss}"), retry=policy) as here:
        card = await here.card()
        kind, change = CHANGES[name]
        result = await change(here.client, card)
        assert (result.type, result.card_no) == (OperationType(kind), card)
        assert here.client.in_doubt() == ()
        assert here.sandbox.controls.ledger().orders == 2
        assert here.sandbox.controls.doubled() == []
        bodies = [r.body for r in here.wire.requests if result.merchant_order_no.encode() in r.body]
        changes = [body for body in bodies if b"pageNum" not in body]
        assert len(changes) == (1 if policy is SEND_ONCE else 2)
        assert len(set(changes)) == 1


async def test_a_new_card_is_found() -> None:
    """The costliest case: the card exists, and its answer is lost."""
    async with world(("cards.open", 1, "commit-then-drop"), retry=SEND_ONCE) as here:
        opened = await here.client.cards.open(card_type_id=PREPAID, amount="50", holder_id=124801)
        assert opened.amount == Decimal(50)
        assert opened.type is OperationType.CREATE
        assert here.sandbox.controls.ledger().cards == 1


async def test_what_lands_later_is_found_later() -> None:
    """It is not there at the first look, and there a second after."""
    late = fault("drop-then-commit", late_ms=3_000)
    async with world(("cards.open", 1, late), retry=SEND_ONCE) as here:
        began = here.clock.monotonic()
        opened = await here.client.cards.open(card_type_id=PREPAID, amount="50", holder_id=124801)
        assert opened.merchant_order_no
        assert 3.0 <= here.clock.monotonic() - began < 6.0
        assert here.client.in_doubt() == ()


HANGS = ("cards.deposit", None, "commit-then-hang")


@pytest.mark.parametrize("timeout", [1.0, 2.0, 10.0, 15.0, 30.0, 31.0, 60.0])
@pytest.mark.parametrize("policy", [RetryPolicy(), SEND_ONCE], ids=["resent", "once"])
async def test_attempts_that_hang_leave_time_to_settle(policy: RetryPolicy, timeout: float) -> None:
    """However long each attempt takes, a look-up still fits: the call ends with its result."""
    async with world(HANGS, retry=policy) as here:
        card = await here.card()
        began = here.clock.monotonic()
        options = CallOptions(timeout=timeout)
        order = await here.client.cards.deposit(card, amount="10", options=options)
        assert here.clock.monotonic() - began < timeout
        assert here.wire.sent("transaction")
        assert here.client.in_doubt() == ()
        assert order.merchant_order_no


async def test_who_does_not_settle_has_all_the_time() -> None:
    """Without look-ups nothing is kept back: the attempt may use the whole deadline."""
    async with world(HANGS, retry=NO_RETRY) as here:
        card = await here.card()
        began = here.clock.monotonic()
        with pytest.raises(OutcomeUnknown):
            await here.client.cards.deposit(card, amount="10", options=CallOptions(timeout=10.0))
        assert here.clock.monotonic() - began == 10.0


async def test_a_call_ends_at_its_deadline_though_the_look_up_hangs() -> None:
    """The deadline is the call's own: when a look-up takes the rest of it, the call ends there."""
    async with world(HANGS, ("transactions.operations", None, "commit-then-hang")) as here:
        card = await here.client.cards.open(card_type_id=PREPAID, amount="90", holder_id=124801)
        here.wire.requests.clear()
        began = here.clock.monotonic()
        with pytest.raises(OutcomeUnknown):
            await here.client.cards.deposit(
                card.card_no or "C1", amount="10", options=CallOptions(timeout=15.0)
            )
        assert here.clock.monotonic() - began <= 15.0
        assert len(here.wire.requests) == 2
        assert len(here.client.in_doubt()) == 1


async def test_what_never_lands_stays_unknown() -> None:
    """Absence proves nothing within the deadline; the call ends there and names its number."""
    async with world(("cards.open", 1, "drop-before-commit"), retry=SEND_ONCE) as here:
        began = here.clock.monotonic()
        with pytest.raises(OutcomeUnknown) as caught:
            await here.client.cards.open(card_type_id=PREPAID, amount="50", holder_id=124801)
        assert 50.0 < here.clock.monotonic() - began <= 60.0
        assert [d.order_no for d in here.client.in_doubt()] == [caught.value.order_no]
        assert [d.operation for d in here.client.in_doubt()] == ["cards.open"]


async def test_a_server_that_ignores_the_filter_is_paged_through() -> None:
    """The order stands on the third page, among other people's rows."""
    ignored = ("transactions.operations", None, "query-ignores-filter")
    async with world(ignored) as here:
        card = await here.card()
        first = await here.client.cards.deposit(card, amount="9", merchant_order_no=NUMBER)
        for _ in range(230):
            await here.client.cards.deposit(card, amount="5")
        here.wire.requests.clear()
        again = await here.client.cards.deposit(card, amount="9", merchant_order_no=NUMBER)
        assert again.order_no == first.order_no
        assert len(here.wire.requests) == 1 + 3


async def test_a_query_that_fails_is_asked_again() -> None:
    """The look-up meets the same bad weather as the call, and gets through in the end."""
    script = [
        ("cards.open", 1, "commit-then-drop"),
        *[("transactions.operations", n, "503-before-commit") for n in range(1, 7)],
    ]
    async with world(*script, retry=SEND_ONCE) as here:
        opened = await here.client.cards.open(card_type_id=PREPAID, amount="50", holder_id=124801)
        assert opened.type is OperationType.CREATE
        assert here.client.in_doubt() == ()


async def test_a_query_that_never_works_leaves_the_first_error() -> None:
    """What the caller must know is that the outcome is unknown, not that a query failed."""
    script = [
        ("cards.open", 1, "commit-then-502"),
        ("transactions.operations", None, "403-before-commit"),
    ]
    async with world(*script, retry=SEND_ONCE) as here:
        with pytest.raises(OutcomeUnknown) as caught:
            await here.client.cards.open(card_type_id=PREPAID, amount="50", holder_id=124801)
        assert caught.value.status == 502
        assert len(here.client.in_doubt()) == 1


@pytest.mark.parametrize(
    "second, others",
    [
        (lambda c, card: c.cards.deposit(card, amount="11", merchant_order_no=NUMBER), "amount"),
        (lambda c, card: c.cards.freeze(card, merchant_order_no=NUMBER), "kind"),
        (
            lambda c, card: c.cards.withdraw(card, amount="9", merchant_order_no=NUMBER),
            "kind, amount",
        ),
        (
            lambda c, card: c.cards.open(
                card_type_id=PREPAID, amount="10", holder_id=124801, merchant_order_no=NUMBER
            ),
            "kind",
        ),
    ],
)
async def test_another_order_under_the_number_is_loud(second: Change, others: str) -> None:
    """A number that was used for something else is never taken for this order."""
    async with world() as here:
        card = await here.card()
        await here.client.cards.deposit(card, amount="10", merchant_order_no=NUMBER)
        with pytest.raises(DuplicateOrder) as caught:
            await second(here.client, card)
        assert isinstance(caught.value.__cause__, ResponseMismatch)
        assert caught.value.__cause__.message == f"the order exists with another {others}"
        assert caught.value.maybe_applied


async def test_another_card_under_the_number_is_loud() -> None:
    """The same deposit to another card is another order."""
    async with world() as here:
        first, second = await here.card(), await here.card()
        await here.client.cards.deposit(first, amount="10", merchant_order_no=NUMBER)
        with pytest.raises(DuplicateOrder) as caught:
            await here.client.cards.deposit(second, amount="10", merchant_order_no=NUMBER)
        assert isinstance(caught.value.__cause__, ResponseMismatch)
        assert caught.value.__cause__.message == "the order exists with another card_no"


async def test_a_repeat_of_the_same_order_is_the_same_order() -> None:
    """After a crash, the same call with the same number returns what the first one did."""
    async with world() as here:
        card = await here.card()
        first = await here.client.cards.deposit(card, amount="10", merchant_order_no=NUMBER)
        here.clock.advance(1.0)
        again = await here.client.cards.deposit(card, amount="10.00", merchant_order_no=NUMBER)
        assert (again.order_no, again.status) == (first.order_no, OperationStatus.SUCCESS)
        assert here.sandbox.controls.ledger().orders == 2


async def test_a_failed_order_is_found_as_failed() -> None:
    """What the server recorded as ``fail`` is a result, not an error."""
    async with world(("cards.deposit", 1, "commit-then-drop")) as here:
        card = await here.card()
        here.sandbox.controls.fail_next("deposit")
        result = await here.client.cards.deposit(card, amount="10")
        here.clock.advance(1.0)
        number = result.merchant_order_no
        again = await here.client.cards.deposit(card, amount="10", merchant_order_no=number)
        assert (again.order_no, again.status) == (result.order_no, OperationStatus.FAIL)


@pytest.mark.parametrize("dedupe", ["replay", "error"])
async def test_a_server_that_replays(dedupe: Any) -> None:
    """The resend gets the first answer again; no query is needed."""
    async with world(
        ("cards.deposit", 1, "commit-then-drop"),
        sandbox=SandboxSettings(dedupe="replay"),
        retry=RetryPolicy(dedupe=dedupe),
    ) as here:
        card = await here.card()
        here.wire.requests.clear()
        await here.client.cards.deposit(card, amount="10")
        assert [r.path.rsplit("/", 1)[1] for r in here.wire.requests] == ["deposit", "deposit"]
        assert here.sandbox.controls.doubled() == []


async def test_a_server_without_dedupe_never_gets_it_twice() -> None:
    """With ``dedupe="none"`` a lost answer is only looked up."""
    async with world(
        ("cards.deposit", 1, "commit-then-drop"),
        sandbox=SandboxSettings(dedupe="none"),
        retry=SEND_ONCE,
    ) as here:
        card = await here.card()
        await here.client.cards.deposit(card, amount="10")
        assert here.sandbox.controls.doubled() == []
        assert len(here.wire.sent("/deposit")) == 1


@pytest.mark.parametrize("policy", [NO_RETRY, RetryPolicy(settle=False)])
async def test_settlement_can_be_left_to_the_caller(policy: RetryPolicy) -> None:
    """Then an unknown outcome and a duplicate are told as they are, and nothing is asked."""
    async with world(("cards.deposit", None, "commit-then-drop")) as here:
        card = await here.card()
        here.wire.requests.clear()
        with pytest.raises(OutcomeUnknown):
            await here.client.cards.deposit(card, amount="10", options=CallOptions(retry=policy))
        assert len(here.wire.sent("/deposit")) == policy.write_attempts
        assert here.wire.sent("/transaction") == []
        assert len(here.client.in_doubt()) == 1


async def test_a_refusal_after_a_lost_attempt_is_not_final() -> None:
    """The second attempt is refused for want of funds, because the first one took them."""
    first = fault("drop-then-commit", late_ms=10)
    settings = SandboxSettings(funds=Decimal(112), dedupe="none")
    async with world(("cards.open", 1, first), sandbox=settings) as here:
        opened = await here.client.cards.open(card_type_id=PREPAID, amount="100", holder_id=124801)
        assert opened.amount == Decimal(100)
        assert here.sandbox.controls.ledger().cards == 1
        with pytest.raises(InsufficientFunds) as caught:
            await here.client.cards.open(card_type_id=PREPAID, amount="100", holder_id=124801)
        assert not caught.value.maybe_applied


async def test_a_refusal_of_a_later_call_is_not_final_either() -> None:
    """The number was sent before and nobody knows how that ended, so nothing is final yet."""
    async with world(("cards.deposit", 1, "drop-before-commit"), retry=NO_RETRY) as here:
        card = await here.card()
        causes: list[object] = []
        for _ in range(2):  # lost, and then refused: it is too much
            with pytest.raises(OutcomeUnknown) as caught:
                await here.client.cards.deposit(card, amount="1000000000", merchant_order_no=NUMBER)
            causes.append(type(caught.value.__cause__))
        assert causes == [ConnectionLost, InvalidRequest]
        with pytest.raises(IdempotencyConflict):
            await here.client.cards.deposit(card, amount="10", merchant_order_no=NUMBER)
        assert len(here.client.in_doubt()) == 1


async def test_a_cancelled_call_leaves_its_number() -> None:
    """The cancel passes unchanged; the number is there for whoever settles it."""
    async with world() as here:
        card = await here.card()
        stuck = Stuck(here.wire)
        ended: list[BaseException] = []

        async def deposit(client: FincardClient) -> None:
            try:
                await client.cards.deposit(card, amount="10")
            except BaseException as error:
                ended.append(error)
                raise

        async with sandbox_client(
            sandbox=here.sandbox, transport=stuck, clock=here.clock
        ) as client:
            before: tuple[object, ...] = ()
            async with anyio.create_task_group() as group:
                group.start_soon(deposit, client)
                await stuck.waiting.wait()
                before = client.in_doubt()
                group.cancel_scope.cancel()
            assert [type(error) for error in ended] == [anyio.get_cancelled_exc_class()]
            (doubt,) = client.in_doubt()
            assert before == (doubt,)
            assert doubt.operation == "cards.deposit"
            assert doubt.order_no in repr(doubt)
        here.clock.advance(1.0)
        settlement = await settle(here.client, doubt.order_no, kind="deposit", amount="10")
        assert settlement.state == "success"


class Stuck:
    """A wire that answers nothing but logins until it is let go."""

    def __init__(self, wire: Recorded) -> None:
        self.wire = wire
        self.waiting = anyio.Event()

    async def send(self, request: HttpRequest, timeout: float) -> HttpResponse:
        """Carry it out, and keep the answer for ever."""
        answer = await self.wire.send(request, timeout)
        if not request.path.endswith("/sessions"):
            self.waiting.set()
            await anyio.sleep_forever()
        return answer

    async def aclose(self) -> None:
        """Nothing to close."""
