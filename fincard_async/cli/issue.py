"""``fincard issue``: issue the cards of a file, and go on after any interruption."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .bulk_options import BulkOptions, bulk_options
from .bulk_run import work_through
from .settings import Setup, pass_setup


@click.command()
@bulk_options
@pass_setup
def issue(setup: Setup, /, file: Path, **options: Any) -> None:
    """Issue the cards of FILE, one row each.

    FILE is CSV with a header, NDJSON (.ndjson, .jsonl), a workbook (.xlsx) or Parquet (.parquet).
    Columns: row_id (unique), card_type_id, amount, and as the card type needs holder_id,
    account_id, card_number. All rows are checked before any money moves.

    Run the same command again after Ctrl-C, a crash or an outage: it goes on where it stopped, and
    no card is issued twice. The first Ctrl-C waits for the rows in flight, the second does not.
    """
    work_through(setup, "open", file, BulkOptions(**options))
