"""What time proves, and what is done with a server that does not refuse repeated numbers."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
import pytest

from fincard_async._sansio.messages import HttpResponse
from fincard_async._sansio.options import RetryPolicy
from fincard_async.bulk import (
    Decision,
    Reason,
    Report,
    RowState,
    SqliteJournal,
    Windows,
    resolve,
)
from fincard_async.bulk.entry import Entry
from fincard_async.bulk.windows import (
    Next,
    Policy,
    after_absence,
    drained,
    may_send,
    remembered,
)
from fincard_async.errors import ValidationError
from fincard_async.sandbox.catalog import PREPAID
from fincard_async.testing import FakeClock, reply

from .kit import World, first, number_of, rows_of, states, world_in

HOUR, MINUTE = 3_600_000, 60_000
WINDOWS = Windows()
ROWS = rows_of(3)


def entry(*, sends: int = 1, closed: int = 0, last: int = 0) -> Entry:
    """A row that was first sent at 0, and last at ``last``; milliseconds."""
    return Entry(
        seq=0,
        row_id="r",
        order_no="N" * 32,
        payload="{}",
        amount=Decimal(1),
        state=RowState.UNKNOWN,
        sends=sends,
        closed=closed,
        first_sent_at=0,
        last_sent_at=last,
    )


@pytest.mark.parametrize(
    "now, expected",
    [
        (0, True),
        (12 * HOUR - 15 * MINUTE - 1, True),
        (12 * HOUR - 15 * MINUTE, False),
        (24 * HOUR, False),
        (-1, False),
    ],
)
def test_a_number_is_remembered_for_half_of_its_time(now: int, expected: bool) -> None:
    """A repeat must arrive in the first half of the window; a clock that went back proves nothing.
    (A1: 24 hours, A2: 15 minutes)"""
    assert remembered(entry(), now, WINDOWS) is expected


def test_what_was_never_sent_is_not_remembered() -> None:
    """Without a time of sending nothing is concluded."""
    new = Entry(seq=0, row_id="r", order_no="N", payload="{}")
    assert not remembered(new, 0, WINDOWS)
    assert not drained(new, 10**15, WINDOWS)


@pytest.mark.parametrize(
    "now, expected",
    [(16 * MINUTE, True), (16 * MINUTE - 1, False), (0, False), (-HOUR, False)],
)
def test_drained(now: int, expected: bool) -> None:
    """15 minutes for the request and one for the query after the last attempt, not before."""
    assert drained(entry(), now, WINDOWS) is expected
    assert drained(entry(last=HOUR), HOUR + now, WINDOWS) is expected


@pytest.mark.parametrize(
    "dedupe, open_attempts, now, expected",
    [
        ("error", True, HOUR, True),
        ("replay", True, HOUR, True),
        ("none", True, HOUR, False),
        ("error", True, 13 * HOUR, False),
        ("none", True, 13 * HOUR, False),
        ("none", False, HOUR, True),
        ("error", False, 13 * HOUR, True),
    ],
)
def test_may_send(dedupe: Any, open_attempts: bool, now: int, expected: bool) -> None:
    """A row without an open attempt may always be sent; with one, only while the server refuses
    or replays its number."""
    row = entry(closed=0 if open_attempts else 1)
    assert may_send(row, now, Policy(dedupe=dedupe)) is expected


@pytest.mark.parametrize(
    "dedupe, allowed, now, proven, expected",
    [
        ("error", False, HOUR, False, Next.SEND),
        ("error", False, HOUR, True, Next.SEND_ANEW),
        ("error", False, 13 * HOUR, False, Next.WAIT),
        ("error", False, 13 * HOUR, True, Next.SEND_ANEW),
        ("replay", False, HOUR, False, Next.SEND),
        ("none", False, HOUR, False, Next.WAIT),
        ("none", False, HOUR, True, Next.PARK),
        ("none", True, HOUR, False, Next.WAIT),
        ("none", True, HOUR, True, Next.SEND_ANEW),
    ],
)
def test_after_absence(dedupe: Any, allowed: bool, now: int, proven: bool, expected: Next) -> None:
    """The whole table of what follows from a look-up that found nothing. (correctness 3.4)"""
    policy = Policy(dedupe=dedupe, resend_after_drain=allowed)
    assert after_absence(entry(), now, policy, proven=proven) is expected
    waits = expected is Next.WAIT
    without = after_absence(entry(), now, policy, proven=proven, provable=proven)
    assert without is (Next.PARK if waits else expected)


@pytest.mark.parametrize("wrong", [{"arrives": 0}, {"remembers": 1800}, {"lags": -1}], ids=str)
def test_windows_that_cannot_be(wrong: dict[str, float]) -> None:
    """Times that leave no moment in which a row may be sent again are a mistake."""
    with pytest.raises(ValidationError, match="windows must have"):
        Windows(**wrong)


# -- The same with an engine, a server and a clock -------------------------------------------------


async def known_order(world: World) -> None:
    """An order that has nothing to do with the job: the positive control of the query."""
    world.wire.fate = lambda number, attempt: "answer"
    await world.client.cards.open(card_type_id=PREPAID, amount=50)


@pytest.mark.anyio
async def test_no_dedupe_one_send_then_parked(tmp_path: Path) -> None:
    """With a server that does not refuse repeats, a lost row is sent once, waits until all has
    drained, and is then parked for a person; nothing is ever doubled."""
    async with world_in(tmp_path, dedupe="none") as world:
        await known_order(world)
        world.wire.fate = lambda number, attempt: "lost before"
        for _ in range(3):
            report = await world.run(ROWS, dedupe="none")
            assert states(report) == {RowState.UNKNOWN: 3}
        world.clock.advance(WINDOWS.drained)
        report = await world.run(ROWS, dedupe="none")
        assert states(report) == {RowState.PARKED: 3}
        assert {row.reason for row in report.results} == {Reason.ABSENT}
        assert {row.attempts for row in report.results} == {1}
        assert states(await world.run(ROWS, dedupe="none")) == {RowState.PARKED: 3}
        assert [world.wire.attempts[number_of(row)] for row in ROWS] == [1, 1, 1]


@pytest.mark.anyio
async def test_no_dedupe_is_taken_from_the_client(world: World) -> None:
    """What the client was told of the server holds for its bulk jobs."""
    world.client = world.client.with_options(retry=RetryPolicy(dedupe="none"))
    world.wire.fate = lambda number, attempt: "lost before"
    assert states(await world.run(ROWS)) == {RowState.UNKNOWN: 3}
    assert [world.wire.attempts[number_of(row)] for row in ROWS] == [1, 1, 1]


@pytest.mark.anyio
async def test_no_dedupe_found(tmp_path: Path) -> None:
    """A lost answer is no lost card: the look-up finds the order, and nothing is parked."""
    async with world_in(tmp_path, dedupe="none") as world:
        world.wire.fate = first("lost after")
        assert (await world.run(ROWS, dedupe="none")).ok
        world.assert_exact(ROWS)


@pytest.mark.anyio
async def test_no_dedupe_not_sent(tmp_path: Path) -> None:
    """An attempt that is proven not to have been sent may be repeated even here."""
    async with world_in(tmp_path, dedupe="none") as world:
        world.wire.fate = first("not sent", "not sent")
        assert (await world.run(ROWS, dedupe="none")).ok
        world.assert_exact(ROWS)


@pytest.mark.anyio
async def test_no_dedupe_resend_after_drain(tmp_path: Path) -> None:
    """Where the user has allowed it, what was proven absent is sent again, and only then."""
    async with world_in(tmp_path, dedupe="none") as world:
        await known_order(world)
        world.wire.fate = first("lost before")
        settings: dict[str, Any] = {"dedupe": "none", "resend_after_drain": True}
        assert states(await world.run(ROWS, **settings)) == {RowState.UNKNOWN: 3}
        world.clock.advance(WINDOWS.drained)
        assert (await world.run(ROWS, **settings)).ok
        assert [world.wire.attempts[number_of(row)] for row in ROWS] == [2, 2, 2]
        assert world.ledger.cards == 4


@pytest.mark.anyio
@pytest.mark.parametrize("kind", ["filter is ignored", "one look lies"])
async def test_no_proof_without_controls(tmp_path: Path, kind: str) -> None:
    """Absence is not believed while the query's controls fail or a second look says otherwise:
    a request that arrived would be doubled."""
    async with world_in(tmp_path, dedupe="none") as world:
        await known_order(world)
        world.wire.fate = first("lost after")
        mine = {number_of(row) for row in ROWS}
        looks = dict.fromkeys(mine, 0)

        def answer(response: HttpResponse) -> HttpResponse:
            number = str(world.wire.look_ups[-1].get("merchantOrderNo", ""))
            if number in mine:
                looks[number] += 1
            lies = {
                "filter is ignored": number != "",
                "one look lies": number in mine and looks[number] == 1,
            }
            return reply({"total": 0, "records": []}) if lies[kind] else response

        settings: dict[str, Any] = {"dedupe": "none", "resend_after_drain": True}
        world.wire.answer_look_up = lambda _: reply(status=400, msg="no")
        assert states(await world.run(ROWS, **settings)) == {RowState.UNKNOWN: 3}
        world.clock.advance(WINDOWS.drained)
        world.wire.answer_look_up = answer
        report = await world.run(ROWS, **settings)
        assert report.counts[RowState.PARKED] == 0
        assert [world.wire.attempts[number_of(row)] for row in ROWS] == [1, 1, 1]


@pytest.mark.anyio
@pytest.mark.parametrize("resend", [False, True])
async def test_without_any_order_nothing_is_provable(tmp_path: Path, resend: bool) -> None:
    """On a server without any order a look-up cannot be checked: after the drain the rows are
    parked, never sent again, and a person can have them sent."""
    settings: dict[str, Any] = {"dedupe": "none", "resend_after_drain": resend}
    async with world_in(tmp_path, dedupe="none") as world:
        world.wire.fate = first("lost before")
        assert states(await world.run(ROWS, **settings)) == {RowState.UNKNOWN: 3}
        world.clock.advance(WINDOWS.drained)
        report = await world.run(ROWS, **settings)
        assert states(report) == {RowState.PARKED: 3}
        assert {row.reason for row in report.results} == {Reason.UNPROVABLE}
        assert [world.wire.attempts[number_of(row)] for row in ROWS] == [1, 1, 1]
        resends = [Decision(row_id=row.row_id, decision="resend", evidence="mail") for row in ROWS]
        await resolve(SqliteJournal(world.path), resends, clock=world.clock)
        assert (await world.run(ROWS, **settings)).ok
        world.assert_exact(ROWS)


@pytest.mark.anyio
async def test_a_list_that_fails_is_no_empty_server(tmp_path: Path) -> None:
    """If the server cannot be asked for its orders, rows stay unknown: a later run may prove it."""
    async with world_in(tmp_path, dedupe="none") as world:
        world.wire.fate = first("lost before")
        await world.run(ROWS, dedupe="none")
        world.clock.advance(WINDOWS.drained)
        world.wire.answer_look_up = lambda response: (
            response
            if "merchantOrderNo" in world.wire.look_ups[-1]
            else reply(status=400, msg="no")
        )
        assert states(await world.run(ROWS, dedupe="none")) == {RowState.UNKNOWN: 3}


# -- An intent is older than its attempt -----------------------------------------------------------

SENDS_AGAIN: dict[str, Any] = {"dedupe": "none", "resend_after_drain": True, "concurrency": 1}


@pytest.mark.anyio
async def test_time_in_line_is_no_drain(tmp_path: Path) -> None:
    """A row whose intent had to wait for a slow row before it is not drained when it is lost."""
    async with world_in(tmp_path, dedupe="none") as world:
        await known_order(world)
        slow, last = number_of(ROWS[0]), number_of(ROWS[-1])

        async def hold(number: str) -> None:
            if number == slow:
                await anyio.wait_all_tasks_blocked()  # by now the next intents are durable
                world.clock.advance(2 * WINDOWS.drained)

        world.wire.hold = hold
        world.wire.fate = lambda number, attempt: "answer" if number == slow else "late"
        report = await world.run(ROWS, **SENDS_AGAIN)
        assert states(report) == {RowState.ISSUED: 1, RowState.UNKNOWN: 2}
        assert world.wire.attempts[last] == 1
        await world.wire.deliver_late()
        assert (await world.run(ROWS, **SENDS_AGAIN)).ok
        assert world.ledger.cards == 4


@pytest.mark.anyio
async def test_time_before_a_crash_is_no_drain(tmp_path: Path) -> None:
    """Nobody knows when the last run sent what it left behind: the drain begins with this one."""
    async with world_in(tmp_path, dedupe="none") as world:
        await known_order(world)

        with anyio.CancelScope() as crash:

            async def hold(number: str) -> None:
                world.clock.advance(2 * WINDOWS.drained)  # such as a machine that slept
                crash.cancel()

            world.wire.hold = hold
            world.wire.fate = lambda number, attempt: "late"
            await world.run(ROWS[:1], **SENDS_AGAIN)
        assert crash.cancelled_caught
        world.wire.hold = lambda _: anyio.lowlevel.checkpoint()
        assert states(await world.run(ROWS[:1], **SENDS_AGAIN)) == {RowState.UNKNOWN: 1}
        assert world.wire.attempts[number_of(ROWS[0])] == 1
        world.clock.advance(WINDOWS.drained)
        world.wire.fate = first()
        assert (await world.run(ROWS[:1], **SENDS_AGAIN)).ok


class SetClock(FakeClock):
    """A clock on the wall that can be set."""

    ahead = 0.0

    def wall(self) -> float:
        return super().wall() + self.ahead


@pytest.mark.anyio
async def test_a_clock_that_is_set_is_no_drain(tmp_path: Path) -> None:
    """If the clock is put forward while a row is looked up, no time has passed for the request."""
    async with world_in(tmp_path, dedupe="none") as world:
        await known_order(world)
        clock = SetClock()
        world.wire.fate = lambda number, attempt: "late"

        def put_forward() -> None:
            clock.ahead = 2 * WINDOWS.drained

        world.wire.before_look_up = put_forward
        report = await world.run(ROWS, clock=clock, **SENDS_AGAIN)
        assert states(report) == {RowState.UNKNOWN: 3}
        await world.wire.deliver_late()
        assert (await world.run(ROWS, clock=clock, **SENDS_AGAIN)).ok
        assert world.ledger.cards == 4


async def _forgetting(world: World, hours: float) -> Report:
    """A request arrives after its caller gave up; the server forgets; the job goes on later."""
    await known_order(world)
    world.wire.fate = lambda number, attempt: "late" if attempt == 0 else "answer"
    job = world.job()
    world.wire.before_look_up = job.stop
    await job.run(ROWS, job="forgotten")
    world.wire.before_look_up = lambda: None
    world.clock.advance(hours * 3600)
    return await world.run(ROWS, job="forgotten")


@pytest.mark.anyio
async def test_in_the_window_a_row_is_sent_again(world: World) -> None:
    """An hour later the server still refuses the number, so the row may be sent again at once."""
    assert (await _forgetting(world, 1)).ok
    await world.wire.deliver_late()
    assert world.ledger.cards == 4


@pytest.mark.anyio
async def test_after_the_window_absence_must_be_proven(world: World) -> None:
    """Half a day later a repeat is only sent once the query's controls hold."""
    world.wire.answer_look_up = lambda response: (
        response
        if "merchantOrderNo" not in world.wire.look_ups[-1]
        else reply({"total": 0, "records": []})
    )
    report = await _forgetting(world, 13)
    assert states(report) == {RowState.UNKNOWN: 3}
    assert {row.attempts for row in report.results} == {1}
    world.wire.answer_look_up = lambda response: response
    world.wire.late.clear()
    assert (await world.run(ROWS, job="forgotten")).ok
    assert world.ledger.cards == 4
