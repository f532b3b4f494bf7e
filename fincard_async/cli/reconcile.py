"""``fincard reconcile``: what bulk jobs did against what the server says, in both directions."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import fields
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import click

from fincard_async._generated.models.common import OperationType
from fincard_async.bulk import RowState
from fincard_async.bulk.kinds import operation_of
from fincard_async.errors import JournalError, JournalLocked
from fincard_async.reconcile import (
    Difference,
    Expected,
    Finding,
    Outcome,
    Reconciliation,
    reconcile as compare,
)

from .advice import DIFFERENT, FAILED
from .output import default_format, number_of, plain, print_rows, say
from .settings import Setup, pass_setup, run
from .values import Moment

_NOTHING: Final = frozenset({"planned", "refused", "failed", "withdrawn"})
"""States of a row of which the server may have nothing."""


@click.command(short_help="Compare journals with the purchases of a window.")
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
    type=click.Choice([kind.value for kind in OperationType], case_sensitive=False),
    metavar="KIND",
    help="Operation to compare; default: those that the journals are about. One of:"
    f" {', '.join(k.value for k in OperationType)}.",
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
    everything the server has could be read whole, and 7 if they differ.
    """
    expected = [row for journal in journals for row in read_journal(journal)]
    kinds = kinds or sorted({kind_of(journal) for journal in journals})
    found = run(_compare, setup, expected, since, until, kinds)
    if found.findings:
        run(_print, found, form or default_format())
    for line in _summary(found):
        say(line, err=True)
    if not found.clean:
        raise click.exceptions.Exit(DIFFERENT if found.findings else FAILED)


def read_journal(path: Path) -> Iterator[Expected]:
    """The orders of a journal, whatever job it belongs to; the file is not changed.

    Raises:
        JournalLocked: A run holds it.
        JournalError: It is no journal.
    """
    for row in _read(path, "SELECT order_no, state, amount, last_sent_at FROM rows"):
        yield _expected(*row)


def kind_of(path: Path) -> str:
    """What the server calls the operation of a journal.

    Raises:
        JournalLocked: A run holds it.
        JournalError: It is no journal.
    """
    for (name,) in _read(path, "SELECT value FROM header WHERE name = 'kind'"):
        return operation_of(name).kind or name
    return OperationType.CREATE.value  # a journal of format 1 does not say it: it makes cards


def _read(path: Path, query: str) -> Iterator[tuple[Any, ...]]:
    uri = f"{path.resolve().as_uri()}?mode=ro"
    try:
        with closing(sqlite3.connect(uri, uri=True, timeout=1.0)) as database:
            yield from database.execute(query)
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
        f"both sides agree on {number_of('order', found.matched)};"
        f" {number_of('operation', found.operations)} and {number_of('purchase', found.purchases)}"
        " in the window"
    )
    for difference in Difference:
        count = sum(finding.difference is difference for finding in found.findings)
        if count:
            yield f"{difference.value}: {count:,}"
    if found.undecided:
        yield f"too close to an end of the window to be missed there: {found.undecided:,}"
    if not found.complete:
        yield "parts of the window could not be read whole: what is missing may be there"
