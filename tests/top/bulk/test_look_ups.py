"""Refusals and look-ups: what may be believed of them, and what may not."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from fincard_async._sansio.messages import HttpRequest, HttpResponse
from fincard_async.bulk import (
    RowState,
)
from fincard_async.bulk.windows import Windows
from fincard_async.sandbox.catalog import PREPAID
from fincard_async.testing import reply

from .kit import (
    Fate,
    World,
    first,
    number_of,
    rows_of,
    states,
    world_in,
)

pytestmark = pytest.mark.anyio

ROWS = rows_of(12)
NINE_REFUSALS: list[Fate] = ["refused"] * 12
DRAINED_SECONDS = Windows().drained


async def test_refused(tmp_path: Path) -> None:
    """A refusal of the only attempt is final once the server confirms that it has no such order."""
    async with world_in(tmp_path, funds=Decimal(170)) as world:
        report = await world.run(ROWS[:4], concurrency=1)
        assert states(report) == {RowState.ISSUED: 3, RowState.REFUSED: 1}
        assert (report.complete, report.ok) == (True, False)
        refused = report.results[3]
        assert refused.code == -1
        assert refused.message == "the server refused: Insufficient balance"
        assert [body["merchantOrderNo"] for body in world.wire.look_ups] == [refused.order_no]
        world.sandbox.controls.add_funds(1000)
        assert await world.run(ROWS[:4]) == report
        world.assert_exact(ROWS[:3])


async def test_refused_although_the_card_exists(world: World) -> None:
    """A server that looks at the funds before the number cannot make an issued row refused."""
    await world.run(ROWS)
    world.path.unlink()
    world.wire.fate = lambda number, attempt: "refused"
    assert (await world.run(ROWS)).ok
    world.assert_exact(ROWS)


async def test_refused_in_doubt(world: World) -> None:
    """A refusal beside an open attempt is not final: the first one may still arrive."""
    world.wire.fate = first("late", "refused", "refused", "refused")
    report = await world.run(ROWS)
    assert states(report) == {RowState.UNKNOWN: 12}
    await world.wire.deliver_late()
    assert (await world.run(ROWS)).ok
    world.assert_exact(ROWS)


async def test_refused_when_nothing_can_arrive_any_more(world: World) -> None:
    """Long after the last attempt, a look-up that finds nothing makes the next refusal final."""
    numbers, fate = set(map(number_of, ROWS)), first("lost before", *NINE_REFUSALS)
    world.wire.fate = lambda number, attempt: (
        fate(number, attempt) if number in numbers else "answer"
    )
    assert states(await world.run(ROWS)) == {RowState.UNKNOWN: 12}
    assert states(await world.run(ROWS)) == {RowState.UNKNOWN: 12}
    world.clock.advance(DRAINED_SECONDS)
    report = await world.run(ROWS)
    assert states(report) == {RowState.UNKNOWN: 12}, "a server without orders controls nothing"
    await world.client.cards.open(card_type_id=PREPAID, amount=50)
    world.clock.advance(DRAINED_SECONDS)
    report = await world.run(ROWS)
    assert states(report) == {RowState.REFUSED: 12}
    assert world.ledger.cards == 1


async def test_refused_while_look_ups_fail(world: World) -> None:
    """A refusal that cannot be confirmed leaves the row unknown, with what the server said."""
    world.wire.fate = first("refused")
    world.wire.answer_look_up = lambda _: reply(status=400, msg="no")
    report = await world.run(ROWS[:1])
    assert states(report) == {RowState.UNKNOWN: 1}
    assert (report.results[0].code, report.results[0].attempts) == (-1, 1)
    assert report.results[0].message == "the server refused: Insufficient balance"


async def test_journal_lost(world: World) -> None:
    """Without its journal the same job finds every card of the run before, and issues none."""
    report = await world.run(ROWS)
    world.path.unlink()
    again = await world.run(ROWS)
    assert again == report
    assert len(world.wire.orders) == 24
    world.assert_exact(ROWS)


async def test_journal_lost_and_rows_changed(world: World) -> None:
    """An order under a row's number that is for another amount is nothing a program can settle."""
    await world.run(ROWS)
    world.path.unlink()
    changed = [replace(ROWS[0], amount=Decimal(77)), *ROWS[1:]]
    report = await world.run(changed)
    assert states(report) == {RowState.PARKED: 1, RowState.ISSUED: 11}
    assert (report.complete, report.ok) == (False, False)
    assert report.results[0].message == "the order of this number is another one: create of 50"
    assert await world.run(changed) == report
    world.assert_exact(ROWS)


async def test_a_query_that_lags(world: World) -> None:
    """An order that the query does not show yet is found later, and never made twice."""
    world.wire.fate = first("lost after")
    lag = dict.fromkeys(map(number_of, ROWS), 2)

    def lagging(response: HttpResponse) -> HttpResponse:
        number = world.wire.look_ups[-1]["merchantOrderNo"]
        lag[number] -= 1
        return response if lag[number] < 0 else reply({"total": 0, "records": []})

    world.wire.answer_look_up = lagging
    assert (await world.run(ROWS)).ok
    world.assert_exact(ROWS)


def _all_orders(world: World) -> HttpResponse:
    """The answer of a server that ignores filters."""
    headers = world.wire.last_headers
    body = msgspec.json.encode({"pageNum": 1, "pageSize": 100})
    return world.sandbox.handle(HttpRequest(world.wire.last_path, headers, body))


@pytest.mark.parametrize("kind", ["ignores the number", "leaves out rows", "fails", "is no page"])
async def test_a_look_up_that_proves_nothing(world: World, kind: str) -> None:
    """Where a look-up cannot be relied on, nothing is sent again, and the row stays unknown."""
    await world.run(rows_of(1), job="other")
    world.path.unlink()
    world.wire.fate = first("lost after")
    world.wire.answer_look_up = lambda _: {
        "ignores the number": _all_orders(world),
        "leaves out rows": reply({"total": 1, "records": []}),
        "fails": reply(success=False, code=-1, msg="system busy"),
        "is no page": reply([]),
    }[kind]
    report = await world.run(ROWS)
    assert states(report) == {RowState.UNKNOWN: 12}
    assert {result.attempts for result in report.results} == {1}
    world.wire.answer_look_up = lambda response: response
    assert (await world.run(ROWS)).ok
    assert {world.wire.orders.count(number_of(row)) for row in ROWS} == {1}


@pytest.mark.parametrize("code", [2**63, -(10**30), 10**30], ids=str)
async def test_an_answer_that_no_database_holds(world: World, code: int) -> None:
    """Whatever a server says, the journal stays readable, and the job goes on."""
    world.wire.intercept = lambda _: reply(success=False, code=code, msg="no\0pe")
    report = await world.run(ROWS[:2])
    assert {row.code for row in report.results} == {str(code)}
    assert all("\0" not in (row.message or "") for row in report.results)
    world.wire.intercept = None
    assert (await world.run(ROWS[:2])).ok
    world.assert_exact(ROWS[:2])
