"""Single causes, each with the damage that it would do: absence, deadlines, pauses, doubts."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from fincard_async import CallOptions, FincardClient, RetryPolicy
from fincard_async._sansio.messages import HttpRequest, HttpResponse
from fincard_async.errors import FincardError, OutcomeUnknown
from fincard_async.sandbox import Sandbox, SandboxSettings, SandboxTransport
from fincard_async.settle import SETTLE_TIME, settle
from fincard_async.testing import FakeClock, Fault, ScriptedFaults, fault, reply, sandbox_client

from .world import PREPAID

pytestmark = [pytest.mark.anyio, pytest.mark.faults]

QUERY = "transactions.operations"
NUMBER = "A" * 24
EMPTY = reply({"records": [], "total": 0})
Spoil = Callable[[HttpRequest], HttpResponse | None]


class Spoiled(SandboxTransport):
    """Gives another answer where ``spoil`` says so, and notes when each request came."""

    spoil: Spoil | None = None

    async def send(self, request: HttpRequest, timeout: float) -> HttpResponse:
        """Ask the sandbox, and show what is to be shown."""
        response = await super().send(request, timeout)
        other = None if self.spoil is None else self.spoil(request)
        return response if other is None else other


@dataclass
class World:
    """A client, its sandbox, and time."""

    client: FincardClient
    sandbox: Sandbox
    clock: FakeClock
    wire: Spoiled

    async def open(self, number: str | None = None, timeout: float = 30.0) -> FincardError | None:
        """Order a card; the error, if it ends as one."""
        try:
            await self.client.cards.open(
                card_type_id=PREPAID,
                amount="10",
                merchant_order_no=number,
                options=CallOptions(timeout=timeout),
            )
        except FincardError as error:
            return error
        return None

    async def state(self, waited: float) -> str:
        """What ``settle`` says of the number that was last sent so long ago."""
        sent_at = self.clock.wall() - waited
        return (await settle(self.client, NUMBER, sent_at=sent_at, timeout=5.0)).state


@asynccontextmanager
async def world(
    *script: tuple[str, int | None, Fault | str], retry: RetryPolicy | None = None
) -> AsyncGenerator[World]:
    """A client whose calls meet a script of faults."""
    clock = FakeClock()
    sandbox = Sandbox(SandboxSettings(latency_ms=0), clock=clock.wall)
    wire = Spoiled(sandbox, faults=ScriptedFaults(script), clock=clock)
    async with sandbox_client(sandbox=sandbox, transport=wire, clock=clock, retry=retry) as client:
        yield World(client, sandbox, clock, wire)


def asks_for(number: str) -> Spoil:
    """Nothing is found under a number."""
    return lambda request: EMPTY if number.encode() in request.body else None


async def test_absent_when_all_is_proven() -> None:
    """The settle time is over, the controls hold, and the order is not there: it never will be."""
    async with world() as it:
        await it.open()
        assert await it.state(SETTLE_TIME) == "absent"


async def test_not_absent_while_it_may_arrive() -> None:
    """A request that is on its way is not absent: here it lands in the next minute."""
    late = fault("drop-then-commit", late_ms=60_000)
    async with world(("cards.open", 2, late), retry=RetryPolicy(dedupe="none")) as it:
        await it.open()
        assert isinstance(await it.open(NUMBER), OutcomeUnknown)
        assert await it.state(40.0) == "unknown"
        it.clock.advance(60.0)
        assert await it.state(0.0) == "success"


async def test_not_absent_without_a_positive_control() -> None:
    """A query by number that never finds anything proves nothing."""
    async with world() as it:
        await it.open()
        await it.open(NUMBER)
        it.wire.spoil = lambda request: EMPTY if b"merchantOrderNo" in request.body else None
        assert await it.state(SETTLE_TIME) == "unknown"


async def test_not_absent_after_one_look() -> None:
    """One empty answer may be another query's, mixed up on the way."""
    async with world() as it:
        await it.open()
        await it.open(NUMBER)
        looks: list[HttpRequest] = []

        def first_look(request: HttpRequest) -> HttpResponse | None:
            if NUMBER.encode() not in request.body:
                return None
            looks.append(request)
            return EMPTY if len(looks) == 1 else None

        it.wire.spoil = first_look
        assert await it.state(SETTLE_TIME) == "success"


async def test_settlement_ends_with_the_call() -> None:
    """Attempts and look-ups share the deadline of the call."""
    hang = ("cards.open", None, "hang-before-commit")
    async with world(hang, retry=RetryPolicy(dedupe="none", attempt_timeout=8.0)) as it:
        begun = it.clock.monotonic()
        assert isinstance(await it.open(timeout=10.0), OutcomeUnknown)
        assert 8.0 < it.clock.monotonic() - begun <= 10.0


async def test_everybody_pauses() -> None:
    """A 429 that one call gives up on holds the next call back as well."""
    busy = fault("429-before-commit", retry_after="7")
    async with world(
        ("cards.open", 1, busy), retry=RetryPolicy(write_attempts=1, settle=False)
    ) as it:
        await it.open()
        begun = it.clock.monotonic()
        await it.client.cards.list_types()
        assert it.clock.monotonic() - begun >= 7.0


async def test_an_unknown_outcome_stays_in_doubt() -> None:
    """The number is there to be settled, until it is."""
    lost = ("cards.open", 1, "commit-then-drop")
    async with world(lost, retry=RetryPolicy(dedupe="none", settle=False)) as it:
        error = await it.open(NUMBER)
        assert isinstance(error, OutcomeUnknown)
        assert [doubt.order_no for doubt in it.client.in_doubt()] == [NUMBER]
        assert await it.state(0.0) == "success"


async def test_an_emptied_budget_ends_the_retries() -> None:
    """In a long outage each call is sent once, whatever its policy says."""
    async with world(("cards.list_types", None, "503-before-commit")) as it:
        errors: list[FincardError] = []
        for _ in range(40):
            try:
                await it.client.cards.list_types()
            except FincardError as error:
                errors.append(error)
        assert [error.attempts for error in errors[:3]] == [4, 4, 4]
        assert {error.attempts for error in errors[-20:]} == {1}
