"""From a query to a file: read the window whole into a spool, then write the file in one go."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar, cast

from anyio import to_thread

from fincard_async._generated.operations import load
from fincard_async._sansio.paging import Export, Moment, Paginator, Piece, milliseconds
from fincard_async.errors import ConfigError, ExportError, ValidationError

from .columns import Column, columns_of, row_of
from .formats import FORMATS, Open
from .spool import Spool, Window, move_durably

T = TypeVar("T")

COMMIT_SECONDS: Final = 1.0
"""How much reading a crash may cost."""
_BATCH: Final = 2_000


@dataclass(frozen=True, slots=True)
class FileReport:
    """What was written."""

    path: Path
    rows: int
    best_effort: int
    """Pieces of which nobody can say that they are whole; see ``Piece``."""
    resumed: int
    """Rows that an earlier, interrupted run had read."""


async def export_to_file(
    query: Paginator[T],
    path: str | os.PathLike[str],
    *,
    form: str | None = None,
    since: Moment | None = None,
    until: Moment | None = None,
    concurrency: int = 8,
    progress: Callable[[int, int], None] | None = None,
    commit_seconds: float = COMMIT_SECONDS,
) -> FileReport:
    """Write every row of a window to a file, oldest first; see ``Paginator.export``.

    The file appears under its name only when it is complete and on disk. Called again with the same
    arguments after any interruption, it goes on where it stopped. Columns come from the schema:
    amounts are exact, moments are milliseconds and ISO 8601, sealed values are left out.

    Args:
        query: Such as ``client.transactions.operations()``.
        path: The file; one that is there is replaced in one step.
        form: A key of ``FORMATS``; None takes it from the end of the file's name.
        since, until, concurrency: As of ``Paginator.export``.
        progress: Called with the rows so far and the rows that the server counts.
        commit_seconds: How much reading a crash may cost.

    Raises:
        ExportError: Another run writes the same file, or its part file belongs to another export.
        MissingExtraError: The format needs an extra that is not installed; nothing was sent.
        FincardError: As ``export``; what was read is kept for the next call.
    """
    target = Path(path)
    form = form or target.suffix.removeprefix(".").lower()
    if form not in FORMATS:
        raise ConfigError(f"a file can be {', '.join(FORMATS)}")
    begin_file = FORMATS[form]()  # a missing extra shows now, not after hours
    columns = columns_of(load(query.export().query))
    window = Window(milliseconds(since, "since"), milliseconds(until, "until"))
    spool = Spool(target, window)
    try:
        resumed, before = spool.rows, 0 if spool.state is None else spool.state.best_effort
        export = _begin(query, spool, window, concurrency)
        await _read(export, spool, columns, before, progress, commit_seconds)
        await to_thread.run_sync(_write, spool, begin_file, columns)
        return FileReport(target, spool.rows, before + export.report.best_effort, resumed)
    finally:
        spool.close()


def _begin(query: Paginator[T], spool: Spool, window: Window, concurrency: int) -> Export[T]:
    if spool.state is None:
        return query.export(since=window.since, until=window.until, concurrency=concurrency)
    try:
        return query.export(checkpoint=spool.state.checkpoint, concurrency=concurrency)
    except ValidationError:
        raise ExportError(f"{spool.path} belongs to another export") from None


async def _read(
    export: Export[T],
    spool: Spool,
    columns: tuple[Column, ...],
    best_effort: int,
    progress: Callable[[int, int], None] | None,
    commit_seconds: float,
) -> None:
    """Read the rest of the export into the spool; what was read stays there whatever happens."""
    total = 0 if progress is None else await export.total()
    due = time.monotonic() + commit_seconds
    last: str | None = None

    def commit(checkpoint: str) -> None:
        spool.commit(checkpoint, best_effort + export.report.best_effort)

    try:
        async with aclosing(cast("Any", export.pieces())) as pieces:
            piece: Piece[T]
            async for piece in pieces:
                spool.write(row_of(record, columns) for record in piece.records)
                last = piece.checkpoint
                if progress is not None:
                    progress(spool.rows, max(total, spool.rows))
                if time.monotonic() >= due:
                    await to_thread.run_sync(commit, last)
                    due = time.monotonic() + commit_seconds
    except BaseException:
        # Also for a cancel, where awaiting is no longer possible: one write that is soon done.
        if last is not None:
            commit(last)
        raise
    commit(export.checkpoint)


def _write(spool: Spool, begin_file: Open, columns: tuple[Column, ...]) -> None:
    """Write the whole file beside its place, make it durable, and give it its name."""
    made = spool.target.with_name(f"{spool.target.name}.new")
    writer = begin_file(made, columns)
    try:
        for rows in spool.read(_BATCH):
            writer.write(rows)
    finally:
        writer.close()
    with made.open("rb+") as file:
        os.fsync(file.fileno())
    move_durably(made, spool.target)
    spool.remove()
