"""``fincard balances``: the balances of many cards."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Final, TypeAlias

import anyio
import click

from fincard_async import FincardClient
from fincard_async._generated.models.cards import CardBalance
from fincard_async.errors import ApiError, FincardError, UsageError

from .advice import FAILED, login_refused
from .cards_file import read_card_nos
from .output import Row, default_format, json_line, number_of, present, print_table, record, say
from .progress import Meter, Quiet, meter
from .settings import Setup, pass_setup, run
from .watching import Shard, WatchSettings, part_of, say_how_it_went, watch_cards

Balance: TypeAlias = CardBalance | tuple[str, FincardError]
"""A balance, or the id of a card and what went wrong with it."""

COLUMNS: Final = ("card_no", "amount", "used_amount", "currency")


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="NDJSON also on a terminal.")
@click.option(
    "--concurrency",
    type=click.IntRange(1, 10_000),
    default=20,
    show_default=True,
    help="Most calls at once.",
)
@click.option("--watch", is_flag=True, help="Go on, and show what changes, until Ctrl-C.")
@click.option(
    "--interval",
    type=click.FloatRange(min=0, min_open=True),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="With --watch: time between two reads of a card.",
)
@click.option(
    "--rate",
    type=click.FloatRange(min=0, min_open=True),
    metavar="CALLS",
    help="With --watch: most calls a second. Default: as many as the interval needs.",
)
@click.option(
    "--for",
    "seconds",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="With --watch: stop after so long.",
)
@click.option(
    "--shard",
    type=Shard(),
    help="Only the I-th of N parts of FILE; N processes with the same FILE read every card once.",
)
@pass_setup
def balances(
    setup: Setup,
    file: Path,
    as_json: bool,
    concurrency: int,
    watch: bool,
    interval: float,
    rate: float | None,
    seconds: float | None,
    shard: tuple[int, int] | None,
) -> None:
    """Read the balances of the cards in FILE.

    FILE is a CSV with a column card_no, NDJSON with card_no (such as the report of `fincard
    issue`), or one id to a line. Prints a table on a terminal, and NDJSON in a pipe in the order
    in which the answers come. A card that fails does not stop the others; then the exit code is 1.

    With --watch every card is read again and again: a live table on a terminal, and in a pipe one
    line of NDJSON for each change.
    """
    cards = read_card_nos(file)
    if cards.without:
        say(f"passed over, without a card: {number_of('row', cards.without)}", err=True)
    card_nos = part_of(cards.card_nos, shard)
    if watch:
        how = WatchSettings(
            interval=interval,
            concurrency=concurrency,
            rate=rate,
            seconds=seconds,
            as_json=as_json,
        )
        began = time.monotonic()
        say_how_it_went(run(watch_cards, setup.client(), card_nos, how), time.monotonic() - began)
        return
    form = "ndjson" if as_json else default_format()
    if run(_print, setup, card_nos, form, concurrency):
        raise click.exceptions.Exit(FAILED)


async def read_balances(
    client: FincardClient,
    card_nos: Sequence[str],
    concurrency: int,
    found: Callable[[Balance], None],
) -> None:
    """Read balances, several at once; ``found`` gets each as it comes, or the error of its card.

    Raises:
        FincardError: Nothing can work: the settings are wrong, or the login is refused.
    """
    feed = iter(card_nos)

    async def work() -> None:
        for card_no in feed:
            try:
                found(await client.cards.get_balance(card_no))
            except FincardError as error:
                if isinstance(error, UsageError) or login_refused(error):
                    raise
                found((card_no, error))

    async with anyio.create_task_group() as tasks:
        for _ in range(min(concurrency, len(card_nos))):
            tasks.start_soon(work)


async def _print(setup: Setup, card_nos: Sequence[str], form: str, concurrency: int) -> int:
    """Print every balance; returns how many cards failed."""
    rows: dict[str, Row] = {}
    failed = 0

    def found(balance: Balance) -> None:
        nonlocal failed
        row = _row(balance)
        rows[str(row["card_no"])] = row
        failed += row["error"] is not None
        progress.update(len(rows), f"{failed} failed" if failed else "")
        if form == "ndjson":
            click.echo(json_line(present(row)))

    with _meter(form, len(card_nos)) as progress:
        async with setup.client() as client:
            await read_balances(client, card_nos, concurrency, found)
    if form == "table":
        good = [rows[card_no] for card_no in card_nos if rows[card_no]["error"] is None]
        if good:
            print_table(good, COLUMNS)
        for row in rows.values():
            if row["error"] is not None:
                say(f"{row['card_no']}: {row['error']}", err=True)
    say(_summary(list(rows.values()), failed), err=True)
    return failed


def _meter(form: str, total: int) -> Meter:
    """No bar where the rows themselves run over the same screen."""
    quiet = form == "ndjson" and sys.stdout.isatty()
    return Quiet() if quiet else meter("Balances", total)


def _row(balance: Balance) -> Row:
    if isinstance(balance, CardBalance):
        return {**record(balance), "error": None}
    card_no, error = balance
    code = error.code if isinstance(error, ApiError) else None
    message = f"{type(error).__name__}: {error.message}"
    return {"card_no": card_no, "error": message if code is None else f"{message} (code {code})"}


def _summary(rows: Sequence[Row], failed: int) -> str:
    sums: dict[str, Decimal] = {}
    for row in rows:
        if row["error"] is None:
            currency = str(row["currency"])
            sums[currency] = sums.get(currency, Decimal(0)) + Decimal(str(row["amount"]))
    total = "".join(f", {amount:,f} {currency}" for currency, amount in sorted(sums.items()))
    return f"{number_of('card', len(rows))}{total}" + (f", {failed} failed" if failed else "")
