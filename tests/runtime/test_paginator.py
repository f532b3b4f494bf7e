"""The rows of a paged query."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import aclosing

import anyio
import pytest
from hypothesis import given, strategies as st

from fincard_async._runtime.paginator import PageReader
from fincard_async._sansio.operation import Paging
from fincard_async._sansio.page_tokens import PageToken, write_token
from fincard_async.errors import IncompletePagination, ResponseMismatch, TimedOut, ValidationError

from .lists import TIMED, Asked, Row, Source, shelf

pytestmark = pytest.mark.anyio

PAGING = Paging(page="page", size="size", max_size=100, natural_key=("no",))


def rows(*names: str) -> list[Row]:
    """Rows with these keys."""
    return [Row(no=name) for name in names]


class Server(Source):
    """Serves pages and remembers which were asked for."""

    def __init__(
        self,
        pages: Sequence[Sequence[Row]],
        total: int | None = None,
        fail: Callable[[int], bool] = lambda number: False,
        size: int = 2,
    ) -> None:
        super().__init__(self.page, paging=PAGING, size=size)
        self.all = pages
        self.total = sum(map(len, pages)) if total is None else total
        self.fail = fail

    def page(self, asked: Asked) -> tuple[Sequence[Row], int]:
        """One page; empty beyond the last."""
        number = asked.number
        if self.fail(number):
            raise TimedOut(f"page {number}")
        return (self.all[number - 1] if number <= len(self.all) else []), self.total

    @property
    def numbers(self) -> list[int]:
        """Pages that were asked for."""
        return [asked.number for asked in self.asked]


async def drain(reader: PageReader[Row], into: list[str | None]) -> None:
    """Put the keys of all rows into a list, up to the first error."""
    async for row in reader:
        into.append(row.no)


async def gather(reader: PageReader[Row], into: list[Row]) -> None:
    """Put all rows into a list, up to the first error."""
    async for row in reader:
        into.append(row)


async def names(reader: PageReader[Row]) -> list[str | None]:
    """The keys of all rows."""
    return [row.no async for row in reader]


@pytest.mark.parametrize("prefetch", [0, 1, 3, 10])
@pytest.mark.parametrize(
    "pages, expected",
    [
        ([], ""),
        ([["a"]], "a"),
        ([["a", "b"]], "ab"),
        ([["a", "b"], ["c"]], "abc"),
        ([["a", "b"], ["c", "d"]], "abcd"),
        ([["a", "b"], ["c", "d"], ["e", "f"], ["g"]], "abcdefg"),
        ([["a", "b"], ["b", "c"], ["c", "d"]], "abcd"),
        ([["a", "b"], ["a", "c"], ["d"]], "abcd"),
    ],
)
async def test_every_row_is_delivered_once(
    pages: list[list[str]], expected: str, prefetch: int
) -> None:
    """In order, across pages; a row that moved to the next page is not delivered twice."""
    server = Server([rows(*page) for page in pages])
    assert await names(server.reader(prefetch=prefetch)) == list(expected)


async def test_rows_without_a_key_are_all_delivered() -> None:
    """Nothing is taken for a repeat that the server did not name."""
    server = Server([[Row(None, 1), Row(None, 1)], [Row(None, 1)]])
    assert len(await names(server.reader())) == 3


@pytest.mark.parametrize(
    "pages, total, asked",
    [
        ([], 0, [1]),
        ([["a"]], 1, [1]),
        ([["a", "b"]], 2, [1, 2]),
        ([["a", "b"], ["c"]], 3, [1, 2]),
        ([["a"], ["b", "c"], ["d"]], 4, [1, 2, 3]),
        ([["a"], ["b"]], 0, [1]),
        ([["a", "b"], ["b", "c"], []], 3, [1, 2, 3]),
    ],
)
async def test_where_the_pages_end(pages: list[list[str]], total: int, asked: list[int]) -> None:
    """An empty page ends them, and a short one unless rows are still missing by the total."""
    server = Server([rows(*page) for page in pages], total=total)
    await names(server.reader())
    assert server.numbers == asked


async def test_a_repeated_page_is_an_error() -> None:
    """A server that ignores the page number would otherwise be asked for ever."""
    page = rows("a", "b")
    server = Server([page, page, page])
    delivered: list[str | None] = []
    with pytest.raises(ResponseMismatch, match="repeated a page"):
        await drain(server.reader(), delivered)
    assert delivered == ["a", "b"]


@pytest.mark.parametrize("prefetch", [0, 1, 2, 5])
@pytest.mark.parametrize("broken", [1, 2, 3, 4])
async def test_an_error_comes_after_the_rows_before_it(broken: int, prefetch: int) -> None:
    """It is the page's own error, not a group, and what was read stays delivered."""
    server = Server(
        [rows("a", "b"), rows("c", "d"), rows("e", "f"), rows("g")],
        fail=lambda number: number == broken,
    )
    delivered: list[str | None] = []
    with pytest.raises(TimedOut, match=f"page {broken}"):
        await drain(server.reader(prefetch=prefetch), delivered)
    assert delivered == list("abcdefg")[: 2 * (broken - 1)]


