"""``fincard bulk``: the same engine for the other operations on cards."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast, get_args

import click

from fincard_async._generated.commands import COMMANDS
from fincard_async.bulk.kinds import BulkKind
from fincard_async.bulk.operation_rows import columns_of

from .bulk_options import BulkOptions, bulk_options
from .bulk_run import work_through
from .settings import Setup, pass_setup


@click.group()
def bulk() -> None:
    """Deposit, freeze, cancel and more, for the cards of a file.

    FILE, options, exit codes and what happens after a crash are those of `fincard issue`. Rows
    about the same card are carried out in the order of the file.
    """


def _callback(kind: BulkKind) -> Callable[..., None]:
    @bulk_options
    @pass_setup
    def called(setup: Setup, /, file: Path, **options: Any) -> None:
        work_through(setup, kind, file, BulkOptions(**options))

    return called


def _help(kind: BulkKind) -> str:
    columns = columns_of(kind)
    summary = next(c.summary for c in COMMANDS if c.operation_name == f"cards.{kind}")
    optional = f"; optional: {', '.join(columns.optional)}" if columns.optional else ""
    return f"{summary}\n\nOne row for each. Columns: {', '.join(columns.required)}{optional}."


for _kind in cast("tuple[BulkKind, ...]", get_args(BulkKind)):
    if _kind != "open":
        bulk.command(_kind, help=_help(_kind))(_callback(_kind))
