"""Whole runs against the sandbox: whatever happens on the way, its ledger is exact."""

from __future__ import annotations

import logging
from decimal import Decimal

import pytest

from fincard_async._sansio.messages import HttpResponse
from fincard_async.bulk import (
    IssueRow,
    Progress,
    RowState,
)
from fincard_async.bulk.driver import CONNECT_TRIES, ROUNDS
from fincard_async.sandbox import SHARED_ACCOUNT_ID
from fincard_async.sandbox.catalog import SHARED

from .kit import (
    Connector,
    Fate,
    World,
    first,
    number_of,
    rows_of,
    states,
    total,
)

pytestmark = pytest.mark.anyio

ROWS = rows_of(12)


@pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
async def test_every_row_gets_its_card(world: World) -> None:
    """A run without trouble issues each row once, and reports it."""
    rows = [
        *ROWS,
        IssueRow(
            row_id="shared", card_type_id=SHARED, amount=Decimal(0), account_id=SHARED_ACCOUNT_ID
        ),
    ]
    report = await world.run(rows)
    assert (report.ok, report.complete, report.interrupted) == (True, True, False)
    assert states(report) == {RowState.ISSUED: 13}
    assert report.received == {"USD": total(rows)}
    assert [result.row_id for result in report.results] == [row.row_id for row in rows]
    assert [result.order_no for result in report.results] == [number_of(row) for row in rows]
    assert [result.amount for result in report.results] == [row.amount for row in rows]
    assert len({result.card_no for result in report.results}) == 13
    assert {result.attempts for result in report.results} == {1}
    assert (report.results[0].fee, report.results[0].currency) == (Decimal(1), "USD")
    world.assert_exact(rows)
    assert world.wire.look_ups == []


async def test_a_second_run_does_nothing(world: World) -> None:
    """A finished job is reported again without a call."""
    once = await world.run(ROWS)
    again = await world.run(ROWS)
    assert again == once
    assert len(world.wire.orders) == 12


async def test_concurrency(world: World) -> None:
    """No more rows are under way at once than asked for, and that many are."""
    await world.run(ROWS, concurrency=3)
    assert world.wire.most_in_flight == 3


async def test_progress(world: World) -> None:
    """Every change is told, counts add up, and earlier runs count as done."""
    told: list[Progress] = []
    await world.run(ROWS, progress=told.append)
    assert [sum(progress.counts.values()) for progress in told] == [12] * len(told)
    assert (told[0].total, told[0].done, told[0].in_flight) == (12, 0, 0)
    assert (told[-1].done, told[-1].in_flight) == (12, 0)
    assert told[-1].counts[RowState.ISSUED] == 12
    assert 1 < max(progress.in_flight for progress in told) <= 8
    done = [progress.done for progress in told]
    assert done == sorted(done)
    told.clear()
    await world.run(ROWS, progress=told.append)
    assert [progress.done for progress in told] == [12]


