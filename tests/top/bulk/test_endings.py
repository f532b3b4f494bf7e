"""Runs that end early, by request, cancellation or error; and what never leaks."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal
from pathlib import Path

import anyio
import pytest

from fincard_async._generated.operations.cards import OPEN
from fincard_async._sansio.secret import Secret
from fincard_async.bulk import (
    IssueRow,
    Progress,
    Report,
    RowState,
    SqliteJournal,
    Stop,
)
from fincard_async.bulk.driver import Driver
from fincard_async.bulk.report import Tally
from fincard_async.bulk.windows import Policy
from fincard_async.errors import (
    JournalError,
    PermissionDenied,
    Unauthenticated,
    UsageError,
    ValidationError,
)
from fincard_async.sandbox import HOLDER_IDS
from fincard_async.sandbox.catalog import PHYSICAL
from fincard_async.testing import FakeClock, reply

from .kit import (
    HEADER,
    JOB,
    Connector,
    Fate,
    World,
    first,
    number_of,
    plan_of,
    rows_of,
    states,
    world_in,
)

pytestmark = pytest.mark.anyio

ROWS = rows_of(12)


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
    await journal.open(HEADER, plan_of(ROWS[:2]))
    driver = Driver(
        client=world.client,
        operation=OPEN,
        journal=journal,
        secrets={},
        policy=Policy(),
        breaker=None,
        on_result=None,
        clock=world.clock,
        tally=Tally(await journal.counts(), None, world.clock.monotonic),
        stop=Stop(world.clock),
    )
    first, second = await driver.intend(await journal.read((), after=-1, limit=2))
    await driver.drive(first, intended=True)
    with pytest.raises(JournalError, match="disk I/O error"):
        await journal.flush()
    with pytest.raises(JournalError, match="disk I/O error"):
        await driver.drive(second, intended=True)
    await journal.close()
    assert world.wire.orders == [number_of(ROWS[0])]
    assert (await world.run(ROWS[:2])).ok
    world.assert_exact(ROWS[:2])


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
    assert report.results[0].message == "the server refused: the number [secret] is taken"
    assert canary not in repr(report)
    assert b"plastic" in b"".join(content)
    assert canary.encode() not in b"".join(content)


async def test_no_card_number_from_a_record(tmp_path: Path) -> None:
    """A number that the server quotes in the record of a failed order is masked as well."""
    row = IssueRow(
        row_id="plastic",
        card_type_id=PHYSICAL,
        amount=Decimal(50),
        holder_id=HOLDER_IDS[0],
        card_number=Secret("CANARY-531-993"),
    )
    async with world_in(tmp_path, latency_ms=1000) as world:
        world.sandbox.controls.fail_next(description="CANARY-531-993 is taken")
        report = await world.run([row])
    assert report.counts[RowState.FAILED] == 1
    assert report.results[0].message == "[secret] is taken"


async def test_settings_that_cannot_be(world: World) -> None:
    """Wrong settings and rows are refused before a journal is made."""
    with pytest.raises(ValidationError, match="concurrency must be at least 1"):
        world.job(concurrency=0)
    with pytest.raises(ValidationError, match="dedupe must be one of error, replay, none"):
        world.job(dedupe="None")
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
