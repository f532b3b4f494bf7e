"""A window of time read whole."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta, timezone
from itertools import count
from typing import Any

import pytest
from msgspec.structs import replace

from fincard_async._sansio.paging import Export
from fincard_async._sansio.slices import DAY_MS
from fincard_async.errors import (
    IncompletePagination,
    ResponseMismatch,
    TimedOut,
    ValidationError,
)

from .lists import TIMED, Asked, Row, Source, at, shelf

pytestmark = pytest.mark.anyio

ROWS = [Row(f"{number:03d}", 100_000 + 70 * number) for number in range(200)]
"""Oldest first."""
LISTED = replace(TIMED, start=None, end=None, time=None)
"""A query without a time filter."""


def source(rows: Sequence[Row] = ROWS, size: int = 10, **more: Any) -> Source:
    """A list that stands still."""
    return Source(shelf(rows, size), size=size, **more)


async def test_every_row_oldest_first() -> None:
    """All rows, in the order of time, for about a quarter more calls than pages."""
    query = source()
    export = query.reader().export()
    assert [row async for row in export] == ROWS
    assert export.report.rows == 200
    assert export.report.calls == len(query.asked) <= 20 * 1.6
    assert export.report.best_effort == export.report.second_looks == 0
    assert all(query.swept)


@pytest.mark.parametrize("concurrency", [1, 2, 7])
async def test_no_more_at_once_than_allowed(concurrency: int) -> None:
    """Slices are read together up to the bound, and the rows are the same."""
    query = source()
    assert [row async for row in query.reader().export(concurrency=concurrency)] == ROWS
    assert query.most == concurrency


@pytest.mark.parametrize(
    "since, until",
    [(100_000, 113_931), (100_070, 100_140), (0, 10**12), (100_001, 100_069), (105_000, 10**7)],
)
async def test_the_window(since: int, until: int) -> None:
    """From its first moment up to, but not, its end."""
    expected = [row for row in ROWS if since <= at(row) < until]
    export = source().reader().export(since=since, until=until)
    assert [row async for row in export] == expected


async def test_moments_with_a_zone() -> None:
    """A datetime means the same as its milliseconds; without a zone it means nothing."""
    zone = timezone(timedelta(hours=2))
    begin = datetime.fromtimestamp(105, UTC).astimezone(zone)
    export = source().reader().export(since=begin)
    assert [row async for row in export] == [row for row in ROWS if at(row) >= 105_000]
    with pytest.raises(ValidationError, match="since needs a time zone"):
        source().reader().export(since=begin.replace(tzinfo=None))
    for wrong in (-1, True, datetime(1960, 1, 1, tzinfo=UTC)):
        with pytest.raises(ValidationError, match="until must not be before 1970"):
            source().reader().export(until=wrong)


async def test_the_querys_own_window() -> None:
    """It holds unless the export names another; its end, unlike until, counts in."""
    query = source(since=at(ROWS[5]), until=at(ROWS[50]))
    assert [row async for row in query.reader().export()] == ROWS[5:51]
    assert [row async for row in query.reader().export(until=at(ROWS[9]))] == ROWS[5:9]


@pytest.mark.parametrize("counts_in", [(False, False), (True, False), (False, True)])
async def test_limits_that_do_not_count_in(counts_in: tuple[bool, bool]) -> None:
    """It does not matter whether the server takes its limits as part of the window."""

    def page(asked: Asked) -> tuple[Sequence[Row], int]:
        since, until = asked.since, asked.until
        low = None if since is None else since + (not counts_in[0])
        high = None if until is None else until - (not counts_in[1])
        return whole(Asked(asked.number, low, high))

    whole = shelf(ROWS, 10)
    query = Source(page, size=10)
    rows = [row async for row in query.reader().export(since=at(ROWS[3]), until=at(ROWS[99]))]
    assert rows == ROWS[3:99]


@pytest.mark.parametrize("order", [lambda row: row.time, lambda row: row.no[::-1]])
async def test_no_order_is_needed(order: Any) -> None:
    """Oldest first, or in an order that has nothing to do with time."""
    ordered = sorted(ROWS, key=order)

    def page(asked: Asked) -> tuple[Sequence[Row], int]:
        low, high = asked.since or 0, asked.until or 10**15
        rows = [row for row in ordered if low <= at(row) <= high]
        return rows[(asked.number - 1) * 10 :][:10], len(rows)

    assert [row async for row in Source(page, size=10).reader().export()] == ROWS


async def test_a_millisecond_with_more_than_a_page() -> None:
    """It cannot be cut; its pages are read until all rows are there, and it says what it is."""
    crowd = [Row(f"x{number:02d}", 105_000) for number in range(25)]
    rows = sorted(ROWS + crowd, key=at)
    export = source(rows).reader().export()
    pieces = [piece async for piece in export.pieces()]
    assert sorted(str(row.no) for piece in pieces for row in piece.records) == sorted(
        str(row.no) for row in rows
    )
    (crowded,) = [piece for piece in pieces if piece.best_effort]
    assert (crowded.since, crowded.until) == (105_000, 105_001)
    assert export.report.best_effort == 1


@pytest.mark.parametrize("error", [-20, -1, 3])
async def test_a_crowded_millisecond_and_a_wrong_count(error: int) -> None:
    """Too low, it hides no full page; too high, it does not go on for ever."""
    crowd = [Row(f"x{number:02d}", 105_000) for number in range(45)]
    fine = shelf(crowd, 10)

    def page(asked: Asked) -> tuple[Sequence[Row], int]:
        rows, total = fine(asked)
        return rows, max(0, total + error)

    query = Source(page, size=10)
    export = query.reader().export(since=105_000, until=105_001)
    assert len({row.no async for row in export}) == 45
    assert export.report.best_effort == 1


async def test_a_full_millisecond_beside_another() -> None:
    """Each fits a page although both together do not: then neither is best effort."""
    rows = [Row(f"{number:02d}", 100 + number // 9) for number in range(27)]
    export = source(rows).reader().export()
    assert [row async for row in export] == rows
    assert export.report.best_effort == 0


async def test_a_count_that_is_wrong_once() -> None:
    """Rows and count disagree: a second look, and all is well."""
    fine, wrong = shelf(ROWS, 10), [True]

    def page(asked: Asked) -> tuple[Sequence[Row], int]:
        total, rows = fine.moving.page(
            fine.rows,
            lambda row: (asked.since or 0) <= at(row) <= (asked.until or 10**12),
            at,
            asked.number,
            10,
        )
        return rows, total + 3 if len(rows) < 10 and wrong and wrong.pop() else total

    export = Source(page, size=10).reader().export()
    assert [row async for row in export] == ROWS
    assert (export.report.second_looks, export.report.best_effort) == (1, 0)


async def test_a_count_that_stays_wrong() -> None:
    """Nothing stands behind the page, so the rows are all there; the piece says it is unsure."""
    fine = shelf(ROWS, 10)

    def page(asked: Asked) -> tuple[Sequence[Row], int]:
        rows, total = fine(asked)
        return rows, total + 1

    export = Source(page, size=10).reader().export()
    assert [row async for row in export] == ROWS
    assert export.report.best_effort == export.report.pieces


async def test_a_server_with_smaller_pages_than_asked_for() -> None:
    """Rows behind a page that is not full show it; then slices are cut for its pages."""
    small = shelf(ROWS, 4)
    export = Source(small, size=10).reader().export()
    assert [row async for row in export] == ROWS
    assert export.report.best_effort == 0


async def test_a_server_that_ignores_the_window() -> None:
    """Cutting would never end; rows from outside give it away."""
    whole = shelf(ROWS, 10)
    query = Source(lambda asked: whole(Asked(asked.number, None, None)), size=10)
    with pytest.raises(ResponseMismatch, match="outside the window"):
        async for _ in query.reader().export(since=105_000):
            pass


async def test_rows_without_time_come_once() -> None:
    """Every slice may show them; the first one has them."""
    timeless = [Row("t1"), Row("t2")]
    fine = shelf(ROWS, 8)

    def page(asked: Asked) -> tuple[Sequence[Row], int]:
        rows, total = fine(asked)
        return [*timeless, *rows], total + 2

    export = Source(page, size=10).reader().export()
    rows = [row async for row in export]
    assert len(rows) == len({row.no for row in rows})
    assert {row.no for row in rows} >= {"t1", "t2"}


async def drain(export: Export[Row], into: list[Row]) -> None:
    """Put all rows into a list, up to the first error."""
    async for row in export:
        into.append(row)


def failing(at_call: int) -> Source:
    """A list of which the n-th answer is lost."""
    fine, calls = shelf(ROWS, 10), count(1)

    def page(asked: Asked) -> tuple[Sequence[Row], int]:
        if next(calls) == at_call:
            raise TimedOut("lost")
        return fine(asked)

    return Source(page, size=10)


@pytest.mark.parametrize("at_call", [1, 2, 5, 9, 20])
@pytest.mark.parametrize("concurrency", [1, 4])
async def test_an_error_and_its_checkpoint(at_call: int, concurrency: int) -> None:
    """What came before it and what another export brings are the list, each row once."""
    query = failing(at_call)
    before: list[Row] = []
    export = query.reader().export(concurrency=concurrency)
    with pytest.raises(TimedOut) as caught:
        await drain(export, before)
    error = caught.value
    assert (error.delivered, error.resume_token) == (len(before), export.checkpoint)
    again = query.reader().export(checkpoint=error.resume_token)
    assert before + [row async for row in again] == ROWS


async def test_the_same_export_goes_on_after_an_error() -> None:
    """Another loop over it begins behind what was delivered."""
    query = failing(9)
    export = query.reader().export(concurrency=4)
    rows: list[Row] = []
    with pytest.raises(TimedOut):
        await drain(export, rows)
    rows += [row async for row in export]
    assert rows == ROWS


async def test_every_piece_is_a_checkpoint() -> None:
    """After any piece another process goes on behind it."""
    query = source()
    pieces = [piece async for piece in query.reader().export(until=200_000).pieces()]
    done: list[Row] = []
    for piece in pieces:
        done += piece.records
        rest = query.reader().export(checkpoint=piece.checkpoint)
        assert done + [row async for row in rest] == ROWS
    assert json.loads(pieces[-1].checkpoint)["done"] <= 200_000


async def test_a_piece_in_progress_is_not_done() -> None:
    """A loop that is left in the middle of a piece has it again."""
    query = source()
    export = query.reader().export()
    async with aclosing(export.__aiter__()) as rows:  # type: ignore[type-var]  # a generator
        async for _ in rows:
            break
    again = query.reader().export(checkpoint=export.checkpoint)
    assert [row async for row in again] == ROWS


async def test_a_finished_export_asks_for_nothing() -> None:
    """Its checkpoint says that there is nothing left."""
    for until in (None, 120_000):
        export = source().reader().export(until=until)
        assert [row async for row in export] == ROWS
        query = source()
        rest = query.reader().export(checkpoint=export.checkpoint)
        assert [row async for row in rest] == []
        assert query.asked == []


async def test_arguments_that_make_no_sense() -> None:
    """Refused before anything is sent."""
    query = source()
    reader = query.reader()
    checkpoint = reader.export(since=5, until=9).checkpoint
    wrong: list[tuple[str, dict[str, Any]]] = [
        ("until must be after since", {"since": 9, "until": 9}),
        ("concurrency must be at least 1", {"concurrency": 0}),
        ("another window", {"checkpoint": checkpoint, "since": 6}),
        ("another window", {"checkpoint": checkpoint, "until": 10}),
        ("not a token", {"checkpoint": "{}"}),
    ]
    for match, arguments in wrong:
        with pytest.raises(ValidationError, match=match):
            reader.export(**arguments)
    reader.export(checkpoint=checkpoint, since=5, until=9)
    assert query.asked == []


async def test_windows_of_the_server() -> None:
    """Where it takes so many days at most, no call asks for more, and an end is needed."""
    rows = [Row(str(number), number * DAY_MS) for number in range(100)]
    query = source(rows, paging=replace(TIMED, max_days=30))
    with pytest.raises(ValidationError, match="windows of 30 days"):
        query.reader().export()
    export = query.reader().export(since=0, until=100 * DAY_MS)
    assert [row async for row in export] == rows
    assert all(
        asked.until is not None and asked.until - (asked.since or 0) < 30 * DAY_MS
        for asked in query.asked
    )


async def test_the_total() -> None:
    """Rows of the window, with one call."""
    query = source()
    assert await query.reader().export(since=at(ROWS[10]), until=at(ROWS[30])).total() == 20
    assert len(query.asked) == 1


async def test_without_a_time_filter() -> None:
    """The list is read until two readings agree, and all of it is best effort."""
    query = source(paging=LISTED, rows=ROWS)
    pages = query.pages

    def page(asked: Asked) -> tuple[Sequence[Row], int]:
        rows, total = pages(Asked(asked.number, None, None))
        return rows, total

    query.pages = page
    pieces = [piece async for piece in query.reader().export().pieces()]
    assert [row for piece in pieces for row in piece.records] == ROWS[::-1]
    assert all(piece.best_effort for piece in pieces)
    assert len(query.asked) == 2 * 21
    with pytest.raises(ValidationError, match="no time filter"):
        query.reader().export(since=5)


async def test_a_list_that_never_stands_still() -> None:
    """No two readings agree: that is an error, not a list."""
    numbers = count()

    def page(asked: Asked) -> tuple[Sequence[Row], int]:
        return [Row(f"{next(numbers)}")], 1

    with pytest.raises(IncompletePagination, match="no two readings agree"):
        async for _ in Source(page, paging=LISTED).reader().export():
            pass
