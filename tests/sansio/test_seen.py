"""What a reader of pages remembers of the rows that it delivered."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, strategies as st

from fincard_async._sansio.seen import Seen, digest
from fincard_async.errors import IncompletePagination

from .samples import Answer


def row(key: object, time: int | None = None) -> Answer:
    """A row with a key and a time."""
    return Answer(card_no=None if key is None else str(key), time=time)


def seen(keep: int = 5, **more: frozenset[str]) -> Seen:
    """A memory of ``keep`` rows."""
    return Seen(("card_no",), "time", keep=keep, **more)


@pytest.mark.parametrize("step", [-1, 1])
def test_memory_is_flat(step: int) -> None:
    """However long the list, and whichever way it runs, the last rows are all that is kept."""
    memory = seen(keep=100)
    for number in range(5000):
        assert memory.is_new(row(number, 10_000 + step * number))
    assert len(memory) <= 101
    assert memory.delivered == 5000


def test_repeats_near_the_reader_are_known() -> None:
    """A row that comes again within the rows that are kept is not delivered twice."""
    memory = seen(keep=50)
    for number in range(1000):
        memory.is_new(row(number, 10_000 - number))
        for back in (0, 1, 49):
            assert not memory.is_new(row(max(0, number - back), 10_000 - max(0, number - back)))


def test_a_row_from_what_was_forgotten_is_no_guess() -> None:
    """It may be a repeat or not; neither losing nor repeating it would be honest."""
    memory = seen()
    for number in range(100):
        memory.is_new(row(number, 1000 - number))
    with pytest.raises(IncompletePagination, match="moved too far"):
        memory.is_new(row("new", 990))


def test_a_late_row_among_those_remembered_is_new() -> None:
    """It stands between rows whose keys are known, so it is none of them."""
    memory = seen(keep=10)
    for number in range(100):
        memory.is_new(row(number, 1000 - 10 * number))
    assert memory.is_new(row("late", 1000 - 10 * 95 + 5))


def test_rows_of_one_moment_are_all_kept() -> None:
    """Time cannot tell them apart, so their keys must."""
    memory = seen()
    assert memory.is_new(row("before", 8))
    assert all(memory.is_new(row(number, 7)) for number in range(100))
    assert not any(memory.is_new(row(number, 7)) for number in range(100))


def test_a_list_without_order_is_remembered_whole() -> None:
    """The law needs the order of time; without it nothing is forgotten."""
    memory, chance = seen(keep=200), Random(1)
    rows = [row(number, chance.randrange(10**6)) for number in range(400)]
    assert all(map(memory.is_new, rows))
    assert not any(map(memory.is_new, rows))


def test_rows_without_time_or_key() -> None:
    """Without a time a key is kept for ever; without a key no row is a repeat."""
    memory = seen()
    assert memory.is_new(row("a"))
    assert not memory.is_new(row("a"))
    assert memory.is_new(row(None, 5))
    assert memory.is_new(row(None, 5))
    assert Seen((), None).is_new(row("a"))
    pair = Seen(("card_no", "merchant_order_no"), None)
    assert pair.is_new(row(None))
    assert pair.is_new(row(None))
    assert pair.is_new(row("a"))
    assert not pair.is_new(row("a"))


def test_what_another_process_delivered() -> None:
    """Digests stand for keys that this process never saw."""
    memory = seen(digests=frozenset({digest("a")}))
    assert not memory.is_new(row("a", 1))
    assert memory.is_new(row("b", 1))
    assert memory.digests() == sorted([digest("a"), digest("b")])
    assert len(digest("a")) == 16


@given(st.lists(st.integers(0, 20), max_size=60), st.integers(1, 12))
def test_never_twice(pushed: list[int], keep: int) -> None:
    """Newest first, with any number of rows added between two rows read: never a row twice."""
    memory = seen(keep=keep)
    rows = [row(number, -number) for number in range(len(pushed) + 25)]
    delivered: list[str | None] = []
    at = len(pushed)
    try:
        for push in pushed:
            place = max(0, at - push)
            while place <= at:
                if memory.is_new(rows[place]):
                    delivered.append(rows[place].card_no)
                place += 1
            at += 1
    except IncompletePagination:
        pass
    assert len(delivered) == len(set(delivered))
