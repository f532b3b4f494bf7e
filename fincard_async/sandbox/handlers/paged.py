"""What the paged queries share: a page of a table, as the query shows it now."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final, Protocol, TypeVar

from fincard_async.sandbox.state import State
from fincard_async.sandbox.tables import Table

R = TypeVar("R")
_NO_FILTERS: Final[Mapping[str, str]] = {}


class Query(Protocol):
    """The paging fields that every query has."""

    @property
    def page_num(self) -> int:
        """Number of the page, from 1."""
        ...

    @property
    def page_size(self) -> int:
        """Rows to a page."""
        ...


class Paged:
    """Queries over one state."""

    def __init__(self, state: State) -> None:
        self._state = state

    def _page(
        self,
        table: Table[R],
        request: Query,
        filters: Mapping[str, str | None],
        *,
        always: Mapping[str, str] = _NO_FILTERS,
    ) -> tuple[int, list[R]]:
        """One page of what the query shows; ``always`` filters, whatever was asked."""
        start: int | None = getattr(request, "start_time", None)  # not every query has a window
        view, end = self._state.view, getattr(request, "end_time", None)
        if view is not None:
            table = table.without_newest(view.newest) if view.newest else table
            filters = {} if view.unfiltered else filters
            seen = self._state.seen_at
            end = seen if end is None else min(end, seen)
        return table.page(
            {**filters, **always} if always else filters,
            start=start,
            end=end,
            number=request.page_num,
            size=request.page_size,
            moving=None if view is not None and view.newest else self._state.moving,
        )


def text_of(value: Enum | None) -> str | None:
    """The wire text of an enumeration filter; an unknown value fits no row."""
    return None if value is None else str(value.value)
