"""An export killed with SIGKILL, again and again, ends with the file of an undisturbed one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest

from fincard_async.exports import FileReport, export_to_file

from .kit import Books

ROWS = 100
POINTS = ["sync 2", "sync 12", "sync 31", "before the name", "after the name"]
"""Where each run is killed: at its n-th fsync, or around giving the file its final name."""


async def export(path: Path) -> FileReport:
    """Export the same hundred orders, a few at a time, every piece made durable."""
    async with Books(ROWS).client() as client:
        query = client.transactions.operations(page_size=5)
        return await export_to_file(query, path, concurrency=3, commit_seconds=0.0)


def die() -> None:
    """The end of this process, without any clean-up."""
    os.kill(os.getpid(), signal.SIGKILL)


def run(path: Path, point: str) -> None:
    """Export in this process until it is killed."""
    what, _, count = point.partition(" ")
    left = int(count) if what == "sync" else 0
    fsync, replace = os.fsync, os.replace

    def counted(descriptor: int) -> None:
        nonlocal left
        fsync(descriptor)
        left -= 1
        if what == "sync" and left == 0:
            die()

    def named(source: Any, target: Any) -> None:
        final = str(target) == str(path)
        if final and what == "before":
            die()
        replace(source, target)
        if final and what == "after":
            die()

    for name, instead in (("fsync", counted), ("replace", named)):
        setattr(os, name, instead)
    anyio.run(export, path)


def child(path: Path, point: str) -> int:
    """The exit code of a process that exports."""
    code = (
        "import sys; from pathlib import Path; from tests.top.exports.test_kill import run;"
        "run(Path(sys.argv[1]), sys.argv[2])"
    )
    return subprocess.run(
        [sys.executable, "-c", code, str(path), point],
        cwd=Path(__file__).parents[3],
        check=False,
    ).returncode


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is POSIX")
def test_killed_and_resumed(tmp_path: Path) -> None:
    """No half file under the final name, no row twice and none lost, and the bytes are the same."""
    whole, broken = tmp_path / "whole.csv", tmp_path / "broken.csv"
    anyio.run(export, whole)
    for point in POINTS:
        assert child(broken, point) == -signal.SIGKILL
        if point != POINTS[-1]:
            assert not broken.exists()
    assert broken.read_bytes() == whole.read_bytes()
    report = anyio.run(export, broken)
    assert report.rows == report.resumed == ROWS
    assert broken.read_bytes() == whole.read_bytes()
    assert len(whole.read_text("utf-8").splitlines()) == ROWS + 1
    assert sorted(path.name for path in tmp_path.iterdir()) == [broken.name, whole.name]
