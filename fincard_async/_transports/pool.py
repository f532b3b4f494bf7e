"""Connections that wait for their next request: the last one back is the first one out.

So a client that needs few of them lets the others grow old, and closes them before the server does.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import Final

from .faults import KEEPALIVE_SECONDS
from .line import Line

QUIET_SECONDS: Final = 1.0
"""After so long the socket itself is asked whether the server hung up, or said something unasked,
while the event loop was busy; on a line in steady use that would cost more than it could show."""


class IdleLines:
    """A stack of lines, the oldest at its bottom."""

    __slots__ = ("_closed", "_lines", "_loop", "_timer")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._lines: deque[Line] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    def __len__(self) -> int:
        return len(self._lines)

    def take(self, now: float) -> Line | None:
        """A line that is open and not too old, or None."""
        while self._lines:
            line = self._lines.pop()
            idle = now - line.idle_since
            if idle > QUIET_SECONDS and (idle > KEEPALIVE_SECONDS or not line.is_silent):
                line.close()
            elif line.is_open:
                return line
        return None

    def put(self, line: Line) -> None:
        """Keep a line with no exchange under way; ``take`` looks whether it is still open."""
        line.idle_since = time.monotonic()
        self._lines.append(line)
        if self._timer is None and not self._closed:  # an exchange may end after the closing
            self._timer = self._loop.call_later(KEEPALIVE_SECONDS, self._sweep)

    def close(self) -> None:
        """Forget all; who owns the lines closes them."""
        self._closed = True
        self._lines.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _sweep(self) -> None:
        now, lines, self._timer = time.monotonic(), self._lines, None
        while lines and (now - lines[0].idle_since >= KEEPALIVE_SECONDS or not lines[0].is_open):
            lines.popleft().close()
        if lines:
            left = lines[0].idle_since + KEEPALIVE_SECONDS - now
            self._timer = self._loop.call_later(max(0.0, left), self._sweep)
