"""``fincard reconcile``: what bulk jobs did against what the server says, in both directions."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import fields
from decimal import Decimal
from pathlib import Path
from typing import Final

import click

from fincard_async._generated.models.common import OperationType
from fincard_async.bulk import RowState
from fincard_async.errors import JournalError, JournalLocked
from fincard_async.reconcile import (
    Difference,
    Expected,
    Finding,
    Outcome,
    Reconciliation,
    reconcile as compare,
)

from .advice import FAILED
from .output import default_format, plain, print_rows, say
from .settings import Setup, pass_setup, run
from .values import Moment

_NOTHING: Final = frozenset({"planned", "refused", "failed", "withdrawn"})
"""States of a row of which the server may have nothing."""


@click.command()
@click.option(
    "--journal",
    "journals",
    multiple=True,
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Journal of a bulk job; give all jobs of the window, each with --journal.",
)
@click.option("--since", type=Moment(), required=True, help="First moment of the window.")
@click.option("--until", type=Moment(), required=True, help="First moment after the window.")
@click.option(
    "--kind",
    "kinds",
    multiple=True,
    default=[OperationType.CREATE.value],
    show_default=True,
    type=click.Choice([kind.value for kind in OperationType], case_sensitive=False),
    metavar="KIND",
    help=f"Operation that the journals keep. One of: {', '.join(k.value for k in OperationType)}.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "ndjson", "csv"]),
    help="Default: table on a terminal, ndjson elsewhere.",
)
@pass_setup
def reconcile(
    setup: Setup,
    journals: Sequence[Path],
    since: int,
    until: int,
    kinds: Sequence[str],
    form: str | None,
) -> None:
    """Compare the journals of bulk jobs with the purchases and operations of a window.

    Both directions: orders that the journals have and the server does not, and orders that the
    server has and no journal knows. Nothing is changed. The exit code is 0 only if both agree and
    everything the server has could be read whole.
    """
    expected = [row for journal in journals for row in read_journal(journal)]
    found = run(_compare, setup, expected, since, until, kinds)
    if found.findings:
        run(_print, found, form or default_format())
    for line in _summary(found):
        say(line, err=True)
    if not found.clean:
        raise click.exceptions.Exit(FAILED)


def read_journal(path: Path) -> Iterator[Expected]:
    """The orders of a journal, whatever job it belongs to; the file is not changed.

    Raises:
        JournalLocked: A run holds it.
        JournalError: It is no journal.
    """
    uri = f"{path.resolve().as_uri()}?mode=ro"
    try:
        with closing(sqlite3.connect(uri, uri=True, timeout=1.0)) as database:
            for row in database.execute("SELECT order_no, state, amount, last_sent_at FROM rows"):
                yield _expected(*row)
    except sqlite3.Error as error:
        code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise JournalLocked(f"the journal {path} is held by a run; wait for its end") from None
        raise JournalError(f"{path} is not a journal") from None


def _expected(order_no: str, state: str, amount: str | None, sent_at: int | None) -> Expected:
    outcome = Outcome.NOTHING if state in _NOTHING else Outcome.OPEN
    if state == RowState.ISSUED.value:
        outcome = Outcome.DONE
    value = None if amount is None else Decimal(amount)
    return Expected(order_no=order_no, outcome=outcome, amount=value, moment=sent_at)


async def _compare(
    setup: Setup, expected: Sequence[Expected], since: int, until: int, kinds: Sequence[str]
) -> Reconciliation:
    async with setup.client() as client:
        return await compare(client, expected, since=since, until=until, kinds=kinds)


async def _print(found: Reconciliation, form: str) -> None:
    names = [field.name for field in fields(Finding)]

    async def rows() -> AsyncIterator[Mapping[str, object]]:
        for finding in found.findings:
            yield {name: plain(getattr(finding, name)) for name in names}

    await print_rows(rows(), names, form)


def _summary(found: Reconciliation) -> Iterator[str]:
    yield (
        f"{found.matched} orders agree; {found.operations} operations and {found.purchases} "
        "purchases in the window"
    )
    for difference in Difference:
        count = sum(finding.difference is difference for finding in found.findings)
        if count:
            yield f"{count} {difference.value}"
    if found.undecided:
        yield f"{found.undecided} too close to an end of the window to be missed there"
    if not found.complete:
        yield "parts of the window could not be read whole: what is missing may be there"
