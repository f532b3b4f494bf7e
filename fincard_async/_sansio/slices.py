"""How a window of time is cut into slices that fit one page each. Pure.

One answer is one snapshot: no row can move from one page to another inside it. So a slice whose
rows all fit one page is read without loss and without repeats, whatever the list does meanwhile.
Each slice owns the rows whose own time lies in it, from ``since`` up to but not ``until``, and
slices do not overlap, so no row belongs to two. What is asked for overlaps by a millisecond at both
ends, so that it does not matter whether the server counts its limits in.

Nothing here needs the rows in any order. Only where a cut is best is guessed from them.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isqrt

DAY_MS = 86_400_000
FILL = 0.8
"""Rows aimed at, as a share of a page: fuller slices overflow too often, emptier cost calls."""
MOST_PIECES = 64
_SPARSE = 4
"""Where the rows fill less than a quarter of a slice, what is empty is cut off first."""
_SPARE = 1.1
_LIKE = 1.5
"""Densities are alike up to this ratio. Where they are not, rows crowd together, and a coarse cut
first shows where: rows of working hours only cost a quarter fewer calls so."""


@dataclass(frozen=True, slots=True)
class Slice:
    """A span of time, in milliseconds; ``until`` is not part of it, None means no end."""

    since: int
    until: int | None

    @property
    def asked(self) -> tuple[int, int | None]:
        """First and last moment to ask for."""
        return max(0, self.since - 1), self.until

    @property
    def can_be_cut(self) -> bool:
        """False for a single millisecond."""
        return self.until is None or self.until - self.since > 1

    def owns(self, time: int) -> bool:
        """True if a row of that time belongs here."""
        return time >= self.since and (self.until is None or time < self.until)


class Verdict(enum.Enum):
    """What an answer says about its slice."""

    WHOLE = "whole"
    """Every row is here."""
    OVERFULL = "overfull"
    """There are more rows behind this page."""
    UNCLEAR = "unclear"
    """The page is not full, and yet the server counts another number of rows."""


def judge(count: int, total: int, size: int) -> Verdict:
    """Whether an answer with ``count`` rows holds its whole slice.

    A page that is full proves nothing, whatever ``total`` says: the count may be old.
    """
    if count >= size:
        return Verdict.OVERFULL
    return Verdict.WHOLE if count == total else Verdict.UNCLEAR


def spans(since: int, until: int | None, max_days: int | None) -> list[Slice]:
    """The window in parts that the server takes."""
    if max_days is None or until is None:
        return [Slice(since, until)]
    longest = max_days * DAY_MS - 2  # what is asked for is longer by a millisecond at both ends
    starts = range(since, until, longest)
    return [Slice(start, min(start + longest, until)) for start in starts]


def cut(whole: Slice, times: Sequence[int], total: int, size: int) -> list[Slice]:
    """Cut an overfull slice.

    Args:
        whole: A slice that can be cut.
        times: Times of the rows of its first page.
        total: Rows in it, as the server counts.
        size: Rows of a page.
    """
    known = [time for time in times if whole.owns(time)]
    end = whole.until
    if end is None:
        end = max(max(known, default=whole.since), whole.since) + 1
    aim = max(1, int(size * FILL))
    start, stop, rows = _filled(whole.since, end, known, max(total, size + 1))
    count = min(MOST_PIECES, max(2, -(-rows // aim)))
    if not _even(known, stop - start, rows):
        count = max(2, isqrt(count) + 1)
    marks = {whole.since, *(start + (stop - start) * n // count for n in range(count)), stop, end}
    if stop - start < (end - whole.since) // 2:
        # Whatever the guess is worth, no part is longer than half of the slice.
        marks.add((whole.since + end) // 2)
    slices = [Slice(begin, until) for begin, until in pairwise(sorted(marks))]
    return slices if whole.until is not None else [*slices, Slice(end, None)]


def _even(times: Sequence[int], span: int, rows: int) -> bool:
    """True if the page is about as dense as the whole: then parts of one length have like rows."""
    if len(times) < 2 or span <= 0:
        return True
    here = (len(times) - 1) * span
    there = (max(times) - min(times)) * rows
    return there <= here * _LIKE and here <= there * _LIKE


def _filled(since: int, end: int, times: Sequence[int], total: int) -> tuple[int, int, int]:
    """About where the rows are, and how many that span holds at the density of the page.

    A guess: the page has the newest rows, and the others are as dense.
    """
    if len(times) < 2:
        return since, end, total
    newest, oldest = max(times), min(times)
    rows = int(total * _SPARE) + 1
    span = int((newest - oldest) / (len(times) - 1) * rows) + 1
    if span * _SPARSE >= end - since:
        return since, end, total
    return max(since, newest + 1 - span), newest + 1, rows
