"""Where a client may be used: in one process and one event loop, until it is closed.

Asked before a call is prepared, so that a call from elsewhere is an error of usage: nothing is
sent, and no order is in doubt. A thread has its own event loop or none, so the check of the loop
is the check of the thread as well.
"""

from __future__ import annotations

import asyncio
import os

import anyio.lowlevel

from fincard_async.errors import ClientClosed, ForkedClient, WrongLoop


class Home:
    """The process that made it, and the event loop that first enters it."""

    __slots__ = ("_closed", "_loop", "_pid")

    def __init__(self) -> None:
        self._pid = os.getpid()
        self._loop: object | None = None
        self._closed = False

    def enter(self) -> None:
        """Return if this is the place.

        Raises:
            ClientClosed, ForkedClient, WrongLoop: It is not; nothing was sent.
        """
        if self._closed:
            raise ClientClosed("the client is closed")
        if os.getpid() != self._pid:
            raise ForkedClient("the client belongs to the parent process; create one after fork")
        here = _running_loop()
        if self._loop is None:
            self._loop = here
        elif here != self._loop:
            raise WrongLoop("the client belongs to another event loop; create one per loop")

    def leave(self) -> bool:
        """Close it for good; False in a forked child, which may not touch the parent's sockets.

        Raises:
            WrongLoop: Its event loop runs in another thread, and may be using it right now.
        """
        if os.getpid() != self._pid:
            self._closed = True
            return False
        loop = self._loop
        busy = isinstance(loop, asyncio.AbstractEventLoop) and loop.is_running()
        if busy and loop != _running_loop():
            raise WrongLoop("the client belongs to another event loop; close it there")
        self._closed = True
        return True


def _running_loop() -> object:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        pass
    try:
        return anyio.lowlevel.current_token()  # of another kind than asyncio's
    except RuntimeError:
        raise WrongLoop("no event loop runs in this thread") from None
