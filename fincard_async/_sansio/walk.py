"""Where a reader of pages stands, and what it does after each page. Pure.

``total`` is advisory: it tells a short page in the middle from the last one, and an empty page that
comes too early from the end. Source: correctness 2.3.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from itertools import pairwise
from operator import attrgetter

from fincard_async.errors import IncompletePagination, ResponseMismatch

from .paging import Page

_SPARE_PAGES = 10
_MOST_REPEATS = 2
"""A page equal to the one before may be chance: as many rows were added as fit a page."""


class Step(enum.Enum):
    """What comes after a page."""

    NEXT = "next"
    AGAIN = "again"
    """Ask for the same page once more."""
    END = "end"


class Walk:
    """One way through the pages.

    Args:
        size: Rows asked for with each page.
        number: The first page.
        end: End of the time window, if it is frozen already.
        time: Field of a row's time, where the end can be frozen; None where it cannot.
    """

    def __init__(
        self, size: int, *, number: int = 1, end: int | None = None, time: str | None = None
    ) -> None:
        self.number = number
        self.end = end
        self.rows = 0
        self._size = size
        self._time = None if time is None or end is not None else attrgetter(time)
        self._skipped = (number - 1) * size
        self._read = self._repeats = 0
        self._total = 0
        self._per_page = size
        self._before: Sequence[object] | None = None
        self._asked_twice = False

    def ahead(self, most: int) -> int:
        """How many pages to ask for at once: the first alone, later no more than are there."""
        if self._read == 0:
            return 1
        missing = self._total - self._skipped - self.rows
        return max(1, min(most, -(-missing // self._per_page)))

    def take(self, page: Page[object]) -> Step:
        """Look at the next page.

        Raises:
            IncompletePagination: An empty page, twice, although rows are missing; or no end.
            ResponseMismatch: The same page over and over.
        """
        self._total = page.total if page.records else self._total
        if not page.records:
            return self._nothing(page)
        self._asked_twice = False
        self._guard(page)
        self._freeze(page.records)
        self.number, self._read = page.number + 1, self._read + 1
        self.rows += len(page.records)
        short = len(page.records) < self._size
        return Step.END if short and self._skipped + self.rows >= page.total else Step.NEXT

    def _nothing(self, page: Page[object]) -> Step:
        if self._skipped + self.rows >= page.total:
            return Step.END
        if self._asked_twice:
            raise IncompletePagination(
                "the server gave an empty page before the last row",
                seen=self.rows,
                total=page.total,
            )
        self._asked_twice = True
        return Step.AGAIN

    def _guard(self, page: Page[object]) -> None:
        self._repeats = self._repeats + 1 if page.records == self._before else 0
        self._before = page.records
        if self._repeats >= _MOST_REPEATS:
            raise ResponseMismatch("the server repeated a page instead of the next one")
        if self._read == 0:
            self._per_page = min(self._size, len(page.records))
        if self._read >= 2 * -(-self._total // self._per_page) + _SPARE_PAGES:
            raise IncompletePagination("the pages do not end", seen=self.rows, total=page.total)

    def _freeze(self, records: Sequence[object]) -> None:
        """Freeze the window's end at the newest row, once the rows show that it came first.

        That moment is of the server's own clock. This machine's would hide rows if it were slow.
        A millisecond more, should the server not count its limit in.
        """
        if self._time is None or self._read:
            return
        times = [self._time(record) for record in records]
        if any(time is None for time in times):
            return
        falling = all(later <= earlier for earlier, later in pairwise(times))
        if falling and times[0] > times[-1]:
            self.end = times[0] + 1
