"""How many calls may be in flight: up by one, down by a third."""

from __future__ import annotations

from hypothesis import given, strategies as st

from fincard_async._sansio.concurrency import CUT_EVERY, AdaptiveLimit


def test_trouble_cuts_and_clean_windows_raise() -> None:
    """100 becomes 70; then each window of clean answers adds one."""
    limit = AdaptiveLimit(100)
    assert limit.value == 100
    limit.trouble(0.0)
    assert limit.value == 70
    for _ in range(69):
        limit.clean()
    assert limit.value == 70
    limit.clean()
    assert limit.value == 71
    for _ in range(70):
        limit.clean()
    assert limit.value == 71
    limit.clean()
    assert limit.value == 72


def test_one_bad_moment_counts_once() -> None:
    """A thousand time-outs at once are one cut; half a second later is another moment."""
    limit = AdaptiveLimit(100)
    for _ in range(1000):
        limit.trouble(5.0)
    limit.trouble(5.0 + CUT_EVERY - 0.001)
    assert limit.value == 70
    limit.trouble(5.0 + CUT_EVERY)
    assert limit.value == 49


def test_trouble_begins_the_window_again() -> None:
    """Clean answers between two troubles do not add up."""
    limit = AdaptiveLimit(10)
    limit.trouble(0.0)
    for _ in range(6):
        limit.clean()
    limit.trouble(0.1)
    for _ in range(6):
        limit.clean()
    assert limit.value == 7
    limit.clean()
    assert limit.value == 8


def test_it_never_stops_everything() -> None:
    """One call may always go, or nobody would see that all is well again."""
    limit = AdaptiveLimit(100)
    for moment in range(1000):
        limit.trouble(float(moment))
    assert limit.value == 1
    limit.clean()
    assert limit.value == 2


@given(st.integers(1, 50), st.lists(st.one_of(st.none(), st.floats(0, 5)), max_size=200))
def test_the_number_has_bounds(most: int, steps: list[float | None]) -> None:
    """Between one and the most; a clean answer never lowers it, trouble never raises it."""
    limit, now = AdaptiveLimit(most), 0.0
    for step in steps:
        before = limit.value
        if step is None:
            limit.clean()
            assert before <= limit.value <= before + 1
        else:
            now += step
            limit.trouble(now)
            assert limit.value <= before
        assert 1 <= limit.value <= most
