"""Settling an order by its number, by hand, in this process or a later one."""

from __future__ import annotations

import itertools
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from fincard_async import BearerToken, FincardClient
from fincard_async._sansio.messages import HttpRequest, HttpResponse, TransportFailure
from fincard_async._sansio.options import NO_RETRY
from fincard_async.errors import (
    ClientClosed,
    OutcomeUnknown,
    ResponseMismatch,
    ServerError,
    ValidationError,
)
from fincard_async.settle import SETTLE_TIME, settle
from fincard_async.testing import FakeClock, ScriptedTransport, reply

pytestmark = pytest.mark.anyio

NUMBER = "SETTLE-TEST-0000000000000001"
OTHER = "SETTLE-TEST-0000000000000002"
Answer = HttpResponse | TransportFailure


def row(number: str | None = NUMBER, **parts: Any) -> dict[str, Any]:
    """A row of the operation query, as the server writes it."""
    whole = {
        "orderNo": f"P-{number}",
        "type": "deposit",
        "status": "success",
        "merchantOrderNo": number,
        "cardNo": "C1",
        "amount": 5.0,
    }
    return {**whole, **parts}


class Query:
    """The operation query over a list of rows, with or without a filter that works."""

    def __init__(self, *rows: dict[str, Any], filters: bool = True) -> None:
        self.rows = list(rows)
        self.filters = filters
        self.total: int | None = None
        self.most = 100
        self.stuck_on_page_one = False
        self.asked: list[tuple[int, str | None]] = []
        self.before: Callable[[int], Answer | None] = lambda number: None

    def __call__(self, request: HttpRequest) -> Answer:
        """One page."""
        asked = msgspec.json.decode(request.body)
        number, wanted = asked.get("pageNum", 0), asked.get("merchantOrderNo")
        self.asked.append((number, wanted))
        if (answer := self.before(len(self.asked))) is not None:
            return answer
        rows = self.rows
        if self.filters and wanted is not None:
            rows = [item for item in rows if item["merchantOrderNo"] == wanted]
        start = 0 if self.stuck_on_page_one else (number - 1) * self.most
        total = len(rows) if self.total is None else self.total
        return reply({"total": total, "records": rows[start : start + self.most]})


@asynccontextmanager
async def asking(query: Query) -> AsyncGenerator[tuple[FincardClient, FakeClock]]:
    """A client over a query."""
    clock = FakeClock()
    async with FincardClient(
        base_url="http://127.0.0.1",
        auth=BearerToken("t"),
        tenant_id="acme",
        transport=ScriptedTransport(itertools.repeat(query)),
        clock=clock,
    ) as client:
        yield client, clock


@pytest.mark.parametrize(
    "status, state",
    [
        ("success", "success"),
        ("fail", "fail"),
        ("wait_process", "pending"),
        ("processing", "pending"),
        ("unheard-of", "pending"),
    ],
)
async def test_what_the_server_has_is_told(status: str, state: str) -> None:
    """Two states are final; every other one, known or not, is pending."""
    async with asking(Query(row(status=status))) as (client, clock):
        found = await settle(client, NUMBER, kind="deposit", amount="5.00", card_no="C1")
    assert (found.order_no, found.state) == (NUMBER, state)
    assert found.record is not None
    assert found.record.amount == Decimal(5)
    assert clock.slept == []


@pytest.mark.parametrize(
    "asked, others",
    [
        ({"kind": "withdraw"}, "kind"),
        ({"kind": "open"}, "kind"),
        ({"kind": "deposit", "amount": "5.01"}, "amount"),
        ({"kind": "deposit", "card_no": "C2"}, "card_no"),
    ],
)
async def test_another_order_under_the_number_is_loud(asked: dict[str, Any], others: str) -> None:
    """It is never taken for the one that was meant, and the question is not asked again."""
    query = Query(row())
    async with asking(query) as (client, _):
        with pytest.raises(ResponseMismatch, match=f"another {others}") as caught:
            await settle(client, NUMBER, **asked)
    assert caught.value.order_no == NUMBER
    assert len(query.asked) == 1


