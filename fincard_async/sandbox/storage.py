"""The event log of a sandbox with ``state``: what was accepted, one JSON line each.

The law of this module: a line is handed to the operating system before the answer is given, so a
process killed at any moment loses nothing that it answered. (A machine that loses power may; this
is a sandbox, and a sync per call would make it slow.) A last line that was cut short was never
answered, and is removed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Final

import msgspec

from fincard_async._sansio.codec import encode
from fincard_async.errors import ConfigError

from .settings import Dedupe

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows has no advisory locks of this kind
    fcntl = None  # type: ignore[assignment]  # checked before use

_VERSION: Final = 1


class StorageFailed(Exception):
    """The state file cannot be written, so nothing more can be accepted."""


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """The first line: what the state began with. It wins over the settings of a later start."""

    fincard_sandbox: int = _VERSION
    seed: int
    funds: Decimal
    shared_funds: Decimal
    latency_ms: int | None
    dedupe: Dedupe = "error"
    forget_after_ms: int | None = None


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One accepted call: of an operation, or of a control."""

    at: int
    """Sandbox time in epoch milliseconds."""
    call: str | None = None
    """Name of the operation."""
    control: str | None = None
    """Name of the control call."""
    body: msgspec.Raw = msgspec.Raw(b"{}")


class EventLog:
    """A file that only grows; one process at a time.

    Args:
        path: The file; it is made, readable by its owner only, if it does not exist.
        origin: First line of a new file.

    Raises:
        ConfigError: The file belongs to another program or version, or is in use.
    """

    def __init__(self, path: Path, origin: Origin) -> None:
        self._path = path
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            self._lock()
            self._lines = self._whole_lines()
            if not self._lines:
                self._write(encode(origin, money_as="string"))
            self.origin = self._read_origin() if self._lines else origin
        except BaseException:
            os.close(self._fd)
            raise

    def events(self) -> Iterator[tuple[int, Event]]:
        """What earlier processes accepted, with line numbers; can be read once."""
        lines, self._lines = self._lines[1:], []
        for number, line in enumerate(lines, start=2):
            try:
                yield number, msgspec.json.decode(line, type=Event)
            except msgspec.MsgspecError:
                raise self.damage(number) from None

    def damage(self, number: int) -> ConfigError:
        """An error that names a line which cannot be used."""
        return ConfigError(f"{self._path}: line {number} does not fit this sandbox")

    def append(
        self, *, at: int, body: object, call: str | None = None, control: str | None = None
    ) -> None:
        """Add one event; returns when the operating system has it.

        Raises:
            StorageFailed: It has not; nothing more is taken, for a gap could not be replayed.
        """
        raw = msgspec.Raw(encode(body, money_as="string"))
        line = msgspec.json.encode(Event(at=at, call=call, control=control, body=raw))
        try:
            self._write(line)
        except OSError as error:
            self.close()
            raise StorageFailed(error.strerror) from None

    def close(self) -> None:
        """Let go of the file."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _write(self, line: bytes) -> None:
        data = line + b"\n"
        while data:
            data = data[os.write(self._fd, data) :]

    def _lock(self) -> None:
        if fcntl is None:  # pragma: no cover - see the import
            return
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ConfigError(f"{self._path} is in use by another sandbox") from None

    def _whole_lines(self) -> list[bytes]:
        """Every line that was written to its end; the rest is cut off."""
        content = self._path.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            os.ftruncate(self._fd, whole)
        return content[:whole].splitlines()

    def _read_origin(self) -> Origin:
        try:
            origin = msgspec.json.decode(self._lines[0], type=Origin)
        except msgspec.MsgspecError:
            raise ConfigError(f"{self._path} is not the state of a sandbox") from None
        if origin.fincard_sandbox != _VERSION:
            raise ConfigError(f"{self._path} was written by another version of the sandbox")
        return origin
