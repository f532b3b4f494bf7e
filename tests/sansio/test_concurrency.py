"""How many calls may be in flight: single faults are borne, overload is cut, all comes back."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings, strategies as st

from fincard_async._sansio.concurrency import (
    CUT,
    CUT_EVERY,
    LEAST_ROUND,
    MOST_STEPS,
    PER_TROUBLE,
    AdaptiveLimit,
)

LATENCY = 0.5
"""Seconds of an answer, where time matters."""


def well(most: int) -> AdaptiveLimit:
    """One that has seen more than a round of clean answers."""
    limit = AdaptiveLimit(most)
    for _ in range(3 * max(most, LEAST_ROUND)):
        limit.clean()
    return limit


def rounds(limit: AdaptiveLimit, wanted: int, faults: float = 0.0) -> int:
    """Windows of answers, spread over the latency, until so many calls are allowed again."""
    random, count = Random("rounds"), 0
    while limit.value < wanted:
        for answer in range(now := limit.value):
            if random.random() < faults:
                limit.trouble(1e6 + (count + answer / now) * LATENCY)
            else:
                limit.clean()
        count += 1
        assert count < 1000, "it does not come back"
    return count


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


def test_what_was_gained_too_early_is_taken_back() -> None:
    """Where answers are quick it grows before it may be cut again; trouble then ends that."""
    limit = AdaptiveLimit(100)
    limit.trouble(0.0)
    for _ in range(70 + 71 + 72):
        limit.clean()
    assert limit.value == 73
    for _ in range(5):  # four are borne
        assert limit.value == 73
        limit.trouble(0.1)
    assert limit.value == 70


def test_it_never_stops_everything() -> None:
    """One call may always go, or nobody would see that all is well again."""
    limit = AdaptiveLimit(100)
    for moment in range(1000):
        limit.trouble(float(moment))
    assert limit.value == 1
    limit.clean()
    assert limit.value == 2


@given(st.integers(1, 5000), st.lists(st.one_of(st.none(), st.floats(0, 5)), max_size=200))
def test_the_number_has_bounds(most: int, steps: list[float | None]) -> None:
    """Between one and the most; trouble never raises it, a clean answer never lowers it.

    What it adds is one call, or a part of the most, and no more than there were.
    """
    limit, now = AdaptiveLimit(most), 0.0
    for step in steps:
        before = limit.value
        if step is None:
            limit.clean()
            # One more than the step, where the parts of a call that it keeps make up a whole one.
            assert before <= limit.value <= before + min(before, max(1, most // MOST_STEPS) + 1)
        else:
            now += step
            limit.trouble(now)
            assert int(before * CUT) <= limit.value <= before
        assert 1 <= limit.value <= most


@given(
    st.integers(1, 3000),
    st.lists(st.tuples(st.integers(PER_TROUBLE, 400), st.floats(0, 5)), max_size=30),
)
def test_single_faults_are_no_overload(most: int, faults: list[tuple[int, float]]) -> None:
    """With as many clean answers before each as make up for it, no trouble lowers the number."""
    limit, now = AdaptiveLimit(most), 0.0
    for answers, pause in faults:
        for _ in range(answers):
            limit.clean()
        now += pause
        limit.trouble(now)
        assert limit.value == most


@given(
    st.integers(1, 400),
    st.lists(st.one_of(st.integers(1, 300), st.floats(0, 1)), max_size=100),
)
def test_no_more_is_borne_than_was_earned(most: int, steps: list[int | float]) -> None:
    """At any time troubles above the share, and above a round's worth, have been answered."""
    limit, now, last_cut = AdaptiveLimit(most), 0.0, float("-inf")
    left = 0
    """What may have been earned and not spent: never more than a round."""
    for step in steps:
        if isinstance(step, int):
            for _ in range(step):
                limit.clean()
                left = min(left + 1, max(limit.value, LEAST_ROUND))
            continue
        now += step
        before = limit.value
        limit.trouble(now)
        if left >= PER_TROUBLE:
            left -= PER_TROUBLE
            assert limit.value == before
        else:
            left = 0
            if now >= last_cut + CUT_EVERY:
                last_cut = now
                assert limit.value < before or before == 1
            else:
                assert limit.value <= before


@pytest.mark.parametrize("most", [1, 10, 200, 201, 5000])
def test_a_long_good_time_earns_no_more_than_a_round(most: int) -> None:
    """Then everything is in trouble: four of the first hundred calls are borne, or 2 %."""
    limit = well(most)
    borne = max(most, LEAST_ROUND) // PER_TROUBLE
    for _ in range(borne):
        limit.trouble(0.0)
        assert limit.value == most
    limit.trouble(0.0)
    assert limit.value == max(1, int(most * CUT))


def test_an_outage_is_cut_with_every_moment() -> None:
    """Nothing is earned in an outage: 5,000 are one after the 24 cuts that it takes at least."""
    limit = well(5000)
    for call in range(5000):  # all that were in flight time out, within a second
        limit.trouble(call / 5000)
    assert limit.value == 2450
    for moment in range(2, 24):
        limit.trouble(moment * CUT_EVERY)
    assert limit.value == 1


@pytest.mark.parametrize("most", [1, 10, 100, 127, 128, 1000, 5000])
def test_all_comes_back_in_about_as_many_windows(most: int) -> None:
    """One cut is made up for in fifty windows and a whole outage in 130, whatever the most is."""
    once, often = well(most), well(most)
    for moment in range(1, 1000):
        often.trouble(float(moment))
    while once.value == most > 1:
        once.trouble(0.0)
    assert rounds(once, most) <= 50
    assert rounds(often, most) <= 130


@pytest.mark.parametrize("most", [100, 1000, 5000])
def test_single_faults_do_not_keep_it_from_coming_back(most: int) -> None:
    """After an outage, with one answer in two hundred a fault."""
    limit = well(most)
    for moment in range(1000):
        limit.trouble(float(moment))
    assert rounds(limit, most, faults=0.005) <= 200


def _mean(most: int, faults: float, seed: int, windows: int) -> float:
    """Share of the most that is allowed on average; answers are spread over the latency."""
    random, limit, now = Random(seed), AdaptiveLimit(most), 0.0
    total = 0.0
    for _ in range(windows):
        total += limit.value / most
        for _ in range(limit.value):
            now += LATENCY / limit.value
            if random.random() < faults:
                limit.trouble(now)
            else:
                limit.clean()
    return total / windows


@settings(max_examples=10, deadline=None)
@given(st.sampled_from([20, 100, 300, 2000]), st.integers(0, 10**6))
def test_faults_by_chance_cost_little(most: int, seed: int) -> None:
    """One in two hundred, at any moment: nine tenths of the calls are in flight all the time."""
    assert _mean(most, 0.005, seed, max(60, 30_000 // most)) > 0.9


@settings(max_examples=10, deadline=None)
@given(st.sampled_from([100, 300, 2000]), st.integers(0, 10**6))
def test_one_in_twenty_is_overload(most: int, seed: int) -> None:
    """Then the number goes down, and stays there."""
    assert _mean(most, 0.05, seed, 200) < 0.3
