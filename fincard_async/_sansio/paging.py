"""What a paged query returns, and how its rows are told apart.

Three readers stand on one query, from the quickest to the most certain: ``Paginator`` itself,
``export`` and ``follow``. ``docs/pages.md`` has what each promises. Source: seed, "Transaction
Queries"; correctness 2.3.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, Protocol, TypeAlias, TypeVar

from fincard_async.errors import ValidationError

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

Moment: TypeAlias = datetime | int
"""A time: a ``datetime`` with a zone, or milliseconds since the epoch."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece(Generic[T_co]):
    """A slice of time that was read whole, in one answer: a snapshot."""

    records: Sequence[T_co]
    """Oldest first; rows of one millisecond in the order of their keys."""
    since: int
    """First moment, included; milliseconds since the epoch."""
    until: int | None
    """First moment that does not belong to it; None for the open end."""
    best_effort: bool
    """True if no single answer could hold it, or if the server's count did not fit its rows."""
    checkpoint: str = field(repr=False)
    """JSON text; an export that is given it goes on behind this piece."""


@dataclass(slots=True, kw_only=True)
class ExportReport:
    """What an export did so far."""

    rows: int = 0
    pieces: int = 0
    calls: int = 0
    """Pages that were asked for."""
    second_looks: int = 0
    """Slices whose rows and count did not agree at first."""
    best_effort: int = 0
    """Pieces marked so."""


class Export(Protocol[T_co]):
    """Every row of a time window, exactly once, oldest first; read in parallel.

    The window is cut into slices that fit one page, so each slice is one snapshot. One object
    serves one loop.
    """

    def __aiter__(self) -> AsyncIterator[T_co]:
        """Every row."""
        ...

    def pieces(self) -> AsyncIterator[Piece[T_co]]:
        """Every slice with its rows, in order; slices without rows are left out."""
        ...

    async def total(self) -> int:
        """Rows that the server counts in the window now; one call."""
        ...

    @property
    def query(self) -> str:
        """Name of the operation, such as ``transactions.operations``."""
        ...

    @property
    def checkpoint(self) -> str:
        """JSON text: everything delivered so far is behind it, but for a piece in progress."""
        ...

    @property
    def report(self) -> ExportReport:
        """Rows, pieces and calls so far, and whether anything was only best effort."""
        ...


class Follow(Protocol[T_co]):
    """New rows as they come, without end; each once."""

    def __aiter__(self) -> AsyncIterator[T_co]:
        """Every new row; of one look at the server the oldest first."""
        ...

    @property
    def checkpoint(self) -> str:
        """JSON text with which another ``follow`` of the same query goes on."""
        ...


class Paginator(Protocol[T]):
    """The rows of a paged query, read as they are needed; one object serves many loops.

    Every loop begins at the first page, and no loop delivers a row twice. Rows that are added while
    it reads stay out: the end of the time window is frozen at the newest row of the first page,
    which is the server's own clock. Rows can still be missed when others leave the list meanwhile;
    ``export`` misses none. An error is raised after all rows before it, and carries how to go on.
    """

    def __aiter__(self) -> AsyncIterator[T]:
        """Every row, across pages.

        Raises:
            IncompletePagination: Rows that the server counted do not come, even asked twice.
            ResponseMismatch: The server gives the same page again and again.
        """
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

    async def total(self) -> int:
        """Rows that the server counts now; one call.

        The count is the server's, it may be older than its rows, and the list moves on.
        """
        ...

    def resume(self, token: str) -> Paginator[T]:
        """The rows after those that a broken loop delivered, also in another process.

        Args:
            token: ``error.resume_token`` of a paginator with the same filters.

        Raises:
            ValidationError: The token is none, or belongs to another query.
        """
        ...

    def export(
        self,
        *,
        since: Moment | None = None,
        until: Moment | None = None,
        checkpoint: str | None = None,
        concurrency: int = 8,
    ) -> Export[T]:
        """Every row of a window exactly once, however the list moves meanwhile; oldest first.

        Reads in the lane for sweeps, so that it never delays money. A query without a time filter
        is read again and again until two readings agree; its rows are then only best effort.

        Args:
            since: First moment, included; None for the query's own start, or the beginning.
            until: First moment that does not belong to the window; None for the query's own end,
                or all that there is now.
            checkpoint: Of an earlier export of the same window, to go on behind it.
            concurrency: Most pages asked for at once.

        Raises:
            ValidationError: The window or the checkpoint cannot be used; nothing was sent.
        """
        ...

    def follow(
        self,
        *,
        since: Moment | None = None,
        interval: float = 5.0,
        overlap: float = 60.0,
        checkpoint: str | None = None,
    ) -> Follow[T]:
        """New rows as they come, each once, without end.

        Args:
            since: First moment; None for what comes after the newest row there is.
            interval: Seconds between two looks.
            overlap: Seconds before the newest row that are read again each time, for rows that
                show late; a row that is later than this is missed.
            checkpoint: Of an earlier ``follow`` of the same query.

        Raises:
            ValidationError: The query has no time filter, or an argument cannot be used.
        """
        ...


def natural_key(record: object, names: Sequence[str]) -> tuple[object, ...] | None:
    """What identifies a row; None if the server left it out: no row is taken for a repeat then."""
    key = tuple(getattr(record, name) for name in names)
    return None if all(part is None for part in key) else key


def milliseconds(moment: Moment | None, name: str) -> int | None:
    """A moment as the API writes it.

    Raises:
        ValidationError: A datetime without a zone, or a moment before 1970.
    """
    if moment is None:
        return None
    if isinstance(moment, datetime):
        if moment.tzinfo is None:
            raise ValidationError(f"{name} needs a time zone")
        moment = round(moment.timestamp() * 1000)
    if isinstance(moment, bool) or moment < 0:
        raise ValidationError(f"{name} must not be before 1970")
    return moment
