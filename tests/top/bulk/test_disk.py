"""Disks that are full or read-only, in earnest: the run halts before the next send, says what to
do, and loses nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import anyio
import msgspec
import pytest

from fincard_async.bulk import SqliteJournal
from fincard_async.errors import JournalError

from .kit import HEADER, World, plan_of, rows_of, world_in

ROWS = rows_of(1500)
"""So many that their results need many times the room that the disk has left."""

_LIMITED = """
import resource, signal, sys
from pathlib import Path
import anyio, msgspec
from tests.top.bulk.test_disk import limited

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
whole = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), whole[1]))
ending = anyio.run(limited, Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, whole)  # what is measured of this process is written, too
print(msgspec.json.encode(ending).decode())
"""


class Ending(msgspec.Struct):
    """How a run ended whose files could not grow."""

    sent: list[str]
    """Order numbers that were handed over."""
    cards: int
    error: str


async def limited(folder: Path) -> Ending:
    """Run the job in this process, whose files may not grow beyond a limit."""
    async with world_in(folder) as world:
        error = ""
        try:
            await world.run(ROWS, concurrency=4)
        except JournalError as found:
            error = found.message
        return Ending(world.wire.orders, world.ledger.cards, error)


def run_limited(folder: Path, most: int) -> Ending:
    """How the job ends in a process whose files may not be larger than ``most`` bytes."""
    done = subprocess.run(
        [sys.executable, "-c", _LIMITED, str(folder), str(most)],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return msgspec.json.decode(done.stdout, type=Ending)


needs_limits = pytest.mark.skipif(sys.platform == "win32", reason="there is no RLIMIT_FSIZE")


@pytest.mark.slow
@needs_limits
def test_a_disk_that_is_full_from_the_start(tmp_path: Path) -> None:
    """Where the plan does not fit, nothing is sent and no half of a journal is left."""
    ending = run_limited(tmp_path, 16 * 1024)
    assert (ending.sent, ending.cards) == ([], 0)
    assert f"the journal {tmp_path / 'cards.journal'}: " in ending.error
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@needs_limits
def test_a_disk_that_fills_up(tmp_path: Path) -> None:
    """Where results no longer fit, nothing more is sent, and every row that was sent stands in the
    journal as an intent at least: the next run looks it up."""

    async def plan() -> None:
        journal = SqliteJournal(tmp_path / "plan.journal")
        await journal.open(HEADER, plan_of(ROWS))
        await journal.close()

    async def sends() -> dict[str, int]:
        journal = SqliteJournal(tmp_path / "cards.journal")
        await journal.attach()
        entries = await journal.read((), after=-1, limit=len(ROWS))
        await journal.close()
        return {entry.order_no: entry.sends for entry in entries}

    anyio.run(plan)
    ending = run_limited(tmp_path, (tmp_path / "plan.journal").stat().st_size + 8192)
    assert "make room" in ending.error
    assert 0 < len(ending.sent) < len(ROWS)
    assert ending.cards == len(ending.sent)
    known = anyio.run(sends)
    assert len(known) == len(ROWS)
    assert {known[number] for number in ending.sent} == {1}


@pytest.mark.anyio
async def test_a_folder_that_cannot_be_written(world: World) -> None:
    """A journal in a read-only folder is refused before anything is sent, with the reason."""
    folder = world.path.parent
    os.chmod(folder, 0o500)
    try:
        if os.access(folder, os.W_OK):
            pytest.skip("nothing is read-only for this user")
        with pytest.raises(JournalError, match="cannot be made: Permission denied"):
            await world.run(ROWS)
    finally:
        os.chmod(folder, 0o700)
    assert world.wire.orders == []
