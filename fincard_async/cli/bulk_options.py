"""The options of every command that works through a file, and what they become."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import reduce
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

import click

from fincard_async._sansio.money import Amount, parse_amount
from fincard_async.bulk.postgres import Place

from .postgres import SHARED_OPTIONS

F = TypeVar("F", bound=Callable[..., object])

_PLAIN_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\Z")
_SPAN: Final = re.compile(r"(?P<count>\d+(\.\d+)?)(?P<unit>[smh]?)\Z")
_UNITS: Final = {"": 1, "s": 1, "m": 60, "h": 3600}
_LIMIT: Final = re.compile(r"((?P<currency>[A-Za-z]{2,10})=)?(?P<amount>[0-9.]+)\Z")


class Span(click.ParamType[float]):
    """A length of time such as ``90``, ``15m`` or ``2h``, as seconds."""

    name = "time"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Read it."""
        if isinstance(value, float):
            return value
        found = _SPAN.match(str(value))
        if found is None:
            self.fail("not a length of time such as 90, 15m or 2h", param, ctx)
        return float(found["count"]) * _UNITS[found["unit"]]


class Limit(click.ParamType[tuple[str, Decimal]]):
    """An amount, or ``CURRENCY=AMOUNT``; without a currency it counts for all together."""

    name = "amount"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, Decimal]:
        """Read it; the currency is "" where there is none."""
        found = _LIMIT.match(str(value))
        try:
            if found is None:
                raise ValueError
            return (found["currency"] or "").upper(), parse_amount(found["amount"])
        except ValueError:
            self.fail("not an amount such as 5000 or USD=5000", param, ctx)


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkOptions:
    """What was asked for, beside the file."""

    job: str
    journal: Path | None
    sheet: str | None
    concurrency: int
    wait: float
    deadline: float | None
    max_rows: int | None
    max_total: tuple[tuple[str, Decimal], ...]
    dedupe: Literal["error", "replay", "none"] | None
    resend_after_drain: bool
    ignore_funds: bool
    report: Path | None
    parked: Path | None
    resolve: Path | None
    dry_run: bool
    as_json: bool
    yes: bool
    place: Place | None
    chunk_rows: int
    no_queue: bool

    @property
    def journal_path(self) -> Path:
        """The journal's file, by default named after the job.

        Raises:
            UsageError: The name of the job is no name of a file.
        """
        if self.journal is not None:
            return self.journal
        if not _PLAIN_NAME.match(self.job):
            raise click.UsageError(
                "this job's name cannot be the name of a file: give --journal FILE"
            )
        return Path(f"{self.job}.journal")

    @property
    def total(self) -> Mapping[str, Amount] | Amount | None:
        """The most money, as ``BulkOperation`` takes it.

        Raises:
            UsageError: Limits with and without a currency do not go together.
        """
        if not self.max_total:
            return None
        limits = dict(self.max_total)
        if "" not in limits:
            return limits
        if len(self.max_total) > 1:
            raise click.UsageError("--max-total is given once, or once for each currency")
        return limits[""]


_FILE: Final = click.Path(dir_okay=False, path_type=Path)
_OPTIONS: Final[tuple[Callable[[Any], Any], ...]] = (
    click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path)),
    click.option(
        "--job",
        required=True,
        metavar="NAME",
        help="Name of the job: with it, every row has one order number for ever.",
    ),
    click.option(
        "--journal",
        type=_FILE,
        metavar="FILE",
        help="Where the state of every row is kept. Default: NAME.journal in this folder.",
    ),
    click.option("--sheet", metavar="NAME", help="Which sheet of a workbook, if it has several."),
    click.option(
        "--dry-run", is_flag=True, help="Check the rows, print what they will cost, send nothing."
    ),
    click.option("--max-rows", type=click.IntRange(1), metavar="N", help="Refuse more rows."),
    click.option(
        "--max-total",
        type=Limit(),
        multiple=True,
        metavar="AMOUNT",
        help="Refuse to move more: an amount over all rows, or USD=AMOUNT for each currency.",
    ),
    click.option(
        "--concurrency",
        type=click.IntRange(1, 1000),
        default=8,
        show_default=True,
        help="Most rows under way at once.",
    ),
    click.option(
        "--deadline", type=Span(), metavar="TIME", help="Send nothing new after 90, 15m or 2h."
    ),
    click.option(
        "--wait",
        type=Span(),
        default=120.0,
        show_default=True,
        metavar="TIME",
        help="How long to wait, after the last row was sent, for rows to be final.",
    ),
    click.option(
        "--dedupe",
        type=click.Choice(["error", "replay", "none"]),
        help="What the server does with a repeated order number; none: send each row once.",
    ),
    click.option(
        "--resend-after-drain",
        is_flag=True,
        help="With --dedupe none: send again what was proven absent, instead of parking it.",
    ),
    click.option(
        "--ignore-funds",
        is_flag=True,
        help="Begin although the wallet does not hold what the job is estimated to cost.",
    ),
    click.option(
        "--report",
        type=_FILE,
        metavar="FILE",
        help="Write a line for every row that ends to this file, as NDJSON; it grows over runs.",
    ),
    click.option(
        "--parked",
        type=_FILE,
        metavar="FILE",
        help="Write the rows on which a person must decide to this file, as CSV.",
    ),
    click.option(
        "--resolve",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        metavar="FILE",
        help="Take decisions on parked rows first: the file of --parked, filled in.",
    ),
    click.option(
        "--json", "as_json", is_flag=True, help="Print the result of every row as NDJSON."
    ),
    click.option("--yes", "-y", is_flag=True, help="Do not ask before money moves."),
    *SHARED_OPTIONS,
)


def bulk_options(function: F) -> F:
    """Add the options; the command takes ``file`` and the fields of ``BulkOptions``."""
    return reduce(lambda command, option: option(command), reversed(_OPTIONS), function)
