"""Waiting until an operation is final: one poller for all who wait."""

from __future__ import annotations

import itertools
from typing import Any

import anyio
import msgspec
import pytest

from fincard_async import BearerToken, FincardClient
from fincard_async._generated.models.cards import CardOperation
from fincard_async._generated.models.common import OperationStatus
from fincard_async._generated.models.transactions import OperationRecord
from fincard_async._sansio.messages import HttpRequest
from fincard_async.errors import (
    ClientClosed,
    FincardError,
    ServerError,
    StatusContradiction,
    TimedOut,
    ValidationError,
)
from fincard_async.testing import FakeClock, ScriptedTransport, reply
from fincard_async.waiters import FINAL, LIST_FROM, wait_until_final

from .test_settle import Answer, Query, asking, row

pytestmark = pytest.mark.anyio

NUMBER = "WAITERS-TEST-000000000000001"


def many(count: int) -> list[str]:
    """Order numbers."""
    return [f"WAITERS-TEST-{number:015}" for number in range(count)]


class Server(Query):
    """Orders that become final when their time comes."""

    def __init__(self, clock_at: dict[str, float], start: float = 1000.0) -> None:
        super().__init__(*[row(number, status="processing") for number in clock_at])
        self.due = {number: start + seconds for number, seconds in clock_at.items()}
        self.clock: FakeClock | None = None
        self.times: list[float] = []

    def __call__(self, request: HttpRequest) -> Answer:
        """One page, as it is now."""
        assert self.clock is not None
        now = self.clock.monotonic()
        self.times.append(now - 1000.0)
        for item in self.rows:
            if self.due[item["merchantOrderNo"]] <= now:
                item["status"] = "success"
        return super().__call__(request)


async def test_a_final_order_is_returned_at_the_first_look() -> None:
    """Half a second after the mutation, by number, by its answer or by a row of the query."""
    answer = CardOperation(merchant_order_no=NUMBER, status=OperationStatus.PROCESSING)
    async with asking(Query(row(NUMBER, status="fail"))) as (client, clock):
        record = await wait_until_final(client, NUMBER, timeout=60)
        assert record.status is OperationStatus.FAIL
        assert await wait_until_final(client, answer, timeout=60) == record
        assert await wait_until_final(client, record, timeout=60) == record
        assert clock.slept == [0.5] * 3


@pytest.mark.parametrize("known", [OperationStatus.SUCCESS, OperationStatus.FAIL])
async def test_a_final_status_is_not_overwritten(known: OperationStatus) -> None:
    """What the caller was told before and what the query says now cannot both be true."""
    answer = CardOperation(merchant_order_no=NUMBER, status=known)
    [other] = FINAL - {known}
    async with asking(Query(row(NUMBER, status=str(other)))) as (client, _):
        with pytest.raises(StatusContradiction, match=f"{known}, and now is {other}") as caught:
            await wait_until_final(client, answer, timeout=60)
    assert (caught.value.first, caught.value.then) == (known, other)
    assert caught.value.order_no == NUMBER


async def test_a_query_that_lags_behind_is_waited_for() -> None:
    """The mutation's answer said success, the query does not yet: that is no contradiction."""
    answer = CardOperation(merchant_order_no=NUMBER, status=OperationStatus.SUCCESS)
    server = Server({NUMBER: 3.0})
    async with asking(server) as (client, server.clock):
        record = await wait_until_final(client, answer, timeout=60)
    assert record.status is OperationStatus.SUCCESS


async def test_it_asks_less_and_less_often() -> None:
    """After half a second, then twice as long each time, up to every thirty seconds."""
    server = Server({NUMBER: 150.0})
    async with asking(server) as (client, server.clock):
        await wait_until_final(client, NUMBER, timeout=3600)
    assert server.times == pytest.approx([0.5, 1.5, 3.5, 7.5, 15.5, 31.5, 61.5, 91.5, 121.5, 151.5])


async def test_a_day_of_processing_ends() -> None:
    """No number grows without bound on the way."""
    server = Server({NUMBER: 86_400.0})
    async with asking(server) as (client, server.clock):
        await wait_until_final(client, NUMBER, timeout=100_000)
    assert 2_800 < len(server.asked) < 3_000


async def test_not_final_in_time() -> None:
    """The error names the order, and another wait goes on where this one ended."""
    server = Server({NUMBER: 20.0})
    async with asking(server) as (client, server.clock):
        with pytest.raises(TimedOut, match="is not final") as caught:
            await wait_until_final(client, NUMBER, timeout=10.0)
        assert server.clock.monotonic() == pytest.approx(1010.0)
        assert caught.value.order_no == NUMBER
        record = await wait_until_final(client, NUMBER, timeout=60.0)
    assert record.merchant_order_no == NUMBER


