"""Reads a window of time whole: slices that fit one page, several at once; see ``Export``.

The slices that are not delivered yet stand in one queue, in the order of time. Each turn reads some
of the first ones together; a slice that proves overfull is replaced by the slices it is cut into.
What is whole at the front of the queue is delivered. So memory holds a few pages and the cuts, an
error loses nothing of what the other slices brought, and the checkpoint is one moment: everything
before it was delivered.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from itertools import islice
from typing import Generic, TypeVar

import anyio

from fincard_async._sansio.page_tokens import SliceToken, read_token, write_token
from fincard_async._sansio.paging import (
    ExportReport,
    Moment,
    Piece,
    milliseconds,
)
from fincard_async._sansio.slices import Slice, spans
from fincard_async.errors import FincardError, ValidationError

from .query import PageSource
from .slice_reader import Outcome, SliceReader, WholeReader

O = TypeVar("O")  # noqa: E741 - output

_LOOK_AHEAD = 4
"""Slices that may wait for their turn, for each that is read at once."""


@dataclass(slots=True)
class _Part(Generic[O]):
    """A slice in the queue: not read, failed, or whole."""

    span: Slice
    outcome: Outcome[O] | None = None
    error: FincardError | None = None


class SliceExport(Generic[O]):
    """An ``Export``."""

    def __init__(self, source: PageSource[O], token: SliceToken, *, concurrency: int) -> None:
        timed = source.paging.start is not None
        self._source = source
        self._token = token
        self._concurrency = concurrency
        self._report = ExportReport()
        self._reader: SliceReader[O] = (SliceReader if timed else WholeReader)(source, self._report)

    @property
    def query(self) -> str:
        """Name of the operation."""
        return self._token.query.partition(":")[0]

    @property
    def checkpoint(self) -> str:
        """Where another export goes on."""
        return write_token(self._token)

    @property
    def report(self) -> ExportReport:
        """What was done so far."""
        return self._report

    async def total(self) -> int:
        """Rows that the server counts in the window now."""
        token, total = self._token, 0
        for span in spans(token.since, token.until, self._source.paging.max_days):
            last = None if span.until is None else max(0, span.until - 1)
            data = await self._source.read(1, size=1, since=span.since, until=last, sweep=True)
            total += data.total
        return total

    async def __aiter__(self) -> AsyncGenerator[O, None]:
        """Every row; after an error the checkpoint does not count the piece in progress."""
        async with aclosing(self.pieces()) as pieces:
            async for piece in pieces:
                for record in piece.records:
                    yield record

    async def pieces(self) -> AsyncGenerator[Piece[O], None]:
        """Every slice that has rows, in order."""
        parts = deque(_Part[O](span) for span in self._plan())
        while parts:
            outcome = parts[0].outcome
            if outcome is None:
                await self._read_some(parts)
                continue
            span = parts.popleft().span
            # Counted as delivered only when the caller comes for the next one.
            after = self._after(span)
            if outcome.records:
                self._count(outcome)
                yield Piece(
                    records=outcome.records,
                    since=span.since,
                    until=span.until,
                    best_effort=outcome.best_effort,
                    checkpoint=write_token(after),
                )
            self._token = after

    def _plan(self) -> list[Slice]:
        token = self._token
        if token.finished or (token.until is not None and token.done >= token.until):
            return []
        return spans(token.done, token.until, self._source.paging.max_days)

    def _after(self, span: Slice) -> SliceToken:
        token = self._token
        return SliceToken(
            query=token.query,
            since=token.since,
            until=token.until,
            done=span.since if span.until is None else span.until,
            finished=span.until is None or span.until == token.until,
        )

    def _count(self, outcome: Outcome[O]) -> None:
        self._report.rows += len(outcome.records)
        self._report.pieces += 1
        self._report.best_effort += outcome.best_effort

    async def _read_some(self, parts: deque[_Part[O]]) -> None:
        """Read the first slices of the queue that are not read, and put what came of them there."""
        if (error := parts[0].error) is not None:
            parts[0].error = None
            error.delivered, error.resume_token = self._report.rows, self.checkpoint
            raise error
        near = list(islice(parts, self._concurrency * _LOOK_AHEAD))
        chosen = [part for part in near if part.outcome is None][: self._concurrency]
        cuts: dict[int, Sequence[Slice]] = {}

        async def read(part: _Part[O]) -> None:
            try:
                found = await self._reader.read(part.span)
            except FincardError as error:
                part.error = error
                return
            if isinstance(found, Outcome):
                part.outcome = found
            else:
                cuts[id(part)] = found

        async with anyio.create_task_group() as group:
            for part in chosen:
                part.error = None
                group.start_soon(read, part)
        for _ in near:
            parts.popleft()
        grown = [
            made
            for part in near
            for made in (
                [_Part[O](span) for span in cuts[id(part)]] if id(part) in cuts else [part]
            )
        ]
        parts.extendleft(reversed(grown))


def start_export(
    source: PageSource[O],
    *,
    since: Moment | None,
    until: Moment | None,
    checkpoint: str | None,
    concurrency: int,
) -> SliceExport[O]:
    """An export of a window, or the rest of one.

    Raises:
        ValidationError: The window or the checkpoint cannot be used.
    """
    if concurrency < 1:
        raise ValidationError("concurrency must be at least 1")
    query = source.name(window=False)
    first, last = _window(source, since, until)
    if checkpoint is None:
        begin = first or 0
        token = SliceToken(query=query, since=begin, until=last, done=begin)
    else:
        token = read_token(checkpoint, SliceToken, query)
        if (first is not None and first != token.since) or (
            last is not None and last != token.until
        ):
            raise ValidationError("the checkpoint belongs to another window")
    if token.until is not None and token.until <= token.since:
        raise ValidationError("until must be after since")
    if source.paging.max_days is not None and token.until is None:
        raise ValidationError(
            f"until is needed: the server takes windows of {source.paging.max_days} days at most"
        )
    return SliceExport(source, token, concurrency=concurrency)


def _window(
    source: PageSource[O], since: Moment | None, until: Moment | None
) -> tuple[int | None, int | None]:
    first, last = milliseconds(since, "since"), milliseconds(until, "until")
    if source.paging.start is None and not (first is None and last is None):
        raise ValidationError("this query has no time filter")
    own_end = source.until
    if last is None and own_end is not None:
        last = own_end + 1
    return (source.since if first is None else first), last
