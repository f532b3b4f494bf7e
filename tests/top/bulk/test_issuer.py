"""Whole runs against the sandbox: whatever happens on the way, its ledger is exact."""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import msgspec
import pytest

from fincard_async._sansio.messages import HttpRequest, HttpResponse
from fincard_async._sansio.secret import Secret
from fincard_async.bulk import (
    BulkIssue,
    IssueRow,
    Progress,
    Report,
    RowState,
    SqliteJournal,
)
from fincard_async.bulk.driver import CONNECT_TRIES, ROUNDS
from fincard_async.bulk.plan import DRAINED_AFTER_MS
from fincard_async.errors import (
    JournalError,
    PermissionDenied,
    Unauthenticated,
    UsageError,
    ValidationError,
)
from fincard_async.sandbox import HOLDER_IDS, SHARED_ACCOUNT_ID
from fincard_async.sandbox.catalog import PHYSICAL, SHARED
from fincard_async.testing import FakeClock, reply

from .kit import (
    JOB,
    Connector,
    Fate,
    World,
    number_of,
    rows_of,
    states,
    total,
    world_in,
)

pytestmark = pytest.mark.anyio

ROWS = rows_of(12)
NINE_REFUSALS: list[Fate] = ["refused"] * 9
DRAINED_SECONDS = DRAINED_AFTER_MS / 1000


def first(*fates: Fate) -> Any:
    """These fates for the first attempts of every row, then answers."""
    return lambda number, attempt: fates[attempt] if attempt < len(fates) else "answer"


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
        ["lost before", "lost after"],
        ["late", "lost after"],
        ["busy", "lost before"],
        ["late", "refused"],
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


# -- Refusals ------------------------------------------------------------------------------------


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
    world.wire.fate = first("lost before", *NINE_REFUSALS)
    assert states(await world.run(ROWS)) == {RowState.UNKNOWN: 12}
    assert states(await world.run(ROWS)) == {RowState.UNKNOWN: 12}
    world.clock.advance(DRAINED_SECONDS)
    report = await world.run(ROWS)
    assert states(report) == {RowState.REFUSED: 12}
    assert world.ledger.cards == 0


async def test_refused_while_look_ups_fail(world: World) -> None:
    """A refusal that cannot be confirmed leaves the row unknown, with what the server said."""
    world.wire.fate = first("refused")
    world.wire.answer_look_up = lambda _: reply(status=400, msg="no")
    report = await world.run(ROWS[:1])
    assert states(report) == {RowState.UNKNOWN: 1}
    assert (report.results[0].code, report.results[0].attempts) == (-1, 1)
    assert report.results[0].message == "the server refused: Insufficient balance"


# -- Look-ups ------------------------------------------------------------------------------------


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


# -- Accepted orders -----------------------------------------------------------------------------


@pytest.mark.parametrize("count", [12, 250])
async def test_accepted_orders_are_followed(tmp_path: Path, count: int) -> None:
    """Orders that take their time are followed to the end, and many of them by lists."""
    async with world_in(tmp_path, latency_ms=20_000) as world:
        report = await world.run(rows_of(count), concurrency=32)
        assert report.ok
        assert len(world.wire.orders) == count
        lists = [body for body in world.wire.look_ups if "merchantOrderNo" not in body]
        assert len(world.wire.look_ups) < count or not lists
        assert bool(lists) is (count > 20)
        world.assert_exact(rows_of(count))


async def test_orders_that_fail(tmp_path: Path) -> None:
    """An order that was accepted and then failed is a failed row, with the server's reason."""
    async with world_in(tmp_path, latency_ms=1000) as world:
        world.sandbox.controls.fail_next(description="The issuer declined", count=3)
        report = await world.run(ROWS, concurrency=1)
        assert states(report) == {RowState.FAILED: 3, RowState.ISSUED: 9}
        assert report.results[0].message == "The issuer declined"
        assert report.received == {"USD": total(ROWS[3:])}
        world.assert_exact(ROWS[3:])


@pytest.mark.parametrize("count", [3, 30])
async def test_orders_that_are_not_final_in_time(tmp_path: Path, count: int) -> None:
    """What is not final in the end stays accepted, and is followed by the next run."""
    rows = rows_of(count)
    async with world_in(tmp_path, latency_ms=None) as world:
        report = await world.run(rows, final_timeout=60.0)
        assert states(report) == {RowState.ACCEPTED: count}
        assert (report.complete, report.interrupted) == (False, False)
        assert {result.received_amount for result in report.results} == {None}
        world.sandbox.controls.settle_now()
        assert (await world.run(rows)).ok
        assert len(world.wire.orders) == count
        world.assert_exact(rows)


