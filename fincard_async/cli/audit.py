"""``fincard audit``: compare journals with the server's ledger, both ways."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import click

from fincard_async.bulk import Audit, Found, SqliteJournal
from fincard_async.bulk.audit import audit as compare
from fincard_async.bulk.books import Booked

from .advice import DIFFERENT, NOT_FINAL, OK
from .output import json_line, number_of, plain, present, say
from .settings import Setup, pass_setup, run


@click.command(short_help="Compare the journal of a job with the server's ledger.")
@click.option(
    "--journal",
    "journals",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    multiple=True,
    required=True,
    metavar="FILE",
    help="Journal of a job; several, if their jobs ran at the same time.",
)
@click.option(
    "--ignore-others", is_flag=True, help="Orders of other jobs on the ledger are no difference."
)
@pass_setup
def audit(setup: Setup, journals: tuple[Path, ...], ignore_others: bool) -> None:
    """Compare the journal of a job with the server's ledger, both ways.

    Reads the ledger over the time of the job and prints every difference as NDJSON: an order that
    one side lacks, that is there twice, or whose amount, card or outcome is another. Changes
    nothing, and exits with 0 only if journal and ledger agree and every row is final.
    """
    found = run(_audit, setup, journals, ignore_others=ignore_others)
    _summarize(found)
    code = DIFFERENT if found.differences else NOT_FINAL if found.unsettled else OK
    raise click.exceptions.Exit(code)


async def _audit(setup: Setup, journals: tuple[Path, ...], *, ignore_others: bool) -> Audit:
    async with setup.client() as client:
        return await compare(
            client,
            *map(SqliteJournal, journals),
            on_difference=lambda found: click.echo(json_line(_line(found))),
            ignore_others=ignore_others,
        )


def _line(found: Found) -> dict[str, object]:
    journal = {"state": found.state, "amount": found.amount, "card_no": found.card_no}
    return present(
        {
            "difference": found.difference.value,
            "job": found.job,
            "row_id": found.row_id,
            "order_no": found.order_no,
            "journal": _filled(journal) or None,
            "ledger": [_booked(row) for row in found.booked],
        }
    )


def _booked(row: Booked) -> dict[str, object]:
    return _filled(
        {
            "query": row.query,
            "order_no": row.platform,
            "type": row.kind,
            "status": row.status,
            "amount": row.amount,
            "currency": row.currency,
            "card_no": row.card_no,
            "transaction_time": row.at,
        }
    )


def _filled(values: Mapping[str, object]) -> dict[str, object]:
    return {name: plain(value) for name, value in values.items() if value is not None}


def _summarize(found: Audit) -> None:
    window = "no row was ever sent"
    if found.start is not None and found.end is not None:
        window = f"{_moment(found.start)} to {_moment(found.end)}"
    say(f"{', '.join(found.jobs)}: {number_of('row', found.rows)}; ledger of {window}", err=True)
    for currency, sums in sorted(found.sums.items()):
        same = "the same" if sums.journal == sums.ledger else "DIFFERENT"
        say(
            f"{currency}: journal {sums.journal:,f}, ledger {sums.ledger:,f}, {same};"
            f" others {sums.others:,f}",
            err=True,
        )
    say(f"{number_of('order', found.orders)} of these rows, {found.others:,} of others", err=True)
    if found.unsettled:
        say(f"not final: {number_of('row', found.unsettled)}; run the job again", err=True)
    for difference, count in found.differences.items():
        say(f"{difference.value}: {count:,}", err=True)
    if found.agrees:
        say("journal and ledger agree", err=True)


def _moment(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
