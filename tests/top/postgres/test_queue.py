"""The queue: chunks reach one worker or another, at least once, whatever dies."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import anyio
import pytest

from fincard_async.bulk.pgqueuer import ChunkName, Line, enqueue, work

from .kit import session
from .server import Server

pytest.importorskip("pgqueuer")
pytestmark = [pytest.mark.anyio, pytest.mark.slow]

LINE = Line("https://api.example", "acme")


async def test_what_waits_is_not_put_there_twice(url: str) -> None:
    """The same chunks again are left alone; those of another job or line are not the same."""
    assert await enqueue(url, LINE, "job", range(5)) == 5
    assert await enqueue(url, LINE, "job", range(6)) == 1
    assert await enqueue(url, LINE, "other", range(5)) == 5
    assert await enqueue(url, Line(LINE.server, "other"), "job", range(5)) == 5
    assert await enqueue(url, LINE, "job", ()) == 0


async def test_every_chunk_is_worked_at(url: str) -> None:
    """Two workers share a line, and what is not done comes back; other lines are not touched."""
    await enqueue(url, LINE, "job", range(8))
    await enqueue(url, Line("https://elsewhere", "acme"), "job", [99])
    seen: Counter[int] = Counter()

    async def handle(name: ChunkName) -> float | None:
        assert name.job == "job"
        seen[name.chunk] += 1
        if name.chunk == 3 and seen[3] == 1:
            return 0.1
        if name.chunk == 5 and seen[5] == 1:
            raise RuntimeError("a bug")
        return None

    stop = anyio.Event()
    async with anyio.create_task_group() as group:
        for _ in range(2):
            group.start_soon(lambda: work(url, LINE, handle, stop, heartbeat=0.4, until_empty=True))
    assert seen == {**dict.fromkeys(range(8), 1), 3: 2, 5: 2}


async def test_stopping_lets_what_is_under_way_end(url: str) -> None:
    """After ``stop`` nothing new is taken, and the chunk under way is given its time."""
    await enqueue(url, LINE, "job", range(20))
    stop, ended = anyio.Event(), list[int]()

    async def handle(name: ChunkName) -> float | None:
        stop.set()
        await anyio.wait_all_tasks_blocked()
        ended.append(name.chunk)
        return 0.0

    await work(url, LINE, handle, stop, heartbeat=2)
    assert 1 <= len(ended) <= 2
    async with session(url) as other:
        waiting = await other.fetchval("SELECT count(*) FROM fincard.queue WHERE status = 'queued'")
    assert waiting == 20


async def test_cancelled_at_work(url: str) -> None:
    """A program that ends, cancelling all its tasks, does not strike a chunk from the queue."""
    others = asyncio.all_tasks()
    await enqueue(url, LINE, "job", [0])
    at_work = anyio.Event()

    async def handle(name: ChunkName) -> float | None:
        at_work.set()
        await anyio.sleep_forever()
        return None

    task = asyncio.create_task(work(url, LINE, handle, anyio.Event(), heartbeat=2))
    await at_work.wait()
    for each in asyncio.all_tasks() - others:
        each.cancel()
    with anyio.fail_after(20), pytest.raises(asyncio.CancelledError):
        await task
    async with session(url) as other:
        assert await other.fetchval("SELECT count(*) FROM fincard.queue") == 1


_DIES = """
import os, signal, sys, anyio
from fincard_async.bulk.pgqueuer import Line, work

async def handle(name):
    print(name.chunk, flush=True)
    await anyio.sleep_forever()

anyio.run(lambda: work(sys.argv[1], Line("https://api.example", "acme"), handle, anyio.Event(),
                       heartbeat=float(sys.argv[2])))
"""


def die_at_work(url: str) -> set[str]:
    """A worker that takes two chunks and is killed; the numbers it has said."""
    dying = subprocess.Popen(
        [sys.executable, "-c", _DIES, url, "1.0"],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
    )
    with dying:
        assert dying.stdout is not None
        said = {dying.stdout.readline(), dying.stdout.readline()}
        dying.kill()
    return said


async def test_a_dead_worker_is_replaced(url: str) -> None:
    """Chunks of a worker that was killed go to another, a heartbeat later."""
    await enqueue(url, LINE, "job", range(2))
    assert die_at_work(url) == {"0\n", "1\n"}
    seen: list[int] = []
    stop = anyio.Event()

    async def handle(name: ChunkName) -> float | None:
        seen.append(name.chunk)
        if len(seen) == 2:
            stop.set()
        return None

    began = time.monotonic()
    with anyio.fail_after(20):
        await work(url, LINE, handle, stop, heartbeat=1.0)
    assert sorted(seen) == [0, 1]
    assert time.monotonic() - began < 10


async def test_a_database_that_restarts(
    server: Server, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A worker waits for a database that went away, and goes on."""
    caplog.set_level(logging.CRITICAL, "pgqueuer")
    await enqueue(url, LINE, "job", range(2))
    stop, restarted, seen = anyio.Event(), anyio.Event(), Counter[int]()

    async def handle(name: ChunkName) -> float | None:
        seen[name.chunk] += 1
        await restarted.wait()
        if len(seen) == 2 and min(seen.values()) >= 2:
            stop.set()
        return None

    with anyio.fail_after(40):
        async with anyio.create_task_group() as group:
            group.start_soon(lambda: work(url, LINE, handle, stop, heartbeat=1.0))
            while len(seen) < 2:
                await anyio.lowlevel.checkpoint()
            server.crash()
            server.start()
            restarted.set()
    assert set(seen) == {0, 1}