@pytest.mark.parametrize("prefetch", [1, 3])
async def test_an_error_of_a_page_nobody_needs_is_not_told(prefetch: int) -> None:
    """Pages read ahead beyond the last one may fail without harm."""
    server = Server([rows("a", "b"), rows("c")], fail=lambda number: number > 2)
    assert await names(server.reader(prefetch=prefetch)) == ["a", "b", "c"]


@pytest.mark.parametrize("prefetch, most", [(0, 1), (1, 2), (4, 5)])
async def test_pages_are_read_ahead_within_a_bound(prefetch: int, most: int) -> None:
    """At most one page more than asked for is on the wire."""
    server = Server([rows(f"{number}a", f"{number}b") for number in range(20)])
    assert len(await names(server.reader(prefetch=prefetch))) == 40
    assert server.most == most


async def test_nothing_is_read_before_it_is_needed() -> None:
    """Making a paginator sends nothing; the first rows come from the first page alone."""
    server = Server([rows("a", "b"), rows("c")])
    reader = server.reader(prefetch=3)
    assert server.numbers == []
    assert (await reader.collect(2)) == rows("a", "b")
    assert server.numbers == [1]


@pytest.mark.parametrize(
    "limit, expected, asked",
    [
        (None, "abc", [1, 2]),
        (0, "", []),
        (-1, "", []),
        (1, "a", [1]),
        (3, "abc", [1, 2]),
        (9, "abc", [1, 2]),
    ],
)
async def test_collect_reads_no_more_than_its_limit(
    limit: int | None, expected: str, asked: list[int]
) -> None:
    """The limit counts rows; the pages behind it are not read."""
    server = Server([rows("a", "b"), rows("c")])
    assert await server.reader().collect(limit) == rows(*expected)
    assert server.numbers == asked


async def test_the_first_row() -> None:
    """The first row or None, with one call."""
    server = Server([rows("a", "b"), rows("c")])
    assert await server.reader().first() == Row("a")
    assert await Server([]).reader().first() is None
    assert server.numbers == [1]


async def test_one_page_and_all_pages() -> None:
    """A page says what it is, repeated rows included."""
    server = Server([rows("a", "b"), rows("b", "c"), rows("d")])
    page = await server.reader().page(2)
    assert (page.number, page.size, page.total) == (2, 2, 5)
    assert list(page.records) == rows("b", "c")
    assert [page.number async for page in server.reader().pages()] == [1, 2, 3]


async def test_one_object_serves_many_loops() -> None:
    """Every loop begins at the first page."""
    reader = Server([rows("a", "b"), rows("c")]).reader()
    assert await names(reader) == await names(reader) == ["a", "b", "c"]


@pytest.mark.parametrize("size", [0, -1, 101])
async def test_a_page_size_outside_the_bounds(size: int) -> None:
    """The server's own bounds hold before anything is sent."""
    with pytest.raises(ValidationError, match=r"^page_size must be 1\.\.100"):
        Server([], size=size).reader()


async def test_other_numbers_that_make_no_sense() -> None:
    """Pages count from 1, and nobody reads a negative number of pages ahead."""
    with pytest.raises(ValidationError, match="prefetch must not be negative"):
        Server([]).reader(prefetch=-1)
    for number in (0, -1):
        with pytest.raises(ValidationError, match="pages count from 1"):
            await Server([]).reader().page(number)


async def cancel_at(wanted: int, number: int, scope: anyio.CancelScope) -> None:
    """Cancel the reader when this page is asked for, and never answer it."""
    if number == wanted:
        scope.cancel()
        await anyio.sleep_forever()


async def test_a_cancel_in_the_middle_of_a_batch() -> None:
    """A cancel ends all reads of the batch and passes unchanged."""
    server = Server([rows("a", "b"), rows("c", "d"), rows("e", "f"), rows("g")])
    with anyio.CancelScope() as scope:
        server.before_page = lambda number: cancel_at(3, number, scope)
        await server.reader(prefetch=3).collect()
    assert scope.cancelled_caught
    assert server.inside == 0