async def test_a_later_process_goes_on() -> None:
    """A new client knows nothing but the number."""
    server = Server({NUMBER: 20.0})
    async with asking(server) as (client, server.clock):
        with pytest.raises(TimedOut):
            await wait_until_final(client, NUMBER, timeout=10.0)
    async with asking(server) as (client, server.clock):
        server.clock.advance(10.0)
        await wait_until_final(client, NUMBER, timeout=60.0)


@pytest.mark.parametrize("timeout", [0, -1.0])
async def test_a_wait_needs_time(timeout: float) -> None:
    """A wait without a deadline does not exist."""
    async with asking(Query()) as (client, _):
        with pytest.raises(ValidationError, match="timeout"):
            await wait_until_final(client, NUMBER, timeout=timeout)


async def test_a_wait_needs_a_number() -> None:
    """A row of what the platform did by itself has none."""
    record = msgspec.convert(row(None, amount=None), OperationRecord)
    async with asking(Query()) as (client, _):
        for operation in (record, ""):
            with pytest.raises(ValidationError, match="no order number"):
                await wait_until_final(client, operation, timeout=60.0)


async def _wait(client: FincardClient, number: str, into: list[Any], timeout: float) -> None:
    try:
        into.append((await wait_until_final(client, number, timeout=timeout)).merchant_order_no)
    except FincardError as error:
        into.append(type(error).__name__)


async def test_many_orders_are_watched_by_one_list() -> None:
    """Thirty orders cost one call a round, not thirty."""
    numbers = many(30)
    server = Server(dict.fromkeys(numbers, 10.0))
    done: list[str] = []
    async with asking(server) as (client, server.clock), anyio.create_task_group() as group:
        for number in numbers:
            group.start_soon(_wait, client, number, done, 600.0)
    assert sorted(done) == numbers
    assert {wanted for _, wanted in server.asked} == {None}
    assert len(server.asked) == len({round(moment, 3) for moment in server.times}) <= 6


async def test_few_orders_are_asked_for_one_by_one() -> None:
    """Below the limit a list would be longer than what is looked for."""
    numbers = many(LIST_FROM - 1)
    server = Server(dict.fromkeys(numbers, 0.0))
    done: list[str] = []
    async with asking(server) as (client, server.clock), anyio.create_task_group() as group:
        for number in numbers:
            group.start_soon(_wait, client, number, done, 600.0)
    assert sorted(wanted for _, wanted in server.asked if wanted) == numbers


async def test_the_list_is_read_as_far_as_needed() -> None:
    """Old orders stand on later pages; one that no page shows is asked for by its number."""
    numbers = many(LIST_FROM)
    server = Server(
        {f"OTHER-{number:030}": 0.0 for number in range(150)} | dict.fromkeys(numbers, 0.0)
    )
    hidden = server.rows.pop()
    server.before = lambda count: (
        reply({"total": 1, "records": [{**hidden, "status": "success"}]})
        if server.asked[-1][1] == hidden["merchantOrderNo"]
        else None
    )
    done: list[str] = []
    async with asking(server) as (client, server.clock), anyio.create_task_group() as group:
        for number in numbers:
            group.start_soon(_wait, client, number, done, 600.0)
    assert sorted(done) == numbers
    assert server.asked == [(1, None), (2, None), (3, None), (1, hidden["merchantOrderNo"])]


async def test_a_list_without_end_is_left() -> None:
    """After fifty pages, the rest is asked for by number."""
    numbers = many(LIST_FROM)
    others = {f"OTHER-{number:030}": 0.0 for number in range(6_000)}
    server = Server(others | dict.fromkeys(numbers, 0.0))
    done: list[str] = []
    async with asking(server) as (client, server.clock), anyio.create_task_group() as group:
        for number in numbers:
            group.start_soon(_wait, client, number, done, 600.0)
    assert sorted(done) == numbers
    assert len(server.asked) == 50 + LIST_FROM


async def test_waiters_of_one_order_share_the_answer() -> None:
    """A hundred who wait for the same order are one question."""
    server = Server({NUMBER: 3.0})
    done: list[str] = []
    async with asking(server) as (client, server.clock), anyio.create_task_group() as group:
        view = client.with_options(timeout=5.0)
        for number in range(100):
            group.start_soon(_wait, view if number % 2 else client, NUMBER, done, 600.0)
    assert done == [NUMBER] * 100
    assert len(server.asked) == 3


class Held(FakeClock):
    """A clock whose sleepers wait for the test."""

    def __init__(self) -> None:
        super().__init__()
        self.go = anyio.Event()
        self.inside = 0

    async def sleep(self, seconds: float) -> None:
        """Wait until the test lets go, and then only take the time."""
        self.inside += 1
        try:
            await self.go.wait()
        finally:
            self.inside -= 1
        await super().sleep(seconds)


