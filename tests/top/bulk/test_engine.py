"""The engine: ranges of rows, deadlines, the breaker, results as they come, lazy results."""

from __future__ import annotations

import tracemalloc
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
import pytest
from msgspec.structs import replace as replaced

from fincard_async._sansio.secret import Secret
from fincard_async.bulk import (
    BreakerLimits,
    EngineSettings,
    IssueRow,
    Report,
    Results,
    RowResult,
    RowState,
    SqliteJournal,
    Stop,
    read_results,
)
from fincard_async.bulk.breaker import Breaker
from fincard_async.bulk.entry import Entry
from fincard_async.bulk.line import Line
from fincard_async.bulk.report import Histogram
from fincard_async.errors import JournalError, JournalLocked, UsageError
from fincard_async.sandbox import HOLDER_IDS
from fincard_async.sandbox.catalog import PHYSICAL, PREPAID
from fincard_async.testing import FakeClock, reply

from .kit import HEADER, JOB, World, number_of, plan_of, rows_of, states, world_in

pytestmark = pytest.mark.anyio

ROWS = rows_of(12)


# -- Ranges ----------------------------------------------------------------------------------------


async def test_ranges_of_rows(world: World) -> None:
    """A run over a range touches no other row, and reports on its own rows only."""
    journal = SqliteJournal(world.path)
    await journal.open(HEADER, plan_of(ROWS))
    report = await world.chunk(journal, first_seq=3, last_seq=5)
    assert states(report) == {RowState.ISSUED: 3}
    assert report.received == {"USD": sum((row.amount for row in ROWS[3:6]), Decimal(0))}
    assert sorted(world.wire.orders) == sorted(number_of(row) for row in ROWS[3:6])
    report = await world.chunk(journal, first_seq=6)
    assert states(report) == {RowState.ISSUED: 6}
    assert await world.chunk(journal, first_seq=6) == report
    await journal.close()
    assert (await world.run(ROWS)).ok
    assert len(world.wire.orders) == 12


async def test_a_range_polls_its_own_rows(tmp_path: Path) -> None:
    """Accepted rows of other ranges are none of a run's business."""
    rows = rows_of(60)
    async with world_in(tmp_path, latency_ms=None) as world:
        journal = SqliteJournal(world.path)
        await journal.open(HEADER, plan_of(rows))
        quick = EngineSettings(final_timeout=0, concurrency=32)
        await world.chunk(journal, settings=quick)
        world.sandbox.controls.settle_now()
        report = await world.chunk(journal, first_seq=10, last_seq=39)
        assert states(report) == {RowState.ISSUED: 30}
        assert await journal.counts() == {RowState.ISSUED: 30, RowState.ACCEPTED: 30}
        await journal.close()


async def test_an_attached_journal(world: World) -> None:
    """A journal that was planned elsewhere can be run without its rows; another server's cannot."""
    journal = SqliteJournal(world.path)
    await journal.open(HEADER, plan_of(ROWS))
    await journal.close()
    header = await journal.attach()
    assert (header.job, header.kind, header.tenant) == (JOB, "open", "sandbox")
    assert journal.header == header
    assert (await world.chunk(journal)).ok
    await journal.close()
    with pytest.raises(JournalError, match="is not open"):
        _ = journal.header
    with pytest.raises(JournalError, match="is not open"):
        await journal.counts()
    other = SqliteJournal(world.path.with_name("other"))
    await other.open(replaced(HEADER, tenant="other"), plan_of(ROWS))
    with pytest.raises(JournalError, match="belongs to another tenant"):
        await world.chunk(other)
    await other.close()
    assert len(world.wire.orders) == 12


async def test_a_card_number_that_only_the_rows_have(world: World) -> None:
    """A row whose card number is not at hand is not sent without it."""
    row = IssueRow(
        row_id="plastic",
        card_type_id=PHYSICAL,
        amount=Decimal(50),
        holder_id=HOLDER_IDS[0],
        card_number=Secret("OFFLINE-1"),
    )
    journal = SqliteJournal(world.path)
    await journal.open(HEADER, plan_of([row]))
    await journal.close()
    await journal.attach()
    with pytest.raises(UsageError, match="row 1 needs its card_number, which no journal keeps"):
        await world.chunk(journal)
    await journal.close()
    assert world.wire.orders == []
    assert (await world.run([row])).ok
    assert len(world.wire.orders) == 1


# -- Early ends ------------------------------------------------------------------------------------


