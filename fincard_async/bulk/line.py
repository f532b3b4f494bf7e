"""The line in which rows wait for a worker: short, and cheap to pass through.

A group is let in while the last few rows of the one before still wait, so that workers find the
next row without a wait. A row that is there is taken without a switch of tasks.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Generic, TypeVar

import anyio

T = TypeVar("T")


class Line(Generic[T]):
    """First in, first out, for one who puts and many who take.

    Args:
        low: So many may still wait when the next group is let in.
    """

    def __init__(self, low: int) -> None:
        self._low = low
        self._waiting: deque[T] = deque()
        self._closed = False
        self._room = anyio.Event()
        self._more = anyio.Event()

    async def put(self, items: Iterable[T]) -> bool:
        """Let a group in when there is room; True if those who take had run out of items."""
        ran_out = not self._waiting
        while len(self._waiting) > self._low:
            self._room = anyio.Event()
            await self._room.wait()
        self._waiting.extend(items)
        self._wake()
        return ran_out

    def close(self) -> None:
        """Nothing more comes; what waits is still taken."""
        self._closed = True
        self._wake()

    async def take(self) -> T | None:
        """The next item; None at the end."""
        while not self._waiting:
            if self._closed:
                return None
            await self._more.wait()
        item = self._waiting.popleft()
        if len(self._waiting) <= self._low:
            self._room.set()
        return item

    def _wake(self) -> None:
        more, self._more = self._more, anyio.Event()
        more.set()
