"""One paged query with its filters: the source from which every reader takes its pages."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol, TypeVar, cast

import msgspec

from fincard_async._sansio.model import Model, PageData
from fincard_async._sansio.operation import Operation, Paging
from fincard_async._sansio.options import CallOptions, Lane
from fincard_async._sansio.page_tokens import fingerprint

from .pipeline import Pipeline
from .ports import Clock

O = TypeVar("O")  # noqa: E741 - output


class PageSource(Protocol[O]):
    """What a reader needs to know of a query."""

    @property
    def paging(self) -> Paging: ...
    @property
    def size(self) -> int:
        """Rows to a page."""
        ...

    @property
    def since(self) -> int | None:
        """The query's own start."""
        ...

    @property
    def until(self) -> int | None:
        """The query's own end: the last moment."""
        ...

    @property
    def clock(self) -> Clock: ...

    def name(self, *, window: bool) -> str:
        """The query and its filters, for tokens; with ``window`` its own times among them."""
        ...

    async def read(
        self, number: int, *, size: int, since: int | None, until: int | None, sweep: bool
    ) -> PageData[O]:
        """One page of a window; ``sweep`` goes behind what somebody waits for."""
        ...


class Query(PageSource[O]):
    """A source over the pipeline."""

    def __init__(
        self,
        pipeline: Pipeline,
        operation: Operation[Model, O],
        request: Model,
        options: CallOptions | None,
    ) -> None:
        paging = operation.paging
        assert paging is not None, "the schema gives every paged operation its paging"
        self._pipeline = pipeline
        self._operation = operation
        self._request = request
        self._options = options
        self._paging = paging

    @property
    def paging(self) -> Paging:
        return self._paging

    @property
    def size(self) -> int:
        """Rows to a page."""
        return int(getattr(self._request, self._paging.size))

    @property
    def since(self) -> int | None:
        """The query's own start."""
        return self._time(self._paging.start)

    @property
    def until(self) -> int | None:
        """The query's own end."""
        return self._time(self._paging.end)

    @property
    def clock(self) -> Clock:
        return self._pipeline.clock

    def name(self, *, window: bool) -> str:
        """The query and its filters."""
        return fingerprint(self._operation, self._request, window=window)

    async def read(
        self, number: int, *, size: int, since: int | None, until: int | None, sweep: bool
    ) -> PageData[O]:
        """One page, through the pipeline."""
        paging = self._paging
        fields: dict[str, int | None] = {paging.page: number, paging.size: size}
        if paging.start is not None and paging.end is not None:
            fields |= {paging.start: since, paging.end: until}
        request = msgspec.structs.replace(self._request, **fields)
        options = in_background(self._options) if sweep else self._options
        page = await self._pipeline.run(self._operation, request, options)
        return cast("PageData[O]", page)

    def _time(self, field: str | None) -> int | None:
        found: int | None = None if field is None else getattr(self._request, field)
        return found


def in_background(options: CallOptions | None) -> CallOptions:
    """The options of a call in a sweep."""
    if options is None:
        return CallOptions(lane=Lane.BACKGROUND)
    return options if options.lane is not None else replace(options, lane=Lane.BACKGROUND)
