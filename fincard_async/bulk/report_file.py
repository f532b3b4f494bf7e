"""The results of a job as NDJSON: one line for each row, in the order in which they ended.

The file grows over all runs of the job. A line is written when its row ends in a run; a run that
was killed may have ended rows without a line, and the next run adds those before it ends
(``complete``). So after a run that came to its own end there is a line for every row that is final
or parked, and for no other. A row has a second line only if something became of it later, such as
a parked row that was decided, or if the machine lost power: the last line counts.

No line holds a card number, and ``card_no`` is only the id of a card.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from decimal import Decimal
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import IO, Final

import msgspec

from fincard_async.errors import ValidationError

from .duplicates import Marks
from .entry import RowState
from .lock import lock_file
from .report import RowResult

FLUSH_SECONDS: Final = 1.0

FIELDS: Final = (
    "row_id",
    "order_no",
    "state",
    "reason",
    "card_no",
    "currency",
    "amount",
    "fee",
    "received_amount",
    "received_currency",
    "code",
    "message",
    "attempts",
    "first_sent_at",
    "ended_at",
    "seconds",
)
"""Members of a line after ``job``, in this order; those without a value are left out."""


class _Head(msgspec.Struct):
    """What is read of a line when a file is gone on with."""

    job: str
    order_no: str
    state: str


def line_of(job: str, row: RowResult) -> bytes:
    """A line, without its end; amounts as text, exactly."""
    values = ((name, _plain(getattr(row, name, None))) for name in FIELDS)
    found = {name: value for name, value in values if value is not None}
    return msgspec.json.encode({"job": job, **found})


def _plain(value: object) -> object:
    if isinstance(value, Decimal):
        return format(value, "f")
    return value.value if isinstance(value, Enum) else value


class ReportFile:
    """Writes the file of one job; a context manager.

    Args:
        path: The file; it is made, readable by its owner only, if it does not exist.
        job: Name of the job.
        now: Seconds, to flush about once in one of them.

    Raises:
        ValidationError: The file is no report, or that of another job, or being written by another
            run. It is left as it was.
        OSError: It cannot be used.
    """

    def __init__(self, path: Path, job: str, *, now: Callable[[], float] = time.monotonic) -> None:
        self.path = path
        self._job = job
        self._now = now
        self._flushed = now()
        self._written = Marks()
        self._file: IO[bytes]

    def __enter__(self) -> ReportFile:
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        self._file = os.fdopen(descriptor, "r+b")
        try:
            self._lock()
            self._go_on()
        except BaseException:
            self._file.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.sync()
        finally:
            self._file.close()

    def _lock(self) -> None:
        """Keep others out: taking away the torn line of a run that goes on would ruin its file."""
        try:
            lock_file(self._file.fileno())
        except OSError:
            raise ValidationError(f"{self.path} is being written by another run") from None

    def _go_on(self) -> None:
        """Read what earlier runs wrote; a last line that was cut short is taken away."""
        start = msgspec.json.encode({"job": self._job})[:-1]
        whole = 0
        self._file.seek(0)
        for number, line in enumerate(self._file, start=1):
            if not line.endswith(b"\n") and (line.startswith(start) or start.startswith(line)):
                break
            whole += len(line)
            try:
                head = msgspec.json.decode(line, type=_Head)
            except (msgspec.MsgspecError, UnicodeDecodeError):
                raise ValidationError(f"{self.path}:{number}: no line of a report") from None
            if head.job != self._job:
                raise ValidationError(f"{self.path} is the report of another job: {head.job!r}")
            self._written.add(_key(head.order_no, head.state))
        self._file.truncate(whole)
        self._file.seek(0, os.SEEK_END)

    def write(self, row: RowResult) -> None:
        """Add the line of a row that has ended."""
        self._file.write(line_of(self._job, row) + b"\n")
        self._written.add(_key(row.order_no, row.state.value))
        if self._now() - self._flushed >= FLUSH_SECONDS:
            self._file.flush()
            self._flushed = self._now()

    def complete(self, rows: Iterable[RowResult]) -> None:
        """Add the rows that have ended and have no line."""
        for row in rows:
            ended = row.state.final or row.state is RowState.PARKED
            if ended and _key(row.order_no, row.state.value) not in self._written:
                self.write(row)

    def sync(self) -> None:
        """Return when the disk has every line so far."""
        self._file.flush()
        os.fsync(self._file.fileno())


def _key(order_no: str, state: str) -> str:
    return f"{order_no} {state}"