async def test_a_progress_callback_that_fails(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """A callback that raises is logged once and dropped; the cards are issued all the same."""

    def progress(_: Progress) -> None:
        raise ZeroDivisionError

    with caplog.at_level(logging.WARNING, "fincard_async"):
        report = await world.run(ROWS, progress=progress)
    assert report.ok
    assert caplog.messages == ["progress callback dropped after ZeroDivisionError"]


async def test_intent_before_send(world: World) -> None:
    """When an order is handed over, the intent of this very attempt is committed."""
    connect = Connector()
    seen: list[tuple[str, int]] = []

    def before_order(number: str) -> None:
        seen.append(connect.db.committed[number])
        assert connect.db.committed[number] == ("intent", world.wire.orders.count(number) + 1)

    world.wire.before_order = before_order
    world.wire.fate = first("lost before", "busy")
    report = await world.run(ROWS, connect=connect)
    assert report.ok
    assert len(seen) == 36


@pytest.mark.parametrize(
    "fates",
    [
        ["lost before"],
        ["lost after"],
        ["not sent"],
        ["busy"],
        ["busy after"],
        ["late"],
        *(
            pytest.param(fates, marks=pytest.mark.slow)
            for fates in (
                ["lost before", "lost after"],
                ["late", "lost after"],
                ["busy", "lost before"],
                ["late", "refused"],
            )
        ),
    ],
    ids="-then-".join,
)
async def test_trouble_on_the_way(world: World, fates: list[Fate]) -> None:
    """Whatever becomes of the first attempts, each row has one card in the end."""
    world.wire.fate = first(*fates)
    report = await world.run(ROWS)
    await world.wire.deliver_late()
    assert report.ok
    world.assert_exact(ROWS)


async def test_an_answer_that_was_lost_is_looked_up(world: World) -> None:
    """An order that was carried out is found by its number and not sent again."""
    world.wire.fate = first("lost after")
    report = await world.run(ROWS[:1])
    assert len(world.wire.orders) == 1
    assert world.wire.look_ups == [
        {"merchantOrderNo": number_of(ROWS[0]), "pageNum": 1, "pageSize": 100}
    ]
    assert report.results[0].card_no is not None
    assert report.results[0].message is None


async def test_an_order_that_arrives_between_look_up_and_repetition(world: World) -> None:
    """The repetition of an order that arrived meanwhile is refused as a duplicate, and adopted."""
    world.wire.fate = first("late")

    def late(response: HttpResponse) -> HttpResponse:
        number = world.wire.look_ups[-1]["merchantOrderNo"].encode()
        for request in [request for request in world.wire.late if number in request.body]:
            world.sandbox.handle(request)
            world.wire.late.remove(request)
        return response

    world.wire.answer_look_up = late
    report = await world.run(ROWS)
    assert report.ok
    assert {result.attempts for result in report.results} == {2}
    world.assert_exact(ROWS)


async def test_the_server_may_ask_for_a_pause(world: World) -> None:
    """Before an order is repeated, at least the pause that the server asked for goes by."""
    world.wire.fate = first("busy")
    began = world.clock.monotonic()
    await world.run(ROWS[:1])
    assert world.clock.monotonic() - began >= 45
    assert world.wire.orders == [number_of(ROWS[0])] * 2


async def test_enough_was_tried(world: World) -> None:
    """A row whose outcome stays unknown is left for the next run after a few rounds."""
    world.wire.fate = lambda number, attempt: "lost before"
    report = await world.run(ROWS[:2])
    assert states(report) == {RowState.UNKNOWN: 2}
    assert not report.complete
    assert len(world.wire.orders) == 2 * ROUNDS
    assert report.results[0].message == "the outcome is unknown: the connection broke"
    world.wire.fate = first()
    again = await world.run(ROWS[:2])
    assert again.ok
    assert again.results[0].attempts == ROUNDS + 1
    world.assert_exact(ROWS[:2])


async def test_no_connection(world: World) -> None:
    """Where nothing is sent nothing is unknown: the run ends early, and the next one sends."""
    world.wire.fate = lambda number, attempt: "not sent"
    report = await world.run(rows_of(100), concurrency=2)
    assert report.interrupted
    assert report.reason == "no connection"
    assert set(states(report)) == {RowState.PLANNED, RowState.INTENT}
    assert max(result.attempts for result in report.results) == CONNECT_TRIES
    world.wire.fate = first()
    connect = Connector()
    unknown: list[str] = []
    world.wire.before_order = lambda number: (
        None if number in connect.db.committed else unknown.append(number)
    )
    again = await world.run(rows_of(100), connect=connect)
    assert again.ok
    assert again.reason is None
    assert unknown == []
    assert world.wire.look_ups == []
    world.assert_exact(rows_of(100))


async def test_no_connection_while_an_attempt_is_open(world: World) -> None:
    """An attempt that was not sent does not hide an earlier one that may have arrived."""
    world.wire.fate = lambda number, attempt: "not sent" if attempt else "late"
    report = await world.run(ROWS[:1])
    assert states(report) == {RowState.UNKNOWN: 1}
    await world.wire.deliver_late()
    assert (await world.run(ROWS[:1])).ok
    world.assert_exact(ROWS[:1])