async def test_deadline(world: World) -> None:
    """After the deadline nothing new is sent; the report says why, and the next run goes on."""
    rows = rows_of(100)

    async def hold(_: str) -> None:
        world.clock.advance(1)

    world.wire.hold = hold
    report = await world.run(rows, deadline=20, concurrency=1)
    assert (report.interrupted, report.reason) == (True, "the deadline of the run has passed")
    assert len(world.wire.orders) == 20
    assert (await world.run(rows, concurrency=1)).ok
    world.assert_exact(rows)


async def test_a_deadline_ends_pauses() -> None:
    """No pause lasts beyond the deadline."""
    clock = FakeClock()
    stop = Stop(clock)
    stop.ask_after(10)
    assert await stop.pause(4)
    assert not await stop.pause(45)
    assert clock.slept == [4, 6]
    assert stop.reason == "the deadline of the run has passed"


def ended(state: RowState, code: int | None = None) -> Entry:
    """A row that came to rest."""
    return Entry(seq=0, row_id="r", order_no="N", payload="{}", state=state, code=code)


@pytest.mark.parametrize(
    "bad, count, expected",
    [
        (ended(RowState.UNKNOWN), 2, None),
        (ended(RowState.UNKNOWN), 3, "3 of the last 50 rows ended unknown"),
        (ended(RowState.REFUSED, -1), 10, None),
        (ended(RowState.REFUSED, -1), 11, "11 of the last 50 rows ended refused with -1"),
        (ended(RowState.FAILED), 50, None),
        (ended(RowState.ACCEPTED), 50, None),
    ],
)
def test_breaker(bad: Entry, count: int, expected: str | None) -> None:
    """Over 5 % unknown, or over 20 % refused with one code, among the last 50. (design 4.5)"""
    breaker = Breaker(BreakerLimits())
    found = [breaker.finished(ended(RowState.ISSUED)) for _ in range(50 - count)]
    found += [breaker.finished(bad) for _ in range(count)]
    assert found == [None] * 49 + [expected]


def test_breaker_forgets() -> None:
    """Only the last 50 rows count, and different codes do not add up."""
    breaker = Breaker(BreakerLimits())
    for number in range(100):
        assert breaker.finished(ended(RowState.REFUSED, number)) is None
    for _ in range(50):
        assert breaker.finished(ended(RowState.ISSUED)) is None
    assert breaker.finished(ended(RowState.UNKNOWN)) is None


async def test_the_breaker_stops_the_feeding(world: World) -> None:
    """When too many rows go wrong no new row is sent; the report says why."""
    rows = rows_of(300)
    world.wire.fate = lambda number, attempt: "refused"
    report = await world.run(rows, concurrency=4)
    assert report.interrupted
    assert report.reason is not None
    assert "of the last 50 rows ended refused with -1" in report.reason
    assert 50 <= len(world.wire.orders) < 60
    assert report.codes == {(RowState.REFUSED, -1): report.counts[RowState.REFUSED]}
    world.wire.fate = lambda number, attempt: "answer"
    report = await world.run(rows, concurrency=4)
    assert report.complete


async def test_no_breaker(world: World) -> None:
    """Where nobody wants it, nothing stops."""
    world.wire.fate = lambda number, attempt: "refused"
    report = await world.run(rows_of(100), breaker=None)
    assert states(report) == {RowState.REFUSED: 100}


async def test_rows_of_earlier_runs_do_not_trip_the_breaker(world: World) -> None:
    """Rows that stay unknown without being sent say nothing of what would be sent."""
    rows = rows_of(60)
    world.wire.fate = lambda number, attempt: "lost before"
    await world.run(rows, breaker=None)
    world.wire.answer_look_up = lambda _: reply(status=400, msg="no")
    report = await world.run(rows)
    assert states(report) == {RowState.UNKNOWN: 60}
    assert (report.interrupted, report.reason) == (False, None)


# -- Results ---------------------------------------------------------------------------------------


async def test_results_as_they_come(world: World) -> None:
    """Each row that ends is handed out once, in order of completion, with its times."""
    told: list[RowResult] = []
    bad = number_of(ROWS[3])
    world.wire.fate = lambda number, attempt: "refused" if number == bad else "answer"
    report = await world.run(ROWS, on_result=told.append)
    assert len(told) == 12
    assert {row.row_id for row in told} == {row.row_id for row in ROWS}
    by_id = {row.row_id: row for row in report.results}
    assert all(by_id[row.row_id] == row for row in told)
    assert all(row.seconds is not None and row.seconds >= 0 for row in told)
    await world.run(ROWS, on_result=told.append)
    assert len(told) == 12


async def test_accepted_rows_are_handed_out_when_they_end(tmp_path: Path) -> None:
    """A row that is only accepted is no result yet."""
    async with world_in(tmp_path, latency_ms=5000) as world:
        told: list[RowResult] = []
        report = await world.run(ROWS, on_result=told.append)
        assert {row.state for row in told} == {RowState.ISSUED}
        assert len(told) == 12
        assert report.timings.count == 12
        assert (report.timings.p50 or 0) >= 4.7