async def test_accepted_orders_that_the_list_does_not_show(tmp_path: Path) -> None:
    """Orders that are missing in the list of the newest are asked for one by one, in turns."""
    rows = rows_of(60)
    async with world_in(tmp_path, latency_ms=None) as world:
        await world.run(rows, final_timeout=0)
        world.sandbox.controls.settle_now()
        world.wire.answer_look_up = lambda response: (
            response
            if "merchantOrderNo" in world.wire.look_ups[-1]
            else reply({"total": 0, "records": []})
        )
        assert (await world.run(rows)).ok
        world.wire.look_ups.clear()


@pytest.mark.parametrize("count", [3, 30])
async def test_polling_survives_errors(tmp_path: Path, count: int) -> None:
    """A poll that fails is tried again, by number as well as by list; nothing follows from it."""
    async with world_in(tmp_path, latency_ms=None) as world:
        await world.run(rows_of(count), final_timeout=0)
        world.sandbox.controls.settle_now()
        errors = iter(range(count + 2))
        world.wire.answer_look_up = lambda response: (
            response if next(errors, None) is None else reply(status=400, msg="no")
        )
        assert (await world.run(rows_of(count))).ok
        assert list(errors) == []
        world.assert_exact(rows_of(count))


@pytest.mark.parametrize("count", [3, 30])
async def test_polling_without_a_right(tmp_path: Path, count: int) -> None:
    """A poll that may not ask, by number or by list, ends the run."""
    async with world_in(tmp_path, latency_ms=None) as world:
        await world.run(rows_of(count), final_timeout=0)
        world.wire.answer_look_up = lambda _: reply(status=403, msg="no")
        with pytest.raises(PermissionDenied):
            await world.run(rows_of(count))


async def test_a_contradiction_while_polling(tmp_path: Path) -> None:
    """An accepted order that turns out to be another one is parked."""
    async with world_in(tmp_path, latency_ms=None) as world:
        await world.run(ROWS[:1], final_timeout=0)
        record = {
            "orderNo": "1",
            "type": "create",
            "status": "success",
            "merchantOrderNo": number_of(ROWS[0]),
            "amount": 49,
        }
        world.wire.answer_look_up = lambda _: reply({"total": 1, "records": [record]})
        assert states(await world.run(ROWS[:1])) == {RowState.PARKED: 1}


# -- Ending early --------------------------------------------------------------------------------


@pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
async def test_stop(world: World) -> None:
    """After ``stop()`` nothing new is sent, and what is in flight is answered."""
    rows = rows_of(100)
    sent: list[int] = []

    def progress(now: Progress) -> None:
        if now.done == 10 and not sent:
            sent.append(len(world.wire.orders))
            job.stop()

    job = world.job(progress=progress, concurrency=4)
    report = await job.run(rows, job=JOB)
    assert (report.interrupted, report.reason) == (True, None)
    assert set(states(report)) == {RowState.PLANNED, RowState.INTENT, RowState.ISSUED}
    assert len(world.wire.orders) <= sent[0] + 4
    assert len(world.wire.orders) == report.counts[RowState.ISSUED]
    assert (await job.run(rows, job=JOB)).ok
    assert world.wire.look_ups == []
    world.assert_exact(rows)


async def test_stop_before_the_start(world: World) -> None:
    """A run that is asked to stop before it begins sends nothing."""
    job = world.job()
    job.stop()
    report = await job.run(ROWS, job=JOB)
    assert report.interrupted
    assert states(report) == {RowState.PLANNED: 12}


async def test_stop_during_a_pause(world: World) -> None:
    """Nobody waits for the end of a pause when the run shall end."""
    world.wire.fate = lambda number, attempt: "lost before"

    def progress(now: Progress) -> None:
        if now.counts[RowState.UNKNOWN]:
            job.stop()

    job = world.job(concurrency=1, progress=progress)
    report = await job.run(ROWS, job=JOB)
    assert report.interrupted
    assert report.counts[RowState.UNKNOWN] == 1
    assert len(world.wire.orders) == 1
    assert world.clock.slept == []
    job = world.job()
    job.stop()
    assert states(await job.run(ROWS, job=JOB)) == states(report)