@pytest.mark.parametrize("kind", ["list_types", "nothing", "get", "", "../auth"])
async def test_only_mutations_are_settled(kind: str) -> None:
    """A read has no outcome; nothing is sent."""
    query = Query()
    async with asking(query) as (client, _):
        with pytest.raises(ValidationError, match="is no mutation"):
            await settle(client, NUMBER, kind=kind)
    assert query.asked == []


async def test_not_found_is_unknown_until_the_time_has_passed() -> None:
    """A request may still be on its way for ``settle_time``; the default says nothing sooner."""
    async with asking(Query(row(OTHER))) as (client, clock):
        assert (await settle(client, NUMBER)).state == "unknown"
        assert clock.slept == [0.5, 1.0, 2.0, 4.0, 8.0, 13.5]
        now = clock.wall()
        assert (await settle(client, NUMBER, sent_at=now - SETTLE_TIME + 30)).state == "unknown"
        absent = await settle(client, NUMBER, sent_at=clock.wall() - SETTLE_TIME)
        assert (absent.state, absent.record) == ("absent", None)


async def test_time_passes_while_it_asks() -> None:
    """What becomes provable inside the timeout is proven inside it."""
    async with asking(Query(row(OTHER))) as (client, clock):
        began = clock.monotonic()
        found = await settle(client, NUMBER, settle_time=10.0)
        assert found.state == "absent"
        assert 10.0 <= clock.monotonic() - began < 20.0


async def test_an_order_that_lands_late_is_found() -> None:
    """The answer of a later look counts."""
    query = Query(row(OTHER))
    query.before = lambda count: query.rows.append(row()) if count == 3 else None
    async with asking(query) as (client, clock):
        assert (await settle(client, NUMBER, kind="deposit")).state == "success"
        assert clock.slept == [0.5, 1.0]


async def test_without_any_order_nothing_is_proven() -> None:
    """The positive control fails: a query that finds nothing at all may be broken."""
    for rows in ([], [row(None)]):
        async with asking(Query(*rows)) as (client, _):
            assert (await settle(client, NUMBER, sent_at=0.0)).state == "unknown"


async def test_a_filter_that_finds_nothing_proves_nothing() -> None:
    """The positive control: a known order is not found by its number, so the filter is broken."""
    query = Query(row(OTHER))
    query.before = lambda count: (
        reply({"total": 0, "records": []}) if query.asked[-1][1] is not None else None
    )
    async with asking(query) as (client, _):
        assert (await settle(client, NUMBER, sent_at=0.0)).state == "unknown"


async def test_a_server_that_has_whatever_it_is_asked_for_proves_nothing() -> None:
    """The negative control: an order that was just invented is found."""
    query = Query(row(OTHER))
    query.before = lambda count: (
        reply({"total": 1, "records": [row(query.asked[-1][1])]})
        if query.asked[-1][1] not in (None, NUMBER)
        else None
    )
    async with asking(query) as (client, _):
        assert (await settle(client, NUMBER, sent_at=0.0)).state == "unknown"


async def test_a_filter_that_is_ignored_is_made_up_for() -> None:
    """Every page is read, for the order and for both controls."""
    rows = [row(f"OTHER-{number:030}") for number in range(250)]
    query = Query(*rows, filters=False)
    async with asking(query) as (client, _):
        assert (await settle(client, NUMBER, sent_at=0.0)).state == "absent"
        pages = [number for number, _ in query.asked]
        assert pages == [1, 2, 3, 1, 1, 1, 2, 3, 1, 2, 3]  # order, controls, order again
        query.rows.append(row())
        assert (await settle(client, NUMBER, kind="deposit")).state == "success"


async def _not_proven(query: Query) -> None:
    async with asking(query) as (client, _):
        assert (await settle(client, NUMBER, sent_at=0.0)).state == "unknown"


async def test_pages_without_end_prove_nothing() -> None:
    """A server that repeats its first page hides the others, short or full."""
    for most in (10, 100):
        query = Query(*[row(f"OTHER-{number:030}") for number in range(250)], filters=False)
        query.most, query.stuck_on_page_one = most, True
        await _not_proven(query)


