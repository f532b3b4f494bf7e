"""What makes the usual call cheap must not change what it means."""

from __future__ import annotations

import anyio
import pytest

from fincard_async._runtime.headers import FullHeaders
from fincard_async._runtime.hooks import CallEvent, Observers
from fincard_async._runtime.limiter import Limiter
from fincard_async._sansio.options import Lane, Limits
from fincard_async.testing import FakeClock

from .rig import HandClock

pytestmark = pytest.mark.anyio


async def test_a_place_is_taken_at_once_only_where_that_is_fair() -> None:
    """Not while all are taken, while somebody waits, during a pause, or under a rate."""
    clock = HandClock()
    limiter = Limiter(Limits(max_concurrency=2), clock)
    assert [limiter.take(), limiter.take(), limiter.take()] == [True, True, False]
    limiter.trouble()  # one place is left of two
    async with anyio.create_task_group() as group:
        group.start_soon(limiter.acquire, clock.monotonic() + 60, Lane.READ)
        await anyio.wait_all_tasks_blocked()
        limiter.release()
        limiter.clean()  # two again: the one who waits is next, not the one who comes
        assert (limiter.allowed, limiter.in_flight, limiter.take()) == (2, 1, False)
        limiter.release()
    limiter.release()
    limiter.pause(5.0)
    assert not limiter.take()
    clock.advance(6.0)
    await limiter.acquire(clock.monotonic() + 1, Lane.READ)
    assert limiter.take()


async def test_a_rate_is_never_passed_by() -> None:
    """With a rate, every place is booked."""
    assert not Limiter(Limits(rate=10.0), FakeClock()).take()


def test_full_headers_are_the_same_object_while_nothing_changes() -> None:
    """Another token or other context headers make others; of the old token nothing is left."""
    headers, base, other = FullHeaders(), {"A": "1"}, {"A": "2"}
    first = headers.of(base, "Bearer one")
    assert dict(first) == {"A": "1", "Authorization": "Bearer one"}
    assert headers.of(base, "Bearer one") is first
    assert dict(headers.of(other, "Bearer one")) == {"A": "2", "Authorization": "Bearer one"}
    assert dict(headers.of(base, "Bearer two")) == {"A": "1", "Authorization": "Bearer two"}
    assert headers.of(base, "") is base
    with pytest.raises(TypeError):
        first["A"] = "3"  # type: ignore[index]  # that it cannot be written is what is tested


def test_many_sets_of_headers_are_not_all_kept() -> None:
    """A client that is given a new context with every call does not grow."""
    headers = FullHeaders()
    for number in range(1000):
        made = headers.of({"A": str(number)}, "Bearer one")
        assert made["A"] == str(number)


def test_nobody_listens_once_the_last_observer_is_dropped() -> None:
    """Then a call makes no events at all."""

    def broken(event: CallEvent) -> None:
        raise RuntimeError

    assert not Observers([]).listening
    observers = Observers([broken])
    assert observers.listening
    observers.tell(
        CallEvent(point="prepared", call=1, operation="x", order_no=None, attempt=1, elapsed=0.0)
    )
    assert not observers.listening
