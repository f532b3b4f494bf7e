"""``--since``, ``--until`` and ``--output``: all rows of a query, on the screen or in a file."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import click

from fincard_async import FincardClient
from fincard_async._sansio.commands import Command
from fincard_async.exports import FORMATS, FileReport, export_to_file

from .advice import INTERRUPTED
from .calls import Window, call
from .job import say_resume
from .output import number_of, say
from .progress import Meter, meter
from .settings import Setup, run
from .values import Moment

FILE_FORMATS: Final = tuple(FORMATS)


def output_option() -> click.Option:
    """What a query takes to be written to a file."""
    return click.Option(
        ["--output", "_output"],
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="FILE",
        help="Write all rows to a file; run the same command again to go on after a stop.",
    )


def window_options() -> list[click.Option]:
    """What a query with a time filter takes to be read whole."""
    moment = "Milliseconds, or a date or time such as 2026-11-01 or 2026-11-01T09:30:00+01:00."
    whole = "all rows of the window are read, each once, oldest first."
    return [
        click.Option(
            ["--since", "_since"],
            type=Moment(),
            help=f"First moment of a window; {whole} {moment}",
        ),
        click.Option(
            ["--until", "_until"],
            type=Moment(),
            help=f"First moment that does not belong to the window; {whole} {moment}",
        ),
    ]


def save_rows(
    setup: Setup,
    command: Command,
    arguments: Mapping[str, object],
    target: Path,
    form: str | None,
    window: Window,
) -> None:
    """Write a query to a file, and say what was written, or how to go on."""
    form = form or target.suffix.removeprefix(".").lower()
    if form not in FORMATS:
        raise click.UsageError(f"a file can be {', '.join(FORMATS)}: give --format")
    try:
        report = run(_save, setup.client(), command, arguments, target, form, window)
    except KeyboardInterrupt:
        say_resume(setup, INTERRUPTED)
        raise click.exceptions.Exit(INTERRUPTED) from None
    resumed = f", {report.resumed} of them by an earlier run" if report.resumed else ""
    say(f"{number_of('row', report.rows)} in {report.path}{resumed}", err=True)
    if report.best_effort:
        say(
            f"{number_of('slice', report.best_effort)} may not be whole: more rows of one"
            " millisecond than a page holds, or counts that did not agree",
            err=True,
        )


async def _save(
    client: FincardClient,
    command: Command,
    arguments: Mapping[str, object],
    target: Path,
    form: str,
    window: Window,
) -> FileReport:
    async with client:
        with warnings.catch_warnings():
            # click has said so already.
            warnings.simplefilter("ignore", DeprecationWarning)
            query = call(client, command, arguments)
        progress = _Progress(command.name)
        try:
            return await export_to_file(
                query,
                target,
                form=form,
                since=window.since,
                until=window.until,
                progress=progress.show,
            )
        finally:
            progress.close()


class _Progress:
    """A meter that begins when the number of rows is known."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._meter: Meter | None = None

    def show(self, rows: int, total: int) -> None:
        """So many rows of so many."""
        if self._meter is None:
            self._meter = meter(self._title, total).__enter__()
        self._meter.update(rows)

    def close(self) -> None:
        """Take the bar away."""
        if self._meter is not None:
            self._meter.__exit__(None, None, None)
