"""Reads a paged query page by page; see ``Paginator`` for what it promises."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Generic, TypeVar

import anyio

from fincard_async._sansio.model import PageData
from fincard_async._sansio.operation import Paging
from fincard_async._sansio.paging import Page, natural_key
from fincard_async.errors import ResponseMismatch, ValidationError

O = TypeVar("O")  # noqa: E741 - output


class PageReader(Generic[O]):
    """The rows of one query. ``read(number)`` fetches one page; ``size`` is the rows asked for."""

    def __init__(
        self,
        read: Callable[[int], Awaitable[PageData[O]]],
        *,
        size: int,
        paging: Paging,
        prefetch: int = 0,
    ) -> None:
        if not 1 <= size <= paging.max_size:
            raise ValidationError(f"page_size must be 1..{paging.max_size}")
        if prefetch < 0:
            raise ValidationError("prefetch must not be negative")
        self._read = read
        self._size = size
        self._key = paging.natural_key
        self._batch = prefetch + 1

    async def page(self, number: int) -> Page[O]:
        """One page; pages count from 1."""
        if number < 1:
            raise ValidationError("pages count from 1")
        data = await self._read(number)
        return Page(records=data.records, total=data.total, number=number, size=self._size)

    async def pages(self) -> AsyncGenerator[Page[O], None]:
        """Every page in order, up to the first that is not full although no row is missing."""
        number, rows = 1, 0
        before: Page[O] | None = None
        while True:
            for page in await self._pages(number, self._batch if number > 1 else 1):
                if not page.records:
                    return
                if before is not None and page.records == before.records:
                    raise ResponseMismatch("the server repeated a page instead of the next one")
                yield page
                rows += len(page.records)
                # ``total`` is advisory: it only tells a short page in the middle from the last.
                if len(page.records) < self._size and rows >= page.total:
                    return
                before, number = page, number + 1

    async def _pages(self, number: int, count: int) -> list[Page[O]]:
        """``count`` pages read at once; after an error, the pages before it are still given."""
        if count == 1:
            return [await self.page(number)]
        found: dict[int, Page[O]] = {}

        async def read(which: int) -> None:
            found[which] = await self.page(which)

        try:
            async with anyio.create_task_group() as group:
                for which in range(number, number + count):
                    group.start_soon(read, which)
        except ExceptionGroup:
            if number not in found:
                # Read again by itself, so that the caller gets the plain error of this page.
                return [await self.page(number)]
        return _unbroken(found, number)

    async def __aiter__(self) -> AsyncGenerator[O, None]:
        """Every row once, as far as its natural key tells."""
        seen: set[tuple[object, ...]] = set()
        async with aclosing(self.pages()) as pages:
            async for page in pages:
                for record in page.records:
                    key = natural_key(record, self._key)
                    if key is None or key not in seen:
                        if key is not None:
                            seen.add(key)
                        yield record

    async def first(self) -> O | None:
        """The first row, or None."""
        page = await self.page(1)
        return page.records[0] if page.records else None

    async def collect(self, limit: int | None = None) -> list[O]:
        """The rows as a list; at most ``limit`` of them."""
        rows: list[O] = []
        if limit is not None and limit <= 0:
            return rows
        async with aclosing(aiter(self)) as records:
            async for record in records:
                rows.append(record)
                if limit is not None and len(rows) >= limit:
                    break
        return rows


def _unbroken(found: dict[int, Page[O]], number: int) -> list[Page[O]]:
    pages: list[Page[O]] = []
    while number in found:
        pages.append(found[number])
        number += 1
    return pages
