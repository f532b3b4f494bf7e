"""Deadlines by slots: never early, one timer, and nothing kept."""

from __future__ import annotations

import asyncio
import time

import pytest

from fincard_async._transports.wheel import SLOT, Wheel

pytestmark = pytest.mark.anyio


class Item:
    """Notes when it expires."""

    def __init__(self) -> None:
        self.expired = asyncio.Event()
        self.at = 0.0

    def expire(self) -> None:
        """Its time is over."""
        self.at = time.monotonic()
        self.expired.set()


async def test_nothing_expires_early() -> None:
    """Whatever the order in which they came; later by little more than a slot."""
    wheel = Wheel(asyncio.get_running_loop())
    now = time.monotonic()
    items = [(Item(), now + seconds) for seconds in (0.2, 0.01, 0.11, 0.0, 0.05, 0.1)]
    for item, deadline in items:
        wheel.add(item, deadline)
    for item, deadline in items:
        await asyncio.wait_for(item.expired.wait(), 5.0)
        assert item.at >= deadline
    wheel.close()


async def test_who_leaves_does_not_expire() -> None:
    """The slot is left by the hand that came with it."""
    wheel = Wheel(asyncio.get_running_loop())
    stays, leaves = Item(), Item()
    deadline = time.monotonic() + SLOT
    wheel.add(leaves, deadline).discard(leaves)
    wheel.add(stays, deadline)
    await asyncio.wait_for(stays.expired.wait(), 5.0)
    assert not leaves.expired.is_set()


async def test_a_closed_wheel_stands_still() -> None:
    """No timer is left in the loop."""
    wheel, item = Wheel(asyncio.get_running_loop()), Item()
    wheel.add(item, time.monotonic())
    wheel.close()
    other = Wheel(asyncio.get_running_loop())
    later = Item()
    other.add(later, time.monotonic() + SLOT)
    await asyncio.wait_for(later.expired.wait(), 5.0)
    assert not item.expired.is_set()
