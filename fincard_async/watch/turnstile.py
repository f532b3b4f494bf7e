"""Lets a few workers begin a read in each turn of the event loop, so that it never stands still.

Thousands of answers that arrive together would be worked on in one turn of the loop, and the next
requests all sent in the same; then they arrive together again. Whoever else lives in this event
loop waits for as long. Spread over turns, they come back spread, at the same throughput.
"""

from __future__ import annotations

from collections import deque
from typing import Final

import anyio
import anyio.lowlevel

PER_TURN: Final = 8
"""Reads that may begin in one turn: a few ms of work on the slower of the two transports."""


class Turnstile:
    """A gate that lets ``PER_TURN`` pass, in order, per turn of the event loop."""

    def __init__(self) -> None:
        self._left = PER_TURN
        self._waiting: deque[anyio.Event] = deque()
        self._used = anyio.Event()

    async def pass_through(self) -> None:
        """Go on in this turn, or in one of the next."""
        if self._left > 0 and not self._waiting:
            self._left -= 1
            self._used.set()
            return
        ticket = anyio.Event()
        self._waiting.append(ticket)
        try:
            await ticket.wait()
        except BaseException:
            if not ticket.is_set():
                self._waiting.remove(ticket)
            raise

    async def turn(self) -> None:
        """Begin a new turn as often as somebody needs one; for ever."""
        while True:
            await self._used.wait()
            self._used = anyio.Event()
            while self._left < PER_TURN or self._waiting:
                await anyio.lowlevel.checkpoint()
                self._left = PER_TURN
                while self._waiting and self._left:
                    self._left -= 1
                    self._waiting.popleft().set()
