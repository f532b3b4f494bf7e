"""Processes killed with SIGKILL in the middle of a job; the sandbox keeps its books in a file."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from .kit import WatchedConnection, rows_of, total, world_in

ROWS = rows_of(40)
POINTS = ["before commit", "after commit", "before order", "after order", "before look-up"]


def kill_at(count: int) -> Callable[[], None]:
    """A function that kills this process at its ``count``-th call."""
    calls = iter(range(1, count + 1))

    def call() -> None:
        if next(calls) == count:
            os.kill(os.getpid(), signal.SIGKILL)

    return call


class Deadly(WatchedConnection):
    """A connection that kills the process around a commit."""

    before: Callable[[], None]
    after: Callable[[], None]

    def execute(self, sql: str, *args: Any) -> sqlite3.Cursor:
        if sql == "COMMIT":
            self.before()
        cursor = super().execute(sql, *args)
        if sql == "COMMIT":
            self.after()
        return cursor


def nothing() -> None:
    """Nobody is killed here."""


async def run(folder: Path, point: str, count: int) -> None:
    """Run the job in this process until it is killed, or to its end."""
    fatal = dict.fromkeys(POINTS, nothing) | {point: kill_at(count)}

    def connect(*args: Any, **settings: Any) -> sqlite3.Connection:
        db = sqlite3.connect(*args, factory=Deadly, **settings)
        db.before, db.after = fatal["before commit"], fatal["after commit"]
        return db

    async with world_in(folder, state=folder / "sandbox.state") as world:
        wire = world.wire
        wire.before_order = lambda _: fatal["before order"]()
        wire.after_order = fatal["after order"]
        wire.before_look_up = fatal["before look-up"]
        wire.fate = lambda number, attempt: "lost after" if number < "H" else "answer"
        report = await world.run(ROWS, connect=connect, concurrency=4)
        assert report.ok
        assert report.received == {"USD": total(ROWS)}
        world.assert_exact(ROWS)
        assert len(await world.orders()) == len(ROWS)


def child(folder: Path, point: str, count: int) -> int:
    """The exit code of a process that runs the job."""
    code = (
        "import sys, anyio; from pathlib import Path; from tests.top.bulk.test_kill import run;"
        "anyio.run(run, Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))"
    )
    return subprocess.run(
        [sys.executable, "-c", code, str(folder), point, str(count)],
        cwd=Path(__file__).parents[3],
        check=False,
    ).returncode


@pytest.mark.slow
@pytest.mark.parametrize("point", POINTS)
def test_killed(tmp_path: Path, point: str) -> None:
    """Killed at three moments of one job, the fourth run ends it with one card for each row."""
    kills = [child(tmp_path, point, count) for count in (1, 4, 6)]
    assert kills == [-signal.SIGKILL] * 3
    anyio.run(run, tmp_path, "never", 1)
