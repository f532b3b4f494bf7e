"""Rows in order of time, with an index per filter: what the transaction queries read.

Rows are appended with a time that never goes back, so a time window is two bisections, and a page
without a second filter costs its own rows only, however long the table is.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from typing import Generic, TypeVar

from .motion import Moving

R = TypeVar("R")
Key = Callable[[R], str | None]
_NO_ROWS: tuple[()] = ()


class Table(Generic[R]):
    """Rows and their indexes.

    Args:
        time: The time of a row, in epoch milliseconds.
        unique: Filters whose value names one row.
        shared: Filters whose value may name many rows.
    """

    def __init__(
        self,
        time: Callable[[R], int],
        *,
        unique: Mapping[str, Key[R]],
        shared: Mapping[str, Key[R]],
    ) -> None:
        self.rows: list[R] = []
        self._time = time
        self._keys = {**unique, **shared}
        self._unique: dict[str, dict[str, R]] = {name: {} for name in unique}
        self._shared: dict[str, dict[str, list[R]]] = {name: {} for name in shared}

    def append(self, row: R) -> None:
        """Add the newest row."""
        self.rows.append(row)
        for name, one in self._unique.items():
            if (value := self._keys[name](row)) is not None:
                one[value] = row
        for name, many in self._shared.items():
            if (value := self._keys[name](row)) is not None:
                many.setdefault(value, []).append(row)

    def find(self, name: str, value: str) -> R | None:
        """The row that a unique filter names; of a shared one, the newest."""
        if name in self._unique:
            return self._unique[name].get(value)
        rows = self._shared[name].get(value)
        return rows[-1] if rows else None

    def without_newest(self, count: int) -> Table[R]:
        """A table of all rows but the newest ones; as slow as it is long."""
        shared = {name: self._keys[name] for name in self._keys}
        older: Table[R] = Table(self._time, unique={}, shared=shared)
        for row in self.rows[: max(0, len(self.rows) - count)]:
            older.append(row)
        return older

    def page(
        self,
        filters: Mapping[str, str | None],
        *,
        start: int | None,
        end: int | None,
        number: int,
        size: int,
        moving: Moving | None = None,
    ) -> tuple[int, list[R]]:
        """Count the rows that fit and return one page of them, newest first.

        Args:
            filters: Value per filter; None asks for any.
            start: First time of the window, included.
            end: Last time of the window, included.
            number: Page number, from 1.
            size: Rows to a page.
            moving: What shows of the rows at this moment; as slow as the table is long.
        """
        given = {name: value for name, value in filters.items() if value is not None}
        if moving is not None:
            fits = self._fits(given, start, end)
            return moving.page(self.rows, fits, self._time, number, size)
        rows, left = self._narrowest(given)
        low = 0 if start is None else bisect_left(rows, start, key=self._time)
        high = len(rows) if end is None else bisect_right(rows, end, key=self._time)
        if left:
            keys = [(self._keys[name], given[name]) for name in left]
            rows = [row for row in rows[low:high] if all(key(row) == v for key, v in keys)]
            low, high = 0, len(rows)
        last = high - (number - 1) * size
        first = max(low, last - size)
        return max(0, high - low), list(rows[first:last])[::-1] if last > low else []

    def _fits(
        self, given: Mapping[str, str], start: int | None, end: int | None
    ) -> Callable[[R], bool]:
        keys = [(self._keys[name], value) for name, value in given.items()]

        def fits(row: R) -> bool:
            time = self._time(row)
            in_window = (start is None or time >= start) and (end is None or time <= end)
            return in_window and all(key(row) == value for key, value in keys)

        return fits

    def _narrowest(self, given: Mapping[str, str]) -> tuple[Sequence[R], set[str]]:
        """The shortest indexed list, and the filters that it does not cover."""
        lists = {name: self._rows_of(name, value) for name, value in given.items()}
        if not lists:
            return self.rows, set()
        best = min(lists, key=lambda name: len(lists[name]))
        return lists[best], given.keys() - {best}

    def _rows_of(self, name: str, value: str) -> Sequence[R]:
        if name in self._shared:
            return self._shared[name].get(value, _NO_ROWS)
        row = self._unique[name].get(value)
        return _NO_ROWS if row is None else (row,)
