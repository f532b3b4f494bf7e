"""How fast a watch may ask, and when a card is due: pure."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, strategies as st

from fincard_async.watch import phase_of, shard_of
from fincard_async.watch.card import WatchedCard
from fincard_async.watch.pace import (
    GROW,
    KEEP,
    LEAST_KEPT,
    PER_PAUSE,
    PER_REFUSAL,
    RECOVER,
    SEEK,
    WINDOW,
    Pace,
)
from fincard_async.watch.schedule import MOST_BACKOFF, Schedule


def test_without_a_budget_nothing_waits() -> None:
    """Until the server refuses."""
    pace = Pace(math.inf, 0.0)
    for _ in range(1000):
        assert pace.wait(0.0) == 0.0
        pace.book(0.0)


def test_a_budget_is_kept() -> None:
    """Ten calls a second are ten calls a second, whatever was not used before."""
    pace, now, started = Pace(10.0, 0.0), 100.0, 0
    while now < 110.0:
        if pace.wait(now) <= 0:
            pace.book(now)
            started += 1
        now += 0.001
    assert started == pytest.approx(100, abs=2)


def test_the_first_refusal_is_a_guess() -> None:
    """What was answered is the peak, and the rate grows from there until the server says no."""
    pace = Pace(math.inf, 0.0)
    pace.tell(1.0, answered=200, refused=50)
    assert pace.rate(1.0) == pytest.approx(KEEP * 200)
    assert pace.rate(3.0) == pytest.approx(KEEP * 200 * SEEK**2)


@pytest.mark.parametrize("paused", [0.0, 1.0])
def test_a_known_peak_is_come_back_to_slowly(paused: float) -> None:
    """Nine tenths, then all of it after a time that fits the cost of a refusal, then more."""
    pace = Pace(math.inf, 0.0)
    pace.tell(1.0, answered=200, refused=50)
    pace.tell(3.0, answered=400, refused=50, paused=paused)
    again = 3.0 + paused
    assert pace.wait(3.0) == paused
    assert pace.rate(again) == pytest.approx(KEEP * 200)
    back = again + RECOVER + PER_PAUSE * paused
    assert pace.rate((again + back) / 2) < 200
    assert pace.rate(back) == pytest.approx(200)
    assert pace.rate(back + 1.0) == pytest.approx(200 * GROW)
    assert pace.rate(1e6) > 1e12


def test_refusals_of_calls_in_flight_do_not_count_twice() -> None:
    """They were sent at the old rate."""
    pace = Pace(math.inf, 0.0)
    pace.tell(1.0, answered=200, refused=50)
    pace.tell(1.0 + WINDOW / 2, answered=0, refused=50)
    assert pace.rate(1.0) == pytest.approx(KEEP * 200)


def test_single_faults_do_not_slow_a_watch() -> None:
    """One in a hundred is no overload, and one alone never is."""
    pace = Pace(math.inf, 0.0)
    pace.tell(1.0, answered=990, refused=10)
    pace.tell(2.0, answered=0, refused=1)
    assert pace.rate(2.0) == math.inf


@given(st.lists(st.integers(PER_REFUSAL, 300), max_size=20), st.floats(1, 10_000))
def test_faults_by_chance_do_not_slow_it_either(gaps: list[int], rate: float) -> None:
    """Wherever they fall in a window: with as many answers before each as make up for it."""
    pace, now = Pace(math.inf, 0.0), 0.0
    for gap in gaps:
        for _ in range(gap):
            now += 1 / rate
            pace.tell(now, answered=1, refused=0)
        pace.tell(now, answered=0, refused=1)
        assert pace.rate(now) == math.inf


@pytest.mark.parametrize("rate", [100, 5000])
def test_several_faults_may_come_together(rate: int) -> None:
    """As many as the answers of a window have earned, and no more: then it is overload."""
    pace, now = Pace(math.inf, 0.0), 0.0
    for _ in range(5 * rate):
        now += 1 / rate
        pace.tell(now, answered=1, refused=0)
    for _ in range(max(LEAST_KEPT, int(rate * WINDOW) - 1) // PER_REFUSAL):
        pace.tell(now, answered=0, refused=1)
        assert pace.rate(now) == math.inf
    pace.tell(now, answered=0, refused=2)
    assert KEEP * rate * 0.9 <= pace.rate(now) <= rate


def test_the_budget_bounds_the_recovery() -> None:
    """However well the server is."""
    pace = Pace(50.0, 0.0)
    pace.tell(1.0, answered=20, refused=20)
    assert pace.rate(1.0) == pytest.approx(KEEP * 20)
    assert pace.rate(1000.0) == 50.0


def test_the_rate_never_dies() -> None:
    """A server that refuses everything is still asked, once a second."""
    pace = Pace(math.inf, 0.0)
    for second in range(1, 100):
        pace.tell(float(second), answered=0, refused=10)
        assert pace.rate(float(second)) == 1.0


@given(st.text(min_size=1), st.floats(0.01, 1e5), st.floats(0, 1e6))
def test_a_card_keeps_its_place(card_no: str, interval: float, now: float) -> None:
    """After a read it is due at its place, half an interval to one and a half from now."""
    schedule = Schedule(interval, 4.0, 0.0)
    due = schedule.after_read(WatchedCard(card_no), now, hurry=True)
    assert 0.5 * interval * 0.999 <= due - now <= 1.5 * interval * 1.001
    turns = due / interval - phase_of(card_no)
    assert abs(turns - round(turns)) < 1e-3


def test_backoff_has_an_end() -> None:
    """A card that fails for ever is still read."""
    schedule, card = Schedule(10.0, 4.0, 0.0), WatchedCard("a")
    waits: list[float] = []
    for failures in (1, 2, 3, 4, 5, 50, 5000):
        card.failures = failures
        waits.append(schedule.after_failure(card, 0.0))
    assert waits == sorted(waits)
    assert waits[-1] <= 10.0 * (MOST_BACKOFF + 1)


@given(st.lists(st.floats(0, 100), min_size=1, max_size=50), st.data())
def test_cards_are_taken_in_the_order_in_which_they_are_due(
    dues: list[float], data: st.DataObject
) -> None:
    """Also if some were put elsewhere meanwhile; each is taken once."""
    schedule = Schedule(10.0, 4.0, 0.0)
    cards = [WatchedCard(str(number)) for number in range(len(dues))]
    for card, due in zip(cards, dues, strict=True):
        schedule.put(card, due)
    moved = data.draw(st.sets(st.sampled_from(range(len(dues)))))
    for number in moved:
        dues[number] = data.draw(st.floats(0, 100))
        schedule.put(cards[number], dues[number])
    taken: list[str] = []
    while (first := schedule.take(1000.0)) is not None:
        taken.append(first.card_no)
    assert sorted(taken) == sorted(card.card_no for card in cards)
    found = [dues[int(name)] for name in taken]
    assert found == sorted(found)
    assert schedule.next_due() == math.inf


def test_shards_and_phases_are_even() -> None:
    """Every shard gets its share of the cards, and spreads it over the interval."""
    numbers = [f"WB{number:022d}" for number in range(30_000)]
    for shards in (2, 3, 8):
        members = [
            [no for no in numbers if shard_of(no, shards) == which] for which in range(shards)
        ]
        for of_shard in members:
            assert len(of_shard) == pytest.approx(30_000 / shards, rel=0.05)
            tenths = [0] * 10
            for number in of_shard:
                tenths[int(phase_of(number) * 10)] += 1
            assert max(tenths) < 1.2 * len(of_shard) / 10