async def test_a_stop_wakes_those_who_pause(world: World) -> None:
    """A pause ends when the run shall, however long it would have been."""

    class Endless(FakeClock):
        async def sleep(self, seconds: float) -> None:
            await anyio.sleep_forever()

    world.wire.fate = lambda number, attempt: "lost before"
    job = world.job(clock=Endless(), concurrency=3)
    reports: list[Report] = []

    async def run() -> None:
        reports.append(await job.run(ROWS, job=JOB))

    async with anyio.create_task_group() as group:
        group.start_soon(run)
        while world.wire.in_flight or len(world.wire.look_ups) < 3:
            await anyio.wait_all_tasks_blocked()
        job.stop()
    assert reports[0].interrupted
    assert reports[0].counts[RowState.UNKNOWN] == 3


async def test_stop_while_unknown_rows_are_looked_up(world: World) -> None:
    """Rows whose turn has not come stay as they are when the run shall end."""
    world.wire.fate = lambda number, attempt: "lost before"
    before = await world.run(ROWS)
    world.wire.look_ups.clear()
    job = world.job(concurrency=1)
    world.wire.before_look_up = job.stop
    after = await job.run(ROWS, job=JOB)
    assert after.interrupted
    assert states(after) == states(before)
    assert len(world.wire.look_ups) == 1


async def test_a_stop_that_comes_too_late(world: World) -> None:
    """A run that was complete anyway was not interrupted."""

    def progress(now: Progress) -> None:
        if now.done == 12:
            job.stop()

    job = world.job(progress=progress)
    report = await job.run(ROWS, job=JOB)
    assert (report.ok, report.interrupted) == (True, False)


@pytest.mark.parametrize("handed_over", range(1, 13))
async def test_cancelled(world: World, handed_over: int) -> None:
    """Cancelled at any order, the run ends at once, and the next one doubles and loses nothing."""
    world.wire.fate = first("lost after")
    with anyio.CancelScope() as scope:

        def before_order(_: str) -> None:
            if len(world.wire.orders) + 1 == handed_over:
                scope.cancel()

        world.wire.before_order = before_order
        await world.run(ROWS, concurrency=3)
    assert scope.cancelled_caught
    assert len(world.wire.orders) <= handed_over + 3
    assert (await world.run(ROWS)).ok
    world.assert_exact(ROWS)


async def test_cancelled_while_the_answer_was_on_its_way(world: World) -> None:
    """An order whose caller was cancelled is looked up by the next run, and not sent again."""
    with anyio.CancelScope() as scope:
        world.wire.after_order = scope.cancel
        world.wire.fate = first("lost after")
        await world.run(ROWS[:1])
    world.wire.after_order = lambda: None
    report = await world.run(ROWS[:1])
    assert report.ok
    assert len(world.wire.look_ups) >= 1
    assert world.wire.orders == [number_of(ROWS[0])]


async def test_a_report_needs_a_durable_journal(world: World) -> None:
    """A run whose last result could not be written ends with the error, not with a report."""
    with pytest.raises(JournalError, match="disk I/O error"):
        await world.run(ROWS[:1], connect=Connector(commits_left=1))
    assert (await world.run(ROWS[:1])).ok
    assert world.wire.orders == [number_of(ROWS[0])]


@pytest.mark.parametrize("fate", ["answer", "lost after", "lost before"])
@pytest.mark.parametrize("commits", range(10))
async def test_a_commit_that_fails(world: World, commits: int, fate: Fate) -> None:
    """After a commit has failed nothing is sent whose intent is not on the disk, and what the disk
    holds is enough to go on."""
    connect = Connector(commits_left=commits)
    unknown: list[str] = []
    world.wire.before_order = lambda number: (
        None if number in connect.db.committed else unknown.append(number)
    )
    world.wire.fate = first(fate)
    expected = pytest.raises(JournalError, match="disk I/O error")
    with expected if commits < 4 else suppress(JournalError):
        await world.run(ROWS, connect=connect, concurrency=2)
    assert unknown == []
    if commits == 0:
        assert world.wire.orders == []
    assert (await world.run(ROWS)).ok
    world.assert_exact(ROWS)


async def test_a_failed_record_ends_the_sending(world: World) -> None:
    """Once a result could not be written, a row whose intent is durable is not sent either."""
    journal = SqliteJournal(world.path, connect=Connector(commits_left=1))

    async def hold(_: str) -> None:
        while len(world.wire.orders) > 1:
            try:
                journal.check()
            except JournalError:
                return
            await anyio.lowlevel.checkpoint()

    world.wire.hold = hold
    with pytest.raises(JournalError, match="disk I/O error"):
        await BulkIssue(world.client, journal=journal, concurrency=2).run(ROWS[:4], job=JOB)
    assert len(world.wire.orders) == 3
    assert (await world.run(ROWS[:4])).ok
    world.assert_exact(ROWS[:4])


