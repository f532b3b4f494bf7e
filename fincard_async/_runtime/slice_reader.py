"""Reads one slice: one answer where it fits a page, a second look where its numbers disagree."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Generic, TypeVar

from fincard_async._sansio.model import PageData
from fincard_async._sansio.paging import ExportReport, Page, natural_key
from fincard_async._sansio.slices import Slice, Verdict, cut, judge
from fincard_async._sansio.walk import Step, Walk
from fincard_async.errors import IncompletePagination, ResponseMismatch

from .query import PageSource

O = TypeVar("O")  # noqa: E741 - output

_MOST_PASSES = 5
_SPARE_PAGES = 10


@dataclass(frozen=True, slots=True)
class Outcome(Generic[O]):
    """The rows of a slice, in order."""

    records: Sequence[O]
    best_effort: bool


def _no_time(_: object) -> None:
    return None


class SliceReader(Generic[O]):
    """Reads slices of one query.

    Args:
        source: Where the pages come from.
        report: Counts the calls.
    """

    def __init__(self, source: PageSource[O], report: ExportReport) -> None:
        self._source = source
        self._report = report
        self._key = source.paging.natural_key
        name = source.paging.time
        self._time: Callable[[O], int | None] = _no_time if name is None else attrgetter(name)
        self._size = source.size
        """Rows of a full page; less than asked for if the server gives no more."""
        self._timeless: set[object] = set()

    async def read(self, span: Slice) -> Outcome[O] | Sequence[Slice]:
        """The rows of a slice, or the slices into which it must be cut.

        Raises:
            ResponseMismatch: The server ignores the times that it is asked for.
        """
        page = await self._page(span.asked)
        verdict = judge(len(page.records), page.total, self._size)
        if verdict is Verdict.WHOLE:
            return self._outcome(span, page.records)
        if verdict is Verdict.UNCLEAR:
            return await self._look_again(span, page)
        if span.can_be_cut:
            return cut(span, self._times(page.records), page.total, self._size)
        return await self._single_moment(span)

    async def _look_again(self, span: Slice, first: PageData[O]) -> Outcome[O] | Sequence[Slice]:
        """Rows and count disagree: read the slice once more, then behind its page.

        An empty second page says that the count is wrong and the rows are all there. Rows on it say
        that the server gives shorter pages than it was asked for.
        """
        self._report.second_looks += 1
        page = await self._page(span.asked)
        if judge(len(page.records), page.total, self._size) is Verdict.WHOLE:
            return self._outcome(span, page.records)
        if len(page.records) < self._size:
            behind = await self._page(span.asked, number=2)
            if not behind.records:
                both = [*filter(self._has_key, first.records), *page.records]
                return self._outcome(span, both, best_effort=True)
            self._size = min(self._size, max(1, len(page.records)))
        return [span]

    async def _single_moment(self, span: Slice) -> Outcome[O]:
        """A millisecond that may hold more than a page, so that no snapshot of it exists."""
        page = await self._page((span.since, span.since))
        if page.records and judge(len(page.records), page.total, self._size) is Verdict.WHOLE:
            return self._outcome(span, page.records)
        return await self._passes(span, span.asked)

    async def _passes(self, span: Slice, asked: tuple[int | None, int | None]) -> Outcome[O]:
        """Read its pages again and again, until the rows are as many as the server counts."""
        found: dict[object, O] = {}
        for turn in range(_MOST_PASSES):
            before, number, rows = len(found), 0, 0
            while True:
                number += 1
                page = await self._page(asked, number=number)
                rows += len(page.records)
                fresh = page.records if turn == 0 else filter(self._has_key, page.records)
                found |= {self._key_of(record): record for record in fresh}
                if self._ends(page, number, rows):
                    break
            if len(found) >= page.total or before == len(found):
                break
        return self._outcome(span, found.values(), best_effort=True)

    def _ends(self, page: PageData[O], number: int, rows: int) -> bool:
        """True behind the last page; a count that is too low does not hide full pages."""
        if not page.records or number >= 2 * -(-page.total // self._size) + _SPARE_PAGES:
            return True
        return len(page.records) < self._size and rows >= page.total

    async def _page(self, asked: tuple[int | None, int | None], *, number: int = 1) -> PageData[O]:
        since, until = asked
        self._report.calls += 1
        page = await self._source.read(
            number, size=self._source.size, since=since, until=until, sweep=True
        )
        for time in self._times(page.records):
            if (since is not None and time < since) or (until is not None and time > until):
                raise ResponseMismatch("the server gave rows from outside the window")
        return page

    def _times(self, records: Iterable[O]) -> list[int]:
        return [time for time in map(self._time, records) if time is not None]

    def _outcome(
        self, span: Slice, records: Iterable[O], *, best_effort: bool = False
    ) -> Outcome[O]:
        """The slice's own rows, each once, ordered by time and key."""
        own = {self._key_of(record): record for record in records if self._owns(span, record)}
        rows = sorted(own.values(), key=self._place)
        return Outcome(rows, best_effort)

    def _owns(self, span: Slice, record: O) -> bool:
        time = self._time(record)
        if time is not None:
            return span.owns(time)
        # Without a time nobody can tell whose it is: the first slice that shows it has it.
        key = self._key_of(record)
        if key in self._timeless:
            return False
        self._timeless.add(key)
        return True

    def _has_key(self, record: O) -> bool:
        return natural_key(record, self._key) is not None

    def _key_of(self, record: O) -> object:
        """The row's key; one without any is like no other row."""
        key = natural_key(record, self._key)
        return ("", id(record)) if key is None else key

    def _place(self, record: O) -> tuple[int, str]:
        time = self._time(record)
        return (0 if time is None else time), str(natural_key(record, self._key))


class WholeReader(SliceReader[O]):
    """For a query without a time filter: the whole list, read until two readings agree."""

    async def read(self, span: Slice) -> Outcome[O] | Sequence[Slice]:
        """The whole list, best effort: its rows have no common snapshot.

        Raises:
            IncompletePagination: The list does not stand still for long enough.
        """
        found: dict[object, O] = {}
        last, total = set[object](), 0
        for _ in range(_MOST_PASSES):
            keys, total = await self._one_pass(found)
            if keys == last and len(keys) == total:
                return Outcome(list(found.values()), best_effort=True)
            last = keys
        raise IncompletePagination("no two readings agree", seen=len(last), total=total)

    async def _one_pass(self, found: dict[object, O]) -> tuple[set[object], int]:
        walk, keys = Walk(self._source.size), set[object]()
        while True:
            page = await self._page((None, None), number=walk.number)
            rows = {self._key_of(record): record for record in page.records}
            found |= rows
            keys |= rows.keys()
            shown = Page(page.records, page.total, walk.number, self._source.size)
            if walk.take(shown) is Step.END:
                return keys, page.total
