"""What a paged query returns, and how its rows are told apart.

Source: seed, "Transaction Queries".
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Page(Generic[T_co]):
    """One page as the server gave it."""

    records: Sequence[T_co]
    total: int
    """Rows that the server counted when it made this page; it may differ from page to page."""
    number: int
    """Pages count from 1."""
    size: int
    """Rows asked for; the last page has fewer."""


class Paginator(Protocol[T]):
    """The rows of a paged query, read as they are needed; one object serves many loops.

    Every loop begins at the first page. A row that moved to the next page because others were
    inserted is not delivered twice. An error in one page is raised after all rows before it.
    """

    def __aiter__(self) -> AsyncIterator[T]:
        """Every row, across pages."""
        ...

    def pages(self) -> AsyncIterator[Page[T]]:
        """Every page, as the server gave it: repeated rows included."""
        ...

    async def page(self, number: int) -> Page[T]:
        """One page; pages count from 1."""
        ...

    async def first(self) -> T | None:
        """The first row, or None."""
        ...

    async def collect(self, limit: int | None = None) -> list[T]:
        """The rows as a list; at most ``limit`` of them."""
        ...


def natural_key(record: object, names: Sequence[str]) -> tuple[object, ...] | None:
    """What identifies a row; None if the server left it out: no row is taken for a repeat then."""
    key = tuple(getattr(record, name) for name in names)
    return None if all(part is None for part in key) else key