@given(
    st.lists(st.integers(0, 30), unique=True, max_size=30),
    st.integers(1, 5),
    st.integers(0, 4),
)
def test_any_list_comes_whole(keys: list[int], size: int, prefetch: int) -> None:
    """Any number of rows, cut at any size, read ahead any number of pages."""
    cut = [keys[at : at + size] for at in range(0, len(keys), size)]
    server = Server([rows(*map(str, page)) for page in cut], size=size)

    async def read() -> list[str | None]:
        return await names(server.reader(prefetch))

    assert anyio.run(read) == list(map(str, keys))


@pytest.mark.parametrize("prefetch", [0, 2])
async def test_an_empty_page_before_the_last_row(prefetch: int) -> None:
    """It is asked for once more, and then it is an error and not the end."""
    server = Server([rows("a", "b"), [], rows("c")], total=5)
    delivered: list[str | None] = []
    with pytest.raises(IncompletePagination) as caught:
        await drain(server.reader(prefetch), delivered)
    assert delivered == ["a", "b"]
    assert (caught.value.seen, caught.value.total) == (2, 5)
    assert server.numbers.count(2) == 2


async def test_an_empty_page_that_was_a_slip() -> None:
    """The second answer counts."""
    server = Server([rows("a", "b"), rows("c", "d"), rows("e")])
    slips = iter([[], rows("c", "d")])

    def page(asked: Asked) -> tuple[Sequence[Row], int]:
        return (next(slips) if asked.number == 2 else server.page(asked)[0]), 5

    server.pages = page
    assert await names(server.reader()) == list("abcde")
    assert server.numbers == [1, 2, 2, 3]


async def test_pages_without_end() -> None:
    """A server that always finds another page is not asked for ever."""
    server = Source(lambda asked: (rows(f"{asked.number}a", f"{asked.number}b"), 6), paging=PAGING)
    with pytest.raises(IncompletePagination, match="do not end"):
        await server.reader().collect()
    assert len(server.asked) == 2 * 3 + 10 + 1


async def test_a_server_with_smaller_pages_than_asked_for() -> None:
    """Its pages are all short, and all are read."""
    server = Server([rows("a", "b"), rows("c", "d"), rows("e", "f"), rows("g")], size=50)
    assert await names(server.reader()) == list("abcdefg")


async def test_one_repeated_page_is_chance() -> None:
    """As many rows were added as fit a page: the next page is the same one, and then they go on."""
    server = Server([rows("a", "b"), rows("a", "b"), rows("c")], total=5)
    assert await names(server.reader()) == list("abc")


async def test_no_more_pages_at_once_than_there_are() -> None:
    """Pages beyond the last one are not read ahead."""
    server = Server([rows("a", "b"), rows("c", "d"), rows("e")])
    await server.reader(prefetch=10).collect()
    assert sorted(server.numbers) == [1, 2, 3]


@pytest.mark.parametrize("prefetch", [0, 3])
async def test_nothing_is_in_flight_when_a_loop_is_left(prefetch: int) -> None:
    """An early exit needs no clean-up: no read runs while the caller looks at rows."""
    server = Server([rows(f"{number}a", f"{number}b") for number in range(20)])
    async with aclosing(server.reader(prefetch).pages()) as pages:
        async for page in pages:
            assert server.inside == 0
            if page.number == 5:
                break
    asked = len(server.asked)
    await anyio.lowlevel.checkpoint()
    assert (server.inside, len(server.asked)) == (0, asked)


async def test_the_total() -> None:
    """What the server counts, with one call for one row."""
    server = Server([rows("a", "b")], total=77)
    assert await server.reader().total() == 77
    assert len(server.asked) == 1


DAY = [Row(str(number), 1000 - 10 * number) for number in range(9)]
"""Newest first."""


async def test_the_end_is_frozen_at_the_newest_row() -> None:
    """The later pages ask for nothing newer than the first row of the first page."""
    source = Source(shelf(DAY[::-1], 2), size=2)
    assert await source.reader().collect() == DAY
    assert [asked.until for asked in source.asked] == [None, 1001, 1001, 1001, 1001]


async def test_the_callers_own_end_is_lowered_only() -> None:
    """The frozen end is a moment inside of the window that was asked for."""
    source = Source(shelf(DAY[::-1], 2), size=2, until=975, since=935)
    assert await source.reader().collect() == DAY[3:7]
    assert {(asked.since, asked.until) for asked in source.asked} == {(935, 975), (935, 971)}


async def test_the_callers_own_end_is_never_raised() -> None:
    """Also where the newest row stands at that very end."""
    source = Source(shelf(DAY[::-1], 2), size=2, until=970)
    assert await source.reader().collect() == DAY[3:]
    assert {asked.until for asked in source.asked} == {970}


