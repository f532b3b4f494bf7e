"""New rows as they come."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing
from typing import Any

import pytest
from msgspec.structs import replace

from fincard_async._sansio.paging import Follow
from fincard_async.errors import TimedOut, ValidationError

from .lists import TIMED, Asked, Row, Source, at

pytestmark = pytest.mark.anyio


class Growing(Source):
    """A list to which a script adds rows before each look, so many of them as there are looks."""

    def __init__(self, *looks: Sequence[Row], size: int = 3) -> None:
        super().__init__(self.page, size=size)
        self.looks = list(looks)
        self.rows: list[Row] = []
        self.slept = 0

    def page(self, asked: Asked) -> tuple[Sequence[Row], int]:
        """What is there now; each pause of the clock brings the rows of the next look."""
        if asked.number == 1 and (not self.rows or len(self.clock.slept) > self.slept):
            self.slept = len(self.clock.slept)
            if self.looks:
                self.rows += self.looks.pop(0)
        low, high = asked.since or 0, asked.until or 10**12
        rows = sorted((row for row in self.rows if low <= at(row) <= high), key=at, reverse=True)
        return rows[(asked.number - 1) * self.size :][: self.size], len(rows)


async def take(source: Source, count: int, **options: Any) -> list[str | None]:
    """The keys of the first rows that a follower gives."""
    return await first(source.reader().follow(**options), count)


async def first(follow: Follow[Row], count: int) -> list[str | None]:
    """The keys of so many rows."""
    found: list[str | None] = []
    async with aclosing(follow.__aiter__()) as rows:  # type: ignore[type-var]  # a generator
        async for row in rows:
            found.append(row.no)
            if len(found) == count:
                break
    return found


def many(first: int, last: int) -> list[Row]:
    """Rows a second apart."""
    return [Row(str(number), 1_000_000 + 1000 * number) for number in range(first, last)]


async def test_only_what_is_new() -> None:
    """Without a start the rows that are there are old; later ones come once, oldest first."""
    source = Growing(many(0, 5), [], many(5, 7), many(7, 20), many(20, 21))
    assert await take(source, 16) == [str(number) for number in range(5, 21)]
    assert source.clock.slept == [5.0] * 4
    assert all(source.swept)


async def test_from_a_moment() -> None:
    """What is there since then comes first."""
    source = Growing(many(0, 8), many(8, 10))
    assert await take(source, 7, since=1_003_000, interval=1.0) == list("3456789")
    assert source.clock.slept == [1.0]


async def test_rows_that_show_late() -> None:
    """One that is older than the newest, but not by more than the overlap, is not missed."""
    late, too_late = Row("late", 1_005_500), Row("too late", 900_000)
    source = Growing(many(0, 5), many(5, 10), [late, too_late], many(10, 11))
    assert await take(source, 7, overlap=5.0) == ["5", "6", "7", "8", "9", "late", "10"]


async def test_rows_of_the_newest_moment() -> None:
    """A row of the same millisecond as the newest one is new all the same."""
    twin = Row("twin", at(many(4, 5)[0]))
    source = Growing(many(0, 5), [twin], many(5, 6))
    assert await take(source, 2, overlap=0.0) == ["twin", "5"]


async def test_memory_ends() -> None:
    """Keys are forgotten once their rows cannot be read again."""
    source = Growing(*(many(number, number + 1) for number in range(50)))
    follow = source.reader().follow(overlap=3.0)
    found = await first(follow, 45)
    assert found == [str(number) for number in range(1, 46)]
    assert follow.checkpoint.count('":') < 20


async def test_another_process_goes_on() -> None:
    """The checkpoint holds what may be read again, so nothing comes twice and nothing is lost."""
    source = Growing(many(0, 5), many(5, 8), many(8, 12))
    follow = source.reader().follow(since=1_000_000)
    found = await first(follow, 6)
    source.slept = -1
    found += await take(source, 6, checkpoint=follow.checkpoint)
    assert sorted(map(int, map(str, found))) == list(range(12))


async def test_an_error_carries_the_checkpoint() -> None:
    """The follower ends with the call's own error, and another one goes on."""
    source = Growing(many(0, 3), many(3, 4))
    fine = source.pages

    def page(asked: Asked) -> tuple[Sequence[Row], int]:
        if len(source.asked) == 2:
            raise TimedOut("lost")
        return fine(asked)

    source.pages = page
    with pytest.raises(TimedOut) as caught:
        await take(source, 1)
    assert caught.value.delivered == 0
    source.slept = -1
    assert await take(source, 1, checkpoint=caught.value.resume_token) == ["3"]


@pytest.mark.parametrize(
    "options, match",
    [
        ({"interval": -1.0}, "must not be negative"),
        ({"overlap": -1.0}, "must not be negative"),
        ({"since": -1}, "since must not be"),
        ({"checkpoint": "x"}, "not a token"),
    ],
)
async def test_arguments_that_make_no_sense(options: dict[str, Any], match: str) -> None:
    """Refused before anything is sent."""
    with pytest.raises(ValidationError, match=match):
        await take(Growing(), 1, **options)


async def test_queries_that_cannot_be_followed() -> None:
    """One without a time filter, and one that has an end."""
    with pytest.raises(ValidationError, match="no time filter"):
        await take(Source(lambda _: ([], 0), paging=replace(TIMED, start=None)), 1)
    with pytest.raises(ValidationError, match="has no end"):
        await take(Source(lambda _: ([], 0), until=9), 1)
