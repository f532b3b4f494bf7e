"""Lists to page through: a source of pages that a test writes itself, and one that moves."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

import anyio.lowlevel
import msgspec

from fincard_async._runtime.paginator import PageReader
from fincard_async._sansio.model import PageData
from fincard_async._sansio.operation import Paging
from fincard_async.testing import FakeClock, Motion, Moving

TIMED = Paging(
    page="page",
    size="size",
    max_size=100,
    natural_key=("no",),
    start="start",
    end="end",
    time="time",
)


class Row(msgspec.Struct, frozen=True):
    """A row with a key and a time."""

    no: str | None
    time: int | None = None


class Asked(NamedTuple):
    """What was asked for."""

    number: int
    since: int | None
    until: int | None


class Source:
    """A query whose pages come from a function.

    Args:
        pages: Rows and total for what is asked.
        size: Rows to a page.
        paging: What the schema would say.
    """

    def __init__(
        self,
        pages: Callable[[Asked], tuple[Sequence[Row], int]],
        *,
        size: int = 2,
        paging: Paging = TIMED,
        since: int | None = None,
        until: int | None = None,
    ) -> None:
        self.paging, self.size, self.since, self.until = paging, size, since, until
        self.clock = FakeClock()
        self.pages = pages
        self.asked: list[Asked] = []
        self.swept: list[bool] = []
        self.inside = self.most = 0
        self.before_page: Callable[[int], Awaitable[None]] | None = None

    def name(self, *, window: bool) -> str:
        """The query's name."""
        return f"lists.rows/{self.since}..{self.until}" if window else "lists.rows"

    async def read(
        self, number: int, *, size: int, since: int | None, until: int | None, sweep: bool
    ) -> PageData[Row]:
        """One page, after other tasks had their turn."""
        asked = Asked(number, since, until)
        self.asked.append(asked)
        self.swept.append(sweep)
        self.inside += 1
        self.most = max(self.most, self.inside)
        try:
            await anyio.lowlevel.checkpoint()
            if self.before_page is not None:
                await self.before_page(number)
        finally:
            self.inside -= 1
        rows, total = self.pages(asked)
        return PageData(total=total, records=list(rows)[:size])

    def reader(self, prefetch: int = 0) -> PageReader[Row]:
        """The paginator over this source."""
        return PageReader(self, prefetch=prefetch)


class Shelf:
    """Rows in a list that a ``Motion`` moves, as the sandbox serves them."""

    def __init__(self, rows: Sequence[Row], motion: Motion, size: int) -> None:
        self.rows, self.moving, self.size = list(rows), Moving(motion), size

    def __call__(self, asked: Asked) -> tuple[Sequence[Row], int]:
        """Rows and total of a page."""

        def fits(row: Row) -> bool:
            low = asked.since is None or at(row) >= asked.since
            return low and (asked.until is None or at(row) <= asked.until)

        total, rows = self.moving.page(self.rows, fits, at, asked.number, self.size)
        return rows, total


def at(row: Row) -> int:
    """The time of a row."""
    assert row.time is not None
    return row.time


def shelf(rows: Sequence[Row], size: int = 2) -> Shelf:
    """A list that stands still."""
    return Shelf(rows, Motion(), size)
