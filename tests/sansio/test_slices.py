"""How a window of time is cut."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, strategies as st

from fincard_async._sansio.slices import DAY_MS, FILL, Slice, Verdict, cut, judge, spans


@pytest.mark.parametrize(
    "count, total, verdict",
    [
        (0, 0, Verdict.WHOLE),
        (7, 7, Verdict.WHOLE),
        (10, 25, Verdict.OVERFULL),
        (10, 10, Verdict.OVERFULL),
        (10, 0, Verdict.OVERFULL),
        (0, 3, Verdict.UNCLEAR),
        (7, 9, Verdict.UNCLEAR),
        (7, 99, Verdict.UNCLEAR),
        (7, 5, Verdict.UNCLEAR),
    ],
)
def test_what_an_answer_proves(count: int, total: int, verdict: Verdict) -> None:
    """A full page proves nothing, and a page that is not full must agree with its count."""
    assert judge(count, total, 10) is verdict


def test_what_is_asked_for_overlaps() -> None:
    """A millisecond more at both ends, so that limits may count or not; each row has one slice."""
    one, two = Slice(0, 10), Slice(10, 20)
    assert (one.asked, two.asked, Slice(5, None).asked) == ((0, 10), (9, 20), (4, None))
    assert (one.owns(9), one.owns(10), two.owns(9), two.owns(10)) == (True, False, False, True)
    assert Slice(5, None).owns(10**15)
    assert not Slice(5, None).owns(4)
    assert (Slice(5, 6).can_be_cut, Slice(5, 7).can_be_cut) == (False, True)


@given(
    st.integers(0, 10**13),
    st.one_of(st.none(), st.integers(2, 10**12)),
    st.lists(st.integers(0, 10**13), max_size=20),
    st.integers(0, 10**7),
    st.integers(1, 100),
)
def test_the_parts_are_the_whole(
    since: int, length: int | None, times: list[int], total: int, size: int
) -> None:
    """Without gap or overlap, and whatever the guess, each part is at most half of the slice."""
    whole = Slice(since, None if length is None else since + length)
    parts = cut(whole, times, total, size)
    assert len(parts) > 1
    assert (parts[0].since, parts[-1].until) == (whole.since, whole.until)
    assert all(a.until == b.since for a, b in itertools.pairwise(parts))
    assert all(part.until is None or part.until > part.since for part in parts)
    if length is not None:
        assert max(part.until - part.since for part in parts if part.until) <= length // 2 + 1


def test_even_rows_are_cut_to_fill_their_pages() -> None:
    """A slice of a thousand rows, a page of a hundred: about eighty rows to a part."""
    parts = cut(Slice(0, 100_000), range(90_000, 100_000, 100), 1000, 100)
    assert len(parts) == -(-1000 // int(100 * FILL))


def test_an_empty_past_is_cut_off_at_once() -> None:
    """Rows of one day, asked for since 1970: the first cut finds their day."""
    now = 1_795_000_000_000
    times = [now - 60_000 * number for number in range(100)]
    parts = cut(Slice(0, None), times, 1440, 100)
    filled = [part for part in parts if part.until is None or part.until > now - DAY_MS]
    assert len(filled) >= 1440 / 100 / FILL / 1.5
    assert parts[-1] == Slice(now + 1, None)


@pytest.mark.parametrize(
    "window, max_days, count",
    [((0, None), None, 1), ((0, 10 * DAY_MS), None, 1), ((5, 95 * DAY_MS), 30, 4), ((5, 6), 30, 1)],
)
def test_windows_that_the_server_takes(
    window: tuple[int, int | None], max_days: int | None, count: int
) -> None:
    """No part is longer than the server allows, the overlap included."""
    parts = spans(*window, max_days)
    assert len(parts) == count
    assert (parts[0].since, parts[-1].until) == window
    assert all(a.until == b.since for a, b in itertools.pairwise(parts))
    for part in parts if max_days else []:
        since, until = part.asked
        assert until is not None
        assert until - since < (max_days or 0) * DAY_MS