def _over(server: Query, clock: FakeClock) -> FincardClient:
    return FincardClient(
        base_url="http://127.0.0.1",
        auth=BearerToken("t"),
        tenant_id="acme",
        transport=ScriptedTransport(itertools.repeat(server)),
        clock=clock,
    )


async def test_a_cancelled_poller_passes_the_turn() -> None:
    """The one who sleeps for all is cancelled; another takes over, and nobody waits in vain."""
    clock = Held()
    server = Server(dict.fromkeys(many(3), 0.0))
    server.clock = clock
    client = _over(server, clock)
    done: list[str] = []
    async with anyio.create_task_group() as group:
        async with anyio.create_task_group() as first:
            first.start_soon(_wait, client, many(3)[0], done, 600.0)
            await anyio.wait_all_tasks_blocked()
            for number in many(3)[1:]:
                group.start_soon(_wait, client, number, done, 600.0)
            await anyio.wait_all_tasks_blocked()
            assert clock.inside == 1
            first.cancel_scope.cancel()
        await anyio.wait_all_tasks_blocked()
        assert clock.inside == 1
        clock.go.set()
    assert sorted(done) == many(3)[1:]
    assert {wanted for _, wanted in server.asked} == set(many(3)[1:])


async def test_a_poller_cancelled_while_it_asks_passes_the_turn() -> None:
    """The question is asked again by the next one."""
    server = Server({NUMBER: 0.0})
    done: list[str] = []
    first = anyio.CancelScope()

    async def cancelled() -> None:
        with first:
            await _wait(client, NUMBER, done, 600.0)

    def cancel(count: int) -> None:
        if count == 1:
            first.cancel()

    server.before = cancel
    async with asking(server) as (client, server.clock), anyio.create_task_group() as group:
        group.start_soon(cancelled)
        group.start_soon(_wait, client, NUMBER, done, 600.0)
    assert NUMBER in done


async def test_a_new_order_does_not_wait_for_the_old_ones() -> None:
    """The poller sleeps for half a minute; an order that joins is asked for in half a second."""
    old, new = many(2)
    server = Server({old: 200.0, new: 40.0})
    naps: list[float] = []

    class Watched(FakeClock):
        async def sleep(self, seconds: float) -> None:
            naps.append(seconds)
            if seconds == 30.0 and not joined.is_set():
                joined.set()
                await anyio.sleep_forever()
            await super().sleep(seconds)

    joined = anyio.Event()
    clock = server.clock = Watched()
    client = _over(server, clock)
    done: list[str] = []
    async with anyio.create_task_group() as group:
        group.start_soon(_wait, client, old, done, 600.0)
        await joined.wait()
        group.start_soon(_wait, client, new, done, 600.0)
    assert done == [new, old]
    assert naps[naps.index(30.0) + 1] == 0.5


async def test_bad_weather_is_waited_out() -> None:
    """A query that fails ends nothing while there is time."""
    server = Server({NUMBER: 0.0})
    server.before = lambda count: reply(status=500) if count <= 6 else None
    async with asking(server) as (client, server.clock):
        await wait_until_final(client, NUMBER, timeout=600.0)


async def test_the_last_failure_is_told() -> None:
    """Nothing is known because the queries failed, so that is what the caller hears."""
    server = Query(row(NUMBER))
    server.before = lambda count: reply(status=500)
    done: list[str] = []
    async with asking(server) as (client, _):
        with pytest.raises(ServerError):
            await wait_until_final(client, NUMBER, timeout=30.0)
        async with anyio.create_task_group() as group:
            for number in many(LIST_FROM):
                group.start_soon(_wait, client, number, done, 30.0)
    assert done == ["ServerError"] * LIST_FROM


async def test_a_failure_that_passed_is_not_told() -> None:
    """The last query worked; the order is just not final."""
    server = Server({NUMBER: 1000.0})
    server.before = lambda count: reply(status=403, code=403) if count == 1 else None
    async with asking(server) as (client, server.clock):
        with pytest.raises(TimedOut):
            await wait_until_final(client, NUMBER, timeout=30.0)


async def test_a_closed_client_is_told_at_once() -> None:
    """Waiting on would be in vain, for everybody."""

    def closed(count: int) -> Any:
        raise ClientClosed("the client is closed")

    server = Query(row(NUMBER))
    server.before = closed
    done: list[str] = []
    async with asking(server) as (client, clock):
        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(_wait, client, NUMBER, done, 600.0)
        assert done == ["ClientClosed"] * 3
        assert sum(clock.slept) < 5
