"""What a finished run shows: outcomes, sums by card type, and the books of a sandbox."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from itertools import islice
from typing import Final

import click
from rich.table import Table

from fincard_async._generated.models.cards import CardBalance, CardType
from fincard_async._generated.models.common import CardMode
from fincard_async.bulk import IssueRow, Report, RowResult, RowState
from fincard_async.bulk.guards import UNKNOWN_CURRENCY
from fincard_async.sandbox import Ledger

from .job import word_of
from .output import console, printable, say

_MOST_SHOWN: Final = 10


def sums(amounts: Iterable[tuple[str | None, Decimal]]) -> str:
    """Sums by currency, such as ``1,200.50 USD, 10 EUR``."""
    found: dict[str, Decimal] = {}
    for currency, amount in amounts:
        name = currency if currency and currency != UNKNOWN_CURRENCY else "(currency unknown)"
        found[name] = found.get(name, Decimal(0)) + amount
    return ", ".join(f"{amount:,f} {currency}" for currency, amount in sorted(found.items()))


def print_report(report: Report, *, err: bool = False) -> None:
    """How many rows ended how, what they moved, how long they took, and the first failures."""
    for state in RowState:
        if count := report.counts.get(state):
            click.echo(
                f"{word_of(state, report.kind):<10}{count:>8,}{_codes(report, state)}", err=err
            )
    for name, found in _money(report):
        if found:
            say(f"{name}: {sums(found.items())}", err=err)
    times = report.timings
    if times.p50 is not None and times.p99 is not None:
        say(
            f"from send to end: half within {_span(times.p50)}, 99 % within {_span(times.p99)}",
            err=err,
        )
    _print_failures(report, err=err)


def _money(report: Report) -> Sequence[tuple[str, Mapping[str, Decimal]]]:
    """What was moved, with the words for it; what leaves a card does not arrive on it."""
    arrived = "back from the cards" if report.kind in _FROM_CARDS else "on the cards"
    return (("ordered", report.amounts), (arrived, report.received), ("fees", report.fees))


_FROM_CARDS: Final = frozenset({"cancel", "withdraw"})


def _codes(report: Report, state: RowState) -> str:
    """Business codes and how often; nothing where there is none."""
    codes = [(code, n) for (found, code), n in report.codes.items() if found is state]
    listed = ", ".join(f"{printable(str(code))}: {n:,}" for code, n in sorted(codes, key=str))
    return f"   by code {listed}" if listed else ""


def _span(seconds: float) -> str:
    return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:,.0f} s"


def _print_failures(report: Report, *, err: bool) -> None:
    """The first rows that went wrong; after a run to the end also those that are still open."""
    shown = _WRONG if report.interrupted else _WRONG | {RowState.ACCEPTED}
    failed = sum(count for state, count in report.counts.items() if state in shown)
    rows = (row for row in report.results if row.state in shown)
    for row in islice(rows, min(failed, _MOST_SHOWN)):
        say(f"  {_explained(row, report.kind)}", err=err)
    if failed > _MOST_SHOWN:
        say(f"  and {failed - _MOST_SHOWN:,} more: --report FILE or --json has all", err=err)


_WRONG: Final = frozenset({RowState.REFUSED, RowState.FAILED, RowState.UNKNOWN, RowState.PARKED})


class _Line:
    """Sums over the cards of one type, or of one currency."""

    def __init__(self, label: str) -> None:
        self.label = label
        self.cards = 0
        self.deposited = self.fees = self.balance = Decimal(0)
        self.shared = False

    def add(self, result: RowResult, balance: CardBalance, *, shared: bool) -> None:
        """One card more; the balance of a shared card is that of its account, and is not summed."""
        self.cards += 1
        self.deposited += result.received_amount or 0
        self.fees += result.fee or 0
        self.balance += 0 if shared else balance.amount
        self.shared = shared

    def cells(self) -> list[str]:
        """As the table shows it."""
        balance = "shared" if self.shared else f"{self.balance:,.2f}"
        return [
            self.label,
            str(self.cards),
            f"{self.deposited:,.2f}",
            f"{self.fees:,.2f}",
            balance,
        ]


def print_by_type(
    rows: Sequence[IssueRow],
    report: Report,
    types: Sequence[CardType],
    balances: Mapping[str, CardBalance],
) -> None:
    """Cards, deposits, fees and balances: by card type, and in all by currency."""
    known = {kind.card_type_id: kind for kind in types}
    by_type: dict[int, _Line] = {}
    by_currency: dict[str, _Line] = {}
    for row, result in zip(rows, report.results, strict=True):
        balance = balances.get(result.card_no or "")
        if result.state is not RowState.ISSUED or balance is None:
            continue
        kind = known[row.card_type_id]
        shared, currency = kind.mode is CardMode.BUDGET_CARD, balance.currency
        name = kind.card_name or str(kind.card_type_id)
        line = by_type.setdefault(row.card_type_id, _Line(printable(name)))
        line.add(result, balance, shared=shared)
        total = by_currency.setdefault(currency, _Line(f"Total {currency}"))
        total.add(result, balance, shared=shared)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("Card type", no_wrap=True)
    for name in ("Cards", "Deposited", "Fees", "Balance"):
        table.add_column(name, justify="right", no_wrap=True)
    for _, line in sorted(by_type.items()):
        table.add_row(*line.cells())
    for line in by_currency.values():
        line.shared = False
        table.add_row(*line.cells(), style="bold")
    console().print(table)


def compare(rows: Sequence[IssueRow], report: Report, ledger: Ledger) -> bool:
    """Say whether the books of the server agree with the file and with the report."""
    issued = [result for result in report.results if result.state is RowState.ISSUED]
    ordered = sum((result.amount or Decimal(0) for result in issued), Decimal(0))
    cards = len({result.card_no for result in issued})
    agrees = len(issued) == cards == ledger.cards and ordered == ledger.created_amount
    verdict = "none doubled, none lost" if agrees else "THE BOOKS DO NOT AGREE"
    say(f"Ledger of the sandbox: {len(rows)} rows, {ledger.cards} cards, {verdict}.")
    say(f"Ordered {ordered:,.2f}, on the ledger {ledger.created_amount:,.2f}.")
    return agrees


def _explained(row: RowResult, kind: str) -> str:
    code = "" if row.code is None else f" (code {row.code})"
    order = "" if row.state.final else f", order {row.order_no}"
    word = word_of(row.state, kind)
    return f"{row.row_id}: {word}{code}{order} {row.message or ''}".rstrip()
