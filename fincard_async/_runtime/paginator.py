"""Reads a paged query page by page; see ``Paginator`` for what it promises.

Pages that are read ahead are read together, and nothing is in flight while the caller looks at
rows: a loop that is left early leaves nothing behind, and a cancel ends every read of the batch.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Generic, TypeVar

import anyio

from fincard_async._sansio.page_tokens import PageToken, read_token, write_token
from fincard_async._sansio.paging import Export, Follow, Moment, Page
from fincard_async._sansio.seen import Seen
from fincard_async._sansio.walk import Step, Walk
from fincard_async.errors import FincardError, ValidationError

from .export import start_export
from .follow import start_follow
from .query import PageSource

O = TypeVar("O")  # noqa: E741 - output


class PageReader(Generic[O]):
    """A ``Paginator``.

    Args:
        source: Where the pages come from.
        prefetch: How many pages to read ahead.
        start: Where an earlier reader stopped.
    """

    def __init__(
        self, source: PageSource[O], *, prefetch: int = 0, start: PageToken | None = None
    ) -> None:
        paging = source.paging
        if not 1 <= source.size <= paging.max_size:
            raise ValidationError(f"page_size must be 1..{paging.max_size}")
        if prefetch < 0:
            raise ValidationError("prefetch must not be negative")
        self._source = source
        self._prefetch = prefetch
        self._start = start
        self._freezes = paging.time if paging.end is not None else None

    async def page(self, number: int) -> Page[O]:
        """One page; pages count from 1."""
        if number < 1:
            raise ValidationError("pages count from 1")
        return await self._page(number, self._source.until)

    async def pages(self) -> AsyncGenerator[Page[O], None]:
        """Every page in order, up to the first that is not full although no row is missing."""
        walk = self._walk()
        try:
            async with aclosing(self._through(walk)) as pages:
                async for page in pages:
                    yield page
        except FincardError as error:
            token = PageToken(query=self._name, page=walk.number, end=walk.end, seen=[])
            error.delivered, error.resume_token = walk.rows, write_token(token)
            raise

    async def __aiter__(self) -> AsyncGenerator[O, None]:
        """Every row once, by its natural key."""
        paging, walk = self._source.paging, self._walk()
        known = frozenset(self._start.seen if self._start is not None else ())
        seen = Seen(paging.natural_key, paging.time, digests=known)
        try:
            async with aclosing(self._through(walk)) as pages:
                async for page in pages:
                    for record in page.records:
                        if seen.is_new(record):
                            yield record
        except FincardError as error:
            token = write_token(self._token(walk, seen))
            error.delivered, error.resume_token = seen.delivered, token
            raise

    async def first(self) -> O | None:
        """The first row, or None."""
        page = await self.page(1)
        return page.records[0] if page.records else None

    async def collect(self, limit: int | None = None) -> list[O]:
        """The rows as a list; at most ``limit`` of them."""
        rows: list[O] = []
        if limit is not None and limit <= 0:
            return rows
        try:
            async with aclosing(aiter(self)) as records:
                async for record in records:
                    rows.append(record)
                    if limit is not None and len(rows) >= limit:
                        break
        except FincardError as error:
            error.delivered, error.rows = len(rows), tuple(rows)
            raise
        return rows

    async def total(self) -> int:
        """Rows that the server counts now."""
        source = self._source
        data = await source.read(1, size=1, since=source.since, until=source.until, sweep=False)
        return data.total

    def resume(self, token: str) -> PageReader[O]:
        """The rows after those that a broken loop delivered."""
        start = read_token(token, PageToken, self._name)
        if start.page < 1:
            raise ValidationError("the token names no page")
        return PageReader(self._source, prefetch=self._prefetch, start=start)

    def export(
        self,
        *,
        since: Moment | None = None,
        until: Moment | None = None,
        checkpoint: str | None = None,
        concurrency: int = 8,
    ) -> Export[O]:
        """Every row of a window exactly once."""
        return start_export(
            self._source, since=since, until=until, checkpoint=checkpoint, concurrency=concurrency
        )

    def follow(
        self,
        *,
        since: Moment | None = None,
        interval: float = 5.0,
        overlap: float = 60.0,
        checkpoint: str | None = None,
    ) -> Follow[O]:
        """New rows as they come."""
        return start_follow(
            self._source, since=since, interval=interval, overlap=overlap, checkpoint=checkpoint
        )

    @property
    def _name(self) -> str:
        return self._source.name(window=True)

    def _walk(self) -> Walk:
        start, size = self._start, self._source.size
        if start is None:
            return Walk(size, time=self._freezes)
        # A window that shrinks behind the first page would renumber the pages.
        freezes = self._freezes if start.page == 1 else None
        return Walk(size, number=start.page, end=start.end, time=freezes)

    def _token(self, walk: Walk, seen: Seen) -> PageToken:
        """Where to go on: by time where rows come newest first, else at the page before."""
        if self._freezes is not None and seen.newest_first and seen.edge is not None:
            # The millisecond above is asked for as well, should the server not count its limit in.
            end = seen.edge + 1
            near = seen.digests(seen.edge, end)
            return PageToken(query=self._name, page=1, end=end, seen=near)
        page = max(1, walk.number - 1)
        return PageToken(query=self._name, page=page, end=walk.end, seen=seen.digests())

    async def _through(self, walk: Walk) -> AsyncGenerator[Page[O], None]:
        while True:
            ends = [end for end in (self._source.until, walk.end) if end is not None]
            until = min(ends, default=None)
            for page in await self._batch(walk.number, walk.ahead(self._prefetch + 1), until):
                step = walk.take(page)
                if step is Step.AGAIN:
                    break
                if page.records:
                    yield page
                if step is Step.END:
                    return

    async def _batch(self, number: int, count: int, until: int | None) -> list[Page[O]]:
        """``count`` pages read at once; after an error, the pages before it are still given."""
        if count == 1:
            return [await self._page(number, until)]
        found: dict[int, Page[O]] = {}

        async def read(which: int) -> None:
            found[which] = await self._page(which, until)

        try:
            async with anyio.create_task_group() as group:
                for which in range(number, number + count):
                    group.start_soon(read, which)
        except ExceptionGroup:
            if number not in found:
                # Read again by itself, so that the caller gets the plain error of this page.
                return [await self._page(number, until)]
        return _unbroken(found, number)

    async def _page(self, number: int, until: int | None) -> Page[O]:
        source = self._source
        data = await source.read(
            number, size=source.size, since=source.since, until=until, sweep=False
        )
        return Page(records=data.records, total=data.total, number=number, size=source.size)


def _unbroken(found: dict[int, Page[O]], number: int) -> list[Page[O]]:
    pages: list[Page[O]] = []
    while number in found:
        pages.append(found[number])
        number += 1
    return pages
