"""Who may write a journal: one process on one machine, and one journal object in it.

A file beside the journal, ``NAME.lock``, is locked with ``flock`` from opening to closing, and says
in JSON who holds it; the kernel lets go of the lock when that process ends, however it ends.
``lockf`` would not do: any close of the file in the process drops it. The file is removed by its
holder; whoever locked a file that was removed meanwhile begins anew. After a fork the child holds
nothing. Where there is no ``flock`` (Windows), SQLite's own exclusive lock stands alone.
"""

from __future__ import annotations

import os
import socket
import sys
import weakref
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from fincard_async.errors import JournalError, JournalLocked

NETWORK: Final = frozenset(
    {"afs", "ceph", "cifs", "fuse.sshfs", "glusterfs", "lustre", "nfs", "nfs4", "smb3", "smbfs"}
)
"""File systems whose locks and syncs cannot be relied on."""
MOUNTS: Final = Path("/proc/self/mountinfo")
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


class Owner(msgspec.Struct, frozen=True, kw_only=True):
    """Who holds a journal."""

    pid: int
    host: str
    boot_id: str | None = None
    """Of the running machine; another one means that the holder is gone."""

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


def this_process() -> Owner:
    """The owner that this process would be."""
    boot_id = None
    with suppress(OSError):
        boot_id = _BOOT_ID.read_text("ascii").strip()
    return Owner(pid=os.getpid(), host=socket.gethostname(), boot_id=boot_id)


_held: weakref.WeakSet[Lock] = weakref.WeakSet()


class Lock:
    """The lock of one journal.

    Args:
        path: The journal.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.with_name(f"{path.name}.lock")
        self._journal = path
        self._fd: int | None = None

    def acquire(self) -> None:
        """Take the lock.

        Raises:
            JournalLocked: Somebody else holds it; the message says who.
            JournalError: The file cannot be made.
        """
        if sys.platform == "win32":
            return
        while self._fd is None:
            fd = self._open()
            try:
                lock_file(fd)
            except OSError:
                owner = _read_owner(fd)
                os.close(fd)
                raise self._locked(owner) from None
            if self._is_current(fd):
                self._fd = fd
            else:
                os.close(fd)
        _held.add(self)
        self._write_owner(self._fd)

    def release(self) -> None:
        """Let go, and remove the file."""
        if self._fd is not None:
            with suppress(OSError):
                self.path.unlink()
            self.drop()

    def drop(self) -> None:
        """Close the file only: in the child of a fork the parent goes on holding the lock."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
            _held.discard(self)

    def _open(self) -> int:
        try:
            return os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            what = f"{self.path.name} cannot be made: {error.strerror}"
            raise JournalError(f"the journal {self._journal}: {what}") from None

    def _is_current(self, fd: int) -> bool:
        """True if the locked file is still the one of that name."""
        try:
            return os.path.samestat(os.fstat(fd), os.stat(self.path))
        except FileNotFoundError:
            return False

    def _write_owner(self, fd: int) -> None:
        with suppress(OSError):  # a full disk does not make the lock weaker, only nameless
            os.ftruncate(fd, 0)
            os.pwrite(fd, msgspec.json.encode(this_process()), 0)

    def _locked(self, owner: Owner | None) -> JournalLocked:
        who = "another run" if owner is None else str(owner)
        if owner is not None and owner == this_process():
            who = "another run of this process"
        return JournalLocked(f"the journal {self._journal} is held by {who}; wait for its end")


def lock_file(fd: int) -> None:
    """Lock an open file, or raise OSError at once."""
    if sys.platform != "win32":
        import fcntl

        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _read_owner(fd: int) -> Owner | None:
    try:
        return msgspec.json.decode(os.pread(fd, 1000, 0), type=Owner)
    except (OSError, msgspec.MsgspecError):
        return None  # the holder is just writing it


def _drop_all() -> None:
    for lock in list(_held):
        lock.drop()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_drop_all)


def network_file_system(folder: Path, mounts: Path) -> str | None:
    """The type of the network file system that a folder is on, or None; Linux only."""
    try:
        lines = mounts.read_text("utf-8", "replace").splitlines()
        folder = folder.resolve()
    except OSError:
        return None
    best: tuple[int, str] = (-1, "")
    for line in lines:
        before, _, after = line.partition(" - ")
        point = Path(before.split(" ")[4].replace("\\040", " "))
        if folder.is_relative_to(point):
            best = max(best, (len(point.parts), after.split(" ")[0]))
    return best[1] if best[1] in NETWORK else None
