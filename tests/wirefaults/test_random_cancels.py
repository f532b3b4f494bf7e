"""Ten thousand calls of one client cancelled at random moments: no answer goes to another call."""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import Callable
from random import Random

import anyio
import pytest

from fincard_async import FincardClient

from .driver import Connect, client_of
from .echo import amount_of, echoing

pytestmark = [pytest.mark.anyio, pytest.mark.faults]

CANCELS = 10_000
AT_ONCE = 50
MOST_TURNS = 14
"""A call takes about twelve turns of the loop; some end before their cancellation comes."""


class Callers:
    """Many callers of one client, each with cards of its own, some of them impatient."""

    def __init__(self, client: FincardClient, seed: int) -> None:
        self._client = client
        self._random = Random(seed)
        self._next = 0
        self.cancelled = 0
        self.answered = 0
        self.mixed_up: list[str] = []

    async def run(self) -> None:
        """Call and cancel until enough were cancelled."""
        while self.cancelled < CANCELS:
            self._next += 1
            task = asyncio.create_task(self._one(f"C{self._next}"))
            if self._random.random() < 0.9:
                self._cancel_in(self._random.randrange(1, MOST_TURNS), task)
            await asyncio.wait([task])
            if task.cancelled():
                self.cancelled += 1
            elif (error := task.exception()) is not None:
                self.mixed_up.append(repr(error))

    async def _one(self, card_no: str) -> None:
        balance = await self._client.cards.get_balance(card_no)
        self.answered += 1
        if (balance.card_no, str(balance.amount)) != (card_no, amount_of(card_no)):
            self.mixed_up.append(f"{card_no} got {balance}")

    def _cancel_in(self, turns: int, task: asyncio.Task[None]) -> None:
        if turns:
            asyncio.get_running_loop().call_soon(self._cancel_in, turns - 1, task)
        else:
            task.cancel()


def descriptors() -> int:
    """Open files and sockets of this process."""
    return len(os.listdir("/proc/self/fd"))


async def _until(true: Callable[[], bool]) -> None:
    with anyio.fail_after(10):
        while not true():
            gc.collect()
            await anyio.lowlevel.checkpoint()


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts descriptors in /proc")
async def test_no_answer_is_mixed_up_and_nothing_leaks(
    connect: Connect, record_property: Callable[[str, object], None]
) -> None:
    """Each answer is that of its own request; connections, descriptors and tasks are all gone."""
    seed = Random().randrange(1 << 32)
    turns = Random(seed)
    gc.collect()
    before, tasks = descriptors(), len(asyncio.all_tasks())
    async with echoing(lambda: turns.randrange(4)) as server:
        client = client_of(server, connect)
        callers = Callers(client, seed)
        async with anyio.create_task_group() as group:
            for _ in range(AT_ONCE):
                group.start_soon(callers.run)
        assert callers.mixed_up == [], f"seed {seed}"
        assert callers.answered > CANCELS / 100
        # Every place is free again: as many calls as there are places can run at once.
        async with anyio.create_task_group() as group:
            for number in range(200):
                group.start_soon(client.cards.get_balance, f"C{number + 1}")
        assert len(server.open) <= 200
        await client.aclose()
        await _until(lambda: not server.open)
    # A socket is closed a few turns of the loop after its transport; a leaked one is never.
    await _until(lambda: (descriptors(), len(asyncio.all_tasks())) == (before, tasks))
    facts = {"cases": callers.cancelled, "requests": server.answered}
    record_property("random cancels", facts)