async def test_an_early_end_proves_nothing() -> None:
    """An empty page before the total is reached means that rows are missing."""
    query = Query(*[row(f"OTHER-{number:030}") for number in range(150)], filters=False)
    query.total = 151
    await _not_proven(query)


async def test_more_pages_than_are_read_prove_nothing() -> None:
    """There is an end to the patience, and then absence is not proven."""
    query = Query(*[row(f"OTHER-{number:030}") for number in range(10_050)], filters=False)
    await _not_proven(query)
    assert max(number for number, _ in query.asked) == 100


async def test_a_total_of_zero_ends_no_full_page() -> None:
    """``total`` is advisory; the order stands on the second page."""
    query = Query(*[row(f"OTHER-{number:030}") for number in range(100)], row(), filters=False)
    query.total = 0
    async with asking(query) as (client, _):
        assert (await settle(client, NUMBER, kind="deposit")).state == "success"


async def test_a_query_that_fails_is_told() -> None:
    """The last look failed, so the caller hears why nothing is known."""
    query = Query()
    query.before = lambda count: reply(status=500)
    async with asking(query) as (client, clock):
        began = clock.monotonic()
        with pytest.raises(ServerError):
            await settle(client, NUMBER, timeout=20.0)
        assert clock.monotonic() - began <= 20.0


async def test_a_control_that_fails_is_asked_again() -> None:
    """A fault during the controls is no proof and no end."""
    query = Query(row(OTHER))
    query.before = lambda count: reply(status=403, code=403) if count == 2 else None
    async with asking(query) as (client, clock):
        assert (await settle(client, NUMBER, sent_at=0.0)).state == "absent"
        assert clock.slept == [0.5]


async def test_an_order_that_was_only_hidden_is_found() -> None:
    """The first look got another query's answer; the look after the controls finds the order."""
    query = Query(row(OTHER), row())
    query.before = lambda count: reply({"total": 0, "records": []}) if count == 1 else None
    async with asking(query) as (client, _):
        found = await settle(client, NUMBER, kind="deposit", sent_at=0.0)
    assert found.state == "success"


async def test_a_closed_client_says_so_at_once() -> None:
    """No later query would fare better."""

    class Closed(ScriptedTransport):
        async def send(self, request: HttpRequest, timeout: float) -> HttpResponse:
            raise ClientClosed("the client is closed")

    clock = FakeClock()
    client = FincardClient(
        base_url="http://127.0.0.1",
        auth=BearerToken("t"),
        tenant_id="acme",
        transport=Closed([]),
        clock=clock,
    )
    with pytest.raises(ClientClosed):
        await settle(client, NUMBER)
    assert clock.slept == []


@pytest.mark.parametrize("state", ["success", "pending", "absent", "unknown"])
async def test_what_is_settled_is_in_doubt_no_more(state: str) -> None:
    """``client.in_doubt()`` forgets an order once the server has it or never will."""
    status = "processing" if state == "pending" else "success"
    query = Query(row(OTHER), row(status=status))
    query.before = lambda count: reply(status=502) if count == 1 else None
    async with asking(query) as (client, _):
        view = client.with_options(retry=NO_RETRY)
        with pytest.raises(OutcomeUnknown):
            await view.cards.deposit("C1", amount="5", merchant_order_no=NUMBER)
        assert [doubt.order_no for doubt in client.in_doubt()] == [NUMBER]
        if state in ("absent", "unknown"):
            query.rows.pop()
        sent_at = 0.0 if state == "absent" else None
        found = await settle(client, NUMBER, kind="deposit", sent_at=sent_at)
        assert found.state == state
        assert len(client.in_doubt()) == (state == "unknown")


async def test_another_client_settles_as_well() -> None:
    """After a restart, the order number is all there is, and it is enough."""
    query = Query(row())
    for _ in range(2):
        async with asking(query) as (client, _):
            assert client.in_doubt() == ()
            assert (await settle(client, NUMBER, kind="deposit")).state == "success"