async def test_a_sink_that_fails(world: World) -> None:
    """A report that cannot be written ends the run in good order, with the error."""

    def sink(_: RowResult) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        await world.run(rows_of(100), on_result=sink, concurrency=2)
    assert len(world.wire.orders) == world.ledger.cards <= 4
    assert (await world.run(rows_of(100))).ok
    world.assert_exact(rows_of(100))


async def test_lazy_results(world: World) -> None:
    """Results are read from the journal, by place or one after the other."""
    report = await world.run(ROWS)
    results = report.results
    assert len(results) == 12
    assert [row.row_id for row in results] == [row.row_id for row in ROWS]
    assert results[-1] == list(results)[11]
    assert [row.row_id for row in results[2:4]] == ["row-2", "row-3"]
    with pytest.raises(IndexError):
        _ = results[12]
    assert list(read_results(world.path)) == list(results)
    journal = SqliteJournal(world.path)
    await journal.attach()
    with pytest.raises(JournalLocked):
        _ = results[0]
    await journal.close()


async def test_results_nobody_can_read() -> None:
    """Where a journal is no file, results say so instead of being none."""
    with pytest.raises(UsageError, match="cannot be read row by row"):
        list(Results(None, 3))


async def test_read_results_lets_go(world: World) -> None:
    """A reader that is closed half-way leaves the journal free."""
    await world.run(ROWS)
    reader = read_results(world.path)
    next(reader)
    reader.close()  # type: ignore[attr-defined]  # it is a generator
    assert (await world.run(ROWS)).ok


def test_histogram() -> None:
    """Quantiles are right within 5 %, whatever the number of values."""
    histogram = Histogram()
    assert histogram.quantile(0.5) is None
    for number in range(1, 1001):
        histogram.add(number / 1000)
    for share in (0.5, 0.99, 1.0):
        found = histogram.quantile(share)
        assert found is not None
        assert share <= found <= share * 1.05
    histogram.add(-1)
    assert histogram.count == 1001


async def test_a_stream_of_rows(world: World) -> None:
    """Rows may come from anywhere, one after the other."""

    async def stream() -> AsyncIterator[IssueRow]:
        for row in ROWS:
            await anyio.lowlevel.checkpoint()
            yield row

    assert (await world.run(stream())).ok
    assert (await world.run(iter(ROWS))).ok
    assert len(world.wire.orders) == 12
    world.assert_exact(ROWS)


@pytest.mark.slow
async def test_flat_memory(tmp_path: Path) -> None:
    """Four times the rows need hardly more memory: nothing is kept of a row."""

    async def peak(count: int) -> int:
        async def stream() -> AsyncIterator[IssueRow]:
            for number in range(count):
                yield IssueRow(row_id=str(number), card_type_id=PREPAID, amount=Decimal(50))

        journal = SqliteJournal(tmp_path / f"{count}.journal")
        tracemalloc.start()
        await journal.open(HEADER, plan_of(stream()))
        while entries := await journal.read([RowState.PLANNED], after=-1, limit=1000):
            await journal.commit([replaced(e, state=RowState.ISSUED) for e in entries])
        await journal.close()
        await journal.open(HEADER, plan_of(stream()))
        await journal.close()
        _, found = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return found

    small = await peak(1000)
    assert await peak(4000) < small * 1.5


# -- The line --------------------------------------------------------------------------------------


@pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
async def test_line() -> None:
    """What is put is taken in order, by whoever is free; a group waits until there is room."""
    line = Line[int](low=2)
    taken: list[int | None] = []

    async def take() -> None:
        while (item := await line.take()) is not None:
            taken.append(item)
            await anyio.lowlevel.checkpoint()

    ran_out: list[bool] = []

    async def put() -> None:
        for start in range(0, 30, 10):
            ran_out.append(await line.put(range(start, start + 10)))
        line.close()

    async with anyio.create_task_group() as group:
        group.start_soon(take)
        group.start_soon(take)
        group.start_soon(put)
    assert taken == list(range(30))
    assert ran_out[0]
    assert await line.take() is None


async def test_reports_of_runs_are_equal_but_for_time(world: World) -> None:
    """A finished job reports the same again."""
    once: Report = await world.run(ROWS)
    again = await world.run(ROWS)
    assert replace(again, elapsed=0) == replace(once, elapsed=9)
    settings: dict[str, Any] = {"concurrency": 3}
    assert await world.run(ROWS, **settings) == once
