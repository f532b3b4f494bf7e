"""Rows on disk until the file is complete, and how far they are whole.

Beside ``FILE`` there are ``FILE.part``, the rows as NDJSON, and ``FILE.part.state``: how many bytes
of it are whole, and the checkpoint of the export behind them. Rows are made durable first and the
state after them, so the state never promises what is not there; what stands behind it in the part
file, after a crash, is cut off and read again. The part file is locked while a run uses it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from fincard_async.errors import ExportError

from .columns import Row

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows has no flock
    fcntl = None  # type: ignore[assignment]  # the module, or None

_VERSION: Final = 1


class Window(msgspec.Struct, frozen=True):
    """What a run asked for; another run must ask for the same to go on."""

    since: int | None
    until: int | None


class SpoolState(msgspec.Struct, frozen=True, kw_only=True):
    """How far the part file is whole."""

    version: int
    window: Window
    rows: int
    size: int
    """Bytes."""
    best_effort: int
    checkpoint: str


class Spool:
    """The part file of one export.

    Args:
        target: The final file.
        window: What is asked for.

    Raises:
        ExportError: Another run uses it, or it belongs to another export.
        OSError: It cannot be read or written.
    """

    def __init__(self, target: Path, window: Window) -> None:
        self.target = target
        self.path = target.with_name(f"{target.name}.part")
        self._state_path = target.with_name(f"{target.name}.part.state")
        self._window = window
        self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            self._lock()
            self.state = self._read_state()
            os.ftruncate(self._fd, self.size)
            os.lseek(self._fd, 0, os.SEEK_END)
        except BaseException:
            os.close(self._fd)
            raise
        self._written = self.size
        self.rows = 0 if self.state is None else self.state.rows
        """Rows written, durable or not."""

    @property
    def size(self) -> int:
        """Bytes that are whole."""
        return 0 if self.state is None else self.state.size

    def write(self, rows: Iterable[Row]) -> None:
        """Add rows."""
        lines = [msgspec.json.encode(row) for row in rows]
        data = b"\n".join([*lines, b""])
        left = data
        while left:
            left = left[os.write(self._fd, left) :]
        # Only now: a disk that is full must not count as rows that are there.
        self._written += len(data)
        self.rows += len(lines)

    def commit(self, checkpoint: str, best_effort: int) -> None:
        """Make all rows so far durable, and then say so."""
        os.fsync(self._fd)
        self.state = SpoolState(
            version=_VERSION,
            window=self._window,
            rows=self.rows,
            size=self._written,
            best_effort=best_effort,
            checkpoint=checkpoint,
        )
        replace_durably(self._state_path, msgspec.json.encode(self.state))

    def read(self, count: int) -> Iterator[Sequence[Row]]:
        """All rows, in batches of ``count``."""
        decode = msgspec.json.Decoder(dict[str, str | int | bool | None]).decode
        batch: list[Row] = []
        with self.path.open("rb") as file:
            for line in file:
                batch.append(decode(line))
                if len(batch) == count:
                    yield batch
                    batch = []
        if batch:
            yield batch

    def remove(self) -> None:
        """The final file is there: nothing of this is needed any more."""
        self._state_path.unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of the part file."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _lock(self) -> None:
        if fcntl is None:  # pragma: no cover - see the import
            return
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ExportError(f"another run is writing {self.path}") from None

    def _read_state(self) -> SpoolState | None:
        """How far an earlier run came; None if there was none."""
        try:
            state = msgspec.json.decode(self._state_path.read_bytes(), type=SpoolState)
        except FileNotFoundError:
            return None
        except msgspec.MsgspecError:
            raise ExportError(f"{self._state_path} cannot be read") from None
        if state.version != _VERSION or state.window != self._window:
            raise ExportError(f"{self.path} belongs to another export")
        if os.fstat(self._fd).st_size < state.size:
            raise ExportError(f"{self.path} is shorter than it was")
        return state


def replace_durably(path: Path, content: bytes) -> None:
    """Write beside and then move, so that the file is the old one or the new one."""
    made = path.with_name(f"{path.name}.new")
    fd = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(fd)
    move_durably(made, path)


def move_durably(source: Path, target: Path) -> None:
    """Give a file its final name, and make the name durable."""
    source.replace(target)
    if os.name == "posix":
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