async def test_a_limit_that_does_not_count_in() -> None:
    """The frozen end loses no row of its own millisecond."""
    whole = shelf(DAY[::-1], 2)

    def page(asked: Asked) -> tuple[Sequence[Row], int]:
        return whole(asked._replace(until=None if asked.until is None else asked.until - 1))

    assert await Source(page, size=2).reader().collect() == DAY


async def test_nothing_is_frozen_in_the_middle() -> None:
    """A window that shrinks behind the first page would renumber the pages behind it."""
    source = Source(shelf(DAY[::-1], 2), size=2)
    token = PageToken(query=source.name(window=True), page=3, end=None, seen=[])
    assert await source.reader().resume(write_token(token)).collect() == DAY[4:]
    assert {asked.until for asked in source.asked} == {None}


@pytest.mark.parametrize(
    "first",
    [
        [Row("a", 5), Row("b", 9)],
        [Row("a", 9), Row("b", 9)],
        [Row("a", 9), Row("b")],
        [Row("a"), Row("b", 9)],
    ],
)
async def test_without_a_falling_first_page_nothing_is_frozen(first: list[Row]) -> None:
    """Only rows that come newest first say which one is the newest."""
    pages = [first, [Row("c", 20)]]
    source = Source(lambda asked: (pages[asked.number - 1], 3))
    assert [row.no for row in await source.reader().collect()] == ["a", "b", "c"]
    assert [asked.until for asked in source.asked] == [None, None]


def failing(rows: Sequence[Row], at: int, *, paging: Paging = TIMED) -> Source:
    """A list of which the n-th page read fails."""
    fine = shelf(rows, 2)
    if paging.time is None:
        plain = list(rows)[::-1]

        def page(asked: Asked) -> tuple[Sequence[Row], int]:
            return plain[(asked.number - 1) * 2 :][:2], len(plain)
    else:
        page = fine

    def read(asked: Asked) -> tuple[Sequence[Row], int]:
        if len(source.asked) == at:
            raise TimedOut("lost")
        return page(asked)

    source = Source(read, size=2, paging=paging)
    return source


@pytest.mark.parametrize("paging", [TIMED, PAGING])
@pytest.mark.parametrize("at", [1, 2, 3, 5])
async def test_an_error_tells_how_to_go_on(at: int, paging: Paging) -> None:
    """Rows before it and rows of the resumed reader together are the list, each row once."""
    source = failing(DAY[::-1], at, paging=paging)
    before: list[Row] = []
    with pytest.raises(TimedOut) as caught:
        await gather(source.reader(), before)
    token = caught.value.resume_token
    assert token is not None
    assert caught.value.delivered == len(before) == 2 * (at - 1)
    assert json.loads(token)["query"] == "lists.rows/None..None"
    after = await source.reader().resume(token).collect()
    assert before + after == DAY


async def test_a_resumed_reader_may_break_off_again() -> None:
    """Its own error carries everything that was delivered before, too."""
    source = failing(DAY[::-1], 2)
    with pytest.raises(TimedOut) as caught:
        await source.reader().collect()
    source = failing(DAY[::-1], 2)
    with pytest.raises(TimedOut) as again:
        await source.reader().resume(str(caught.value.resume_token)).collect()
    rest = await source.reader().resume(str(again.value.resume_token)).collect()
    assert [*DAY[:2], *again.value.rows, *rest] == DAY


async def test_what_collect_had_is_on_its_error() -> None:
    """The list that it could not return is not lost."""
    with pytest.raises(TimedOut) as caught:
        await failing(DAY[::-1], 3).reader().collect()
    assert (caught.value.delivered, caught.value.rows) == (4, tuple(DAY[:4]))
    assert "Row" not in repr(caught.value) + str(caught.value)


async def test_pages_go_on_at_the_page_that_failed() -> None:
    """Pages are given as they are, so their token remembers no rows."""
    source = failing(DAY[::-1], 3)
    with pytest.raises(TimedOut) as caught:
        async for _ in source.reader().pages():
            pass
    again = source.reader().resume(str(caught.value.resume_token))
    assert [page.number async for page in again.pages()] == [3, 4, 5]


async def test_a_token_of_something_else() -> None:
    """It is refused before anything is sent."""
    source = Source(shelf(DAY[::-1], 2), size=2, since=5)
    for token in ("", '{"page": 1}', source.reader().export().checkpoint):
        with pytest.raises(ValidationError):
            source.reader().resume(token)
    other = PageToken(query=source.name(window=True), page=0, end=None, seen=[])
    with pytest.raises(ValidationError, match="names no page"):
        source.reader().resume(write_token(other))
    assert source.asked == []