async def test_a_failed_commit_ends_the_sending(world: World) -> None:
    """Once an intent could not be written, hardly anything is sent any more."""
    connect = Connector(commits_left=1)
    with pytest.raises(JournalError, match="disk I/O error"):
        await world.run(rows_of(500), connect=connect, concurrency=1)
    assert len(world.wire.orders) <= 2
    assert (await world.run(rows_of(500))).ok
    world.assert_exact(rows_of(500))


@pytest.mark.parametrize(
    "status, error", [(401, Unauthenticated), (403, PermissionDenied)], ids=str
)
async def test_credentials_that_do_not_suffice(
    world: World, status: int, error: type[Exception]
) -> None:
    """Where no row would fare better the run ends with the error, and no row is refused."""
    world.wire.intercept = lambda _: reply(status=status, msg="no")
    with pytest.raises(error):
        await world.run(ROWS, concurrency=2)
    assert len(world.wire.orders) <= 4
    world.wire.intercept = None
    assert (await world.run(ROWS)).ok
    world.assert_exact(ROWS)


@pytest.mark.parametrize("latency", [0, 1000])
async def test_credentials_that_end_while_asking(tmp_path: Path, latency: int) -> None:
    """A look-up or a poll without a right to ask ends the run as well."""
    async with world_in(tmp_path, latency_ms=latency) as world:
        world.wire.fate = first("answer" if latency else "lost after")
        world.wire.answer_look_up = lambda _: reply(status=403, msg="no")
        with pytest.raises(PermissionDenied):
            await world.run(ROWS)
        world.wire.answer_look_up = lambda response: response
        assert (await world.run(ROWS)).ok
        world.assert_exact(ROWS)


async def test_an_error_that_nobody_foresaw(world: World) -> None:
    """An error in the middle of it all ends the run after what is in flight was answered."""

    def before_order(number: str) -> None:
        if number == number_of(ROWS[5]):
            raise ZeroDivisionError

    world.wire.before_order = before_order
    with pytest.raises(ZeroDivisionError):
        await world.run(ROWS, concurrency=4)
    world.wire.before_order = lambda _: None
    assert len(world.wire.orders) == world.ledger.cards
    assert (await world.run(ROWS)).ok
    world.assert_exact(ROWS)


# -- What never leaks, and what is refused -------------------------------------------------------


async def test_no_card_number_in_the_journal(world: World) -> None:
    """A printed card number is in no file and no report, even if the server quotes it."""
    canary = "CANARY-531-993"
    row = IssueRow(
        row_id="plastic",
        card_type_id=PHYSICAL,
        amount=Decimal(50),
        holder_id=HOLDER_IDS[0],
        card_number=Secret(canary),
    )
    world.wire.fate = lambda number, attempt: "refused"
    world.wire.refusal = f"the number {canary} is taken"
    content: list[bytes] = []

    def before_order(_: str) -> None:
        content.extend(path.read_bytes() for path in world.path.parent.iterdir())

    world.wire.before_order = before_order
    report = await world.run([row])
    before_order("")
    assert report.results[0].message == "the server refused: the number [number] is taken"
    assert canary not in repr(report)
    assert b"plastic" in b"".join(content)
    assert canary.encode() not in b"".join(content)


async def test_settings_that_cannot_be(world: World) -> None:
    """Wrong settings and rows are refused before a journal is made."""
    with pytest.raises(ValidationError, match="concurrency must be at least 1"):
        world.job(concurrency=0)
    with pytest.raises(ValidationError, match="there are no rows"):
        await world.run([])
    assert list(world.path.parent.iterdir()) == []


async def test_one_run_at_a_time(world: World) -> None:
    """A job that is running cannot be run a second time meanwhile."""
    job = world.job()
    world.wire.fate = first()
    reports: list[Report] = []

    async def run() -> None:
        reports.append(await job.run(ROWS, job=JOB))

    async with anyio.create_task_group() as group:
        group.start_soon(run)
        await anyio.wait_all_tasks_blocked()
        with pytest.raises(UsageError, match="is running"):
            await job.run(ROWS, job=JOB)
    assert reports[0].ok


async def test_another_input_is_refused(world: World) -> None:
    """A journal stays with the rows that it was made for."""
    await world.run(ROWS)
    with pytest.raises(JournalError, match="belongs to other rows"):
        await world.run(ROWS[1:])
    with pytest.raises(JournalError, match="belongs to another job"):
        await world.job().run(ROWS, job="other")
