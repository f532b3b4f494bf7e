"""Time that is only counted: an event loop that jumps to the next timer instead of waiting.

Sleeps, time-outs and cancel scopes all keep their order, so concurrent callers behave as they would
over hours; the same program gives the same run, and a program in which nobody can go on is an
error instead of a test that hangs.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from contextlib import AbstractContextManager
from typing import Any, TypeVar

import anyio

T = TypeVar("T")
START = 1_767_225_600.0
"""2026-01-01 UTC."""


class _Jumping(selectors.SelectSelector):
    """Looks for events without waiting, and counts the time that it should have waited."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """What is ready now; else the loop's next timer is."""
        if timeout is None:
            raise RuntimeError("nobody can go on: every task waits for another one")
        self.now += max(0.0, timeout)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop on counted time; no thread and no socket may feed it."""

    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        """Seconds since the loop was made."""
        return self._jumping.now


class LoopClock:
    """A clock on such a loop, by default the running one; a sandbox takes ``wall``."""

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self._loop = loop

    def monotonic(self) -> float:
        """Seconds since the loop was made."""
        return (self._loop or asyncio.get_running_loop()).time()

    def wall(self) -> float:
        """The same since the epoch."""
        return START + self.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Let everybody else go on for as long."""
        await anyio.sleep(seconds)

    def limit(self, seconds: float) -> AbstractContextManager[anyio.CancelScope]:
        """A scope that is cancelled when so much time has passed."""
        return anyio.move_on_after(max(0.0, seconds))


def run(program: Coroutine[Any, Any, T]) -> T:
    """Run a program from a loop's first moment to its end."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(program)
