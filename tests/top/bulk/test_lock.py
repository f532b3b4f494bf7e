"""Who holds a journal: said by name, across processes and forks, and gone with its holder."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fincard_async.bulk import SqliteJournal
from fincard_async.bulk.lock import Lock, network_file_system, this_process
from fincard_async.bulk.store import Store
from fincard_async.errors import JournalError, JournalLocked

from .kit import HEADER, ListPlan, planned, rows_of

PLAN = planned(rows_of(3))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the journal would be."""
    return tmp_path / "cards.journal"


def test_the_holder_is_named(path: Path) -> None:
    """Whoever comes second learns which process holds the journal; the file is private."""
    lock = Lock(path)
    lock.acquire()
    owner = json.loads(lock.path.read_text())
    assert owner["pid"] == os.getpid()
    assert set(owner) == {"pid", "host", "boot_id"}
    assert lock.path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(JournalLocked, match=r"cards\.journal is held by another run of this proc"):
        Lock(path).acquire()
    lock.release()
    assert not lock.path.exists()
    Lock(path).acquire()


def test_a_holder_that_says_nothing(path: Path) -> None:
    """A lock file without a readable owner is still a lock."""
    lock = Lock(path)
    lock.acquire()
    lock.path.write_text("{")
    with pytest.raises(JournalLocked, match="is held by another run; wait"):
        Lock(path).acquire()
    lock.release()


def test_a_file_that_was_left_behind(path: Path) -> None:
    """A lock file whose holder is gone is no lock, whatever it says."""
    path.with_name("cards.journal.lock").write_text('{"pid": 1, "host": "gone"}')
    lock = Lock(path)
    lock.acquire()
    assert json.loads(lock.path.read_text())["pid"] == os.getpid()
    lock.release()


def test_a_file_that_was_removed_while_it_was_locked(path: Path) -> None:
    """Whoever locks a file that its holder has just removed begins anew, so that there are never
    two holders."""

    class Late(Lock):
        def _open(self) -> int:
            fd = super()._open()
            if first.path.exists() and not seen:
                seen.append(True)
                first.release()
            return fd

    seen: list[bool] = []
    first = Lock(path)
    first.acquire()
    late = Late(path)
    late.acquire()
    with pytest.raises(JournalLocked):
        Lock(path).acquire()
    late.release()


_HOLD = """
import sys
from pathlib import Path
from fincard_async.bulk.lock import Lock
Lock(Path(sys.argv[1])).acquire()
print("held", flush=True)
sys.stdin.readline()
"""


@contextmanager
def holder(path: Path) -> Generator[subprocess.Popen[str]]:
    """Another process that holds the journal."""
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.slow
def test_another_process_is_named_and_its_death_frees_the_journal(path: Path) -> None:
    """The message has pid and host of the holder; SIGKILL frees the journal at once."""
    with holder(path) as process:
        with pytest.raises(JournalLocked, match=rf"process {process.pid} on {this_process().host}"):
            Lock(path).acquire()
        process.send_signal(signal.SIGKILL)
        process.wait()
        lock = Lock(path)
        lock.acquire()
        lock.release()


def exit_code(child: int) -> int:
    """Wait for the end of a child."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.anyio
@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
async def test_a_child_holds_nothing(path: Path) -> None:
    """After a fork the journal is dead in the child, and the child does not keep the lock alive."""
    journal = SqliteJournal(path)
    await journal.open(HEADER, ListPlan(PLAN))
    go, done = os.pipe(), os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # threads and fork: that is the point
        child = os.fork()
    if child == 0:  # pragma: no cover - the parent measures
        code = 1
        try:
            journal.check()
        except JournalError as error:
            code = 0 if "not to its child" in str(error) else 2
        os.write(done[1], b"x")
        os.read(go[0], 1)
        os._exit(code)
    os.read(done[0], 1)
    await journal.close()
    again = SqliteJournal(path)
    await again.attach()
    await again.close()
    os.write(go[1], b"x")
    assert exit_code(child) == 0
    for end in (*go, *done):
        os.close(end)


MOUNTS = """\
21 1 254:0 / / rw - ext4 /dev/vda rw
30 21 0:50 / /mnt/share rw,relatime shared:1 - nfs4 server:/share rw
31 30 254:1 / /mnt/share/local rw - ext4 /dev/vdb rw
32 21 0:51 / /mnt/my\\040files rw - cifs //server/files rw
"""


@pytest.mark.parametrize(
    "folder, kind",
    [
        ("/home/me", None),
        ("/mnt/share", "nfs4"),
        ("/mnt/share/jobs", "nfs4"),
        ("/mnt/share/local/jobs", None),
        ("/mnt/my files/jobs", "cifs"),
        ("/mnt/shares", None),
    ],
)
def test_network_file_systems(tmp_path: Path, folder: str, kind: str | None) -> None:
    """The innermost mount decides."""
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTS)
    assert network_file_system(Path(folder), mounts) == kind


def test_where_nobody_tells(tmp_path: Path) -> None:
    """Without a list of mounts nothing is refused."""
    assert network_file_system(tmp_path, tmp_path / "missing") is None


def test_a_network_file_system_is_refused(tmp_path: Path, path: Path) -> None:
    """A journal on a network file system is refused before anything is made, unless forced."""
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"30 21 0:50 / {tmp_path} rw - nfs4 server:/share rw\n")
    with pytest.raises(JournalError, match=r"network file system \(nfs4\)"):
        Store(path, sqlite3.connect, mounts=mounts).open(make=True)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["mountinfo"]
    forced = Store(path, sqlite3.connect, mounts=mounts, any_file_system=True)
    assert forced.open(make=True) is None
    forced.close()
