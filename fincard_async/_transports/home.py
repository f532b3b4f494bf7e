"""Where a client may be used: in one process and one event loop, until it is closed.

Asked before a call is prepared, so that a call from elsewhere is an error of usage: nothing is
sent, and no order is in doubt. A thread has its own event loop or none, so the check of the loop
is the check of the thread as well.

Work that outlives the call that began it, such as a login for everybody, belongs here too: it ends
when the client is closed.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable

import anyio

from fincard_async.errors import ClientClosed, ForkedClient, WrongLoop


class Home:
    """The process that made it, and the event loop that first enters it."""

    __slots__ = ("_closed", "_jobs", "_loop", "_pid")

    def __init__(self) -> None:
        self._pid = os.getpid()
        self._loop: object | None = None
        self._closed = False
        self._jobs: set[_Job] = set()

    def enter(self) -> None:
        """Return if this is the place.

        Raises:
            ClientClosed, ForkedClient, WrongLoop: It is not; nothing was sent.
        """
        if self._closed:
            raise ClientClosed("the client is closed")
        if os.getpid() != self._pid:
            raise ForkedClient("the client belongs to the parent process; create one after fork")
        try:
            here: object = asyncio.get_running_loop()
        except RuntimeError:
            here = _other_loop()
        if here is self._loop:
            return
        if self._loop is None:
            self._loop = here
        elif here != self._loop:
            raise WrongLoop("the client belongs to another event loop; create one per loop")

    def start(self, work: Callable[[], Awaitable[None]]) -> None:
        """Carry out ``work`` in a task of its own; it must not raise.

        No call's cancellation reaches it, only the client's end.
        """
        self.enter()
        job = _Job(work, self._jobs.discard)
        self._jobs.add(job)
        job.start()

    async def aclose(self) -> bool:
        """``leave``, and wait for the end of what was started here."""
        mine = self.leave()
        jobs = tuple(self._jobs) if mine else ()
        for job in jobs:
            job.scope.cancel()
        for job in jobs:
            await job.done.wait()
        return mine

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


class _Job:
    """Work in a task of its own; the task is held, for an event loop holds it only weakly."""

    __slots__ = ("_ended", "_task", "_work", "done", "scope")

    def __init__(self, work: Callable[[], Awaitable[None]], ended: Callable[[_Job], None]) -> None:
        self._work = work
        self._ended = ended
        self._task: object = None
        self.scope = anyio.CancelScope()
        self.done = anyio.Event()

    def start(self) -> None:
        """Begin."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            import trio  # the other event loop of anyio: it runs, so it is installed

            self._task = trio.lowlevel.spawn_system_task(self._run)
        else:
            self._task = loop.create_task(self._run())

    async def _run(self) -> None:
        try:
            with self.scope:
                await self._work()
        finally:
            self._ended(self)
            self.done.set()


def _running_loop() -> object:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return _other_loop()


def _other_loop() -> object:
    from anyio.lowlevel import current_token

    try:
        return current_token()  # of another kind than asyncio's
    except RuntimeError:
        raise WrongLoop("no event loop runs in this thread") from None
