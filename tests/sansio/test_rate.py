"""The rate limit as a function of time."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from fincard_async._sansio.rate import RateLimit

rates = st.floats(0.1, 1000)
bursts = st.integers(1, 20)
gaps = st.lists(st.floats(0, 10), min_size=1, max_size=60)


@given(rates, bursts, gaps)
def test_never_more_than_burst_and_rate_allow(rate: float, burst: int, waits: list[float]) -> None:
    """In any stretch of time, at most ``burst + rate * time`` calls start, in order of arrival."""
    limit, now, starts = RateLimit(rate, burst), 0.0, list[float]()
    for gap in waits:
        now += gap
        starts.append(now + limit.book(now))
    assert starts == sorted(starts)
    for first in range(len(starts)):
        for last in range(first, len(starts)):
            assert last - first + 1 <= burst + rate * (starts[last] - starts[first]) + 1e-6


@given(rates, bursts, st.floats(0, 1e6))
def test_after_a_pause_a_burst_starts_at_once(rate: float, burst: int, now: float) -> None:
    """An idle limit makes nobody wait for the first ``burst`` calls, and the next one waits."""
    limit = RateLimit(rate, burst)
    assert [limit.book(now) for _ in range(burst)] == pytest.approx([0.0] * burst, abs=1e-6)
    assert limit.book(now) == pytest.approx(1 / rate, rel=1e-3)


@given(rates, bursts, st.integers(1, 60))
def test_a_crowd_starts_as_fast_as_the_rate_allows(rate: float, burst: int, count: int) -> None:
    """After the burst, one call starts every ``1 / rate`` seconds, so the rate is used up."""
    limit = RateLimit(rate, burst)
    starts = [limit.book(0.0) for _ in range(count)]
    due = [max(0, number - burst + 1) / rate for number in range(count)]
    assert starts == pytest.approx(due, abs=1e-6)


def test_asking_books_nothing() -> None:
    """A call that is refused because it would be too late takes no place."""
    limit = RateLimit(10.0, 1)
    limit.book(0.0)
    assert [limit.wait(0.0), limit.wait(0.0)] == pytest.approx([0.1, 0.1])
    assert limit.book(0.0) == pytest.approx(0.1)


@pytest.mark.parametrize("rate, burst", [(0.0, 1), (-1.0, 1), (1.0, 0)])
def test_limits_that_would_stop_everything(rate: float, burst: int) -> None:
    """A rate of nothing is a mistake."""
    with pytest.raises(ValueError, match="must be positive"):
        RateLimit(rate, burst)


@given(rates, bursts, gaps, st.integers(0, 30))
def test_a_wait_behind_others_is_foretold(
    rate: float, burst: int, waits: list[float], ahead: int
) -> None:
    """Asked in advance, the wait is the one that comes once those ahead have gone."""
    limit, now = RateLimit(rate, burst), 0.0
    for gap in waits:
        now += gap
        limit.book(now)
    foretold = limit.wait(now, ahead)
    for _ in range(ahead):
        limit.book(now)
    assert limit.wait(now) == pytest.approx(foretold, abs=1e-6)
