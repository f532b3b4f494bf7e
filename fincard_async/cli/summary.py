"""What a finished run shows: outcomes, sums by card type, and the books of a sandbox."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Final

import click
from rich.table import Table

from fincard_async._generated.models.cards import CardBalance, CardType
from fincard_async._generated.models.common import CardMode
from fincard_async.bulk import IssueRow, Report, RowResult, RowState
from fincard_async.sandbox import Ledger

from .output import console, printable, say

_MOST_SHOWN: Final = 10


def sums(amounts: Iterable[tuple[str | None, Decimal]]) -> str:
    """Sums by currency, such as ``1,200.50 USD, 10 EUR``."""
    found: dict[str, Decimal] = {}
    for currency, amount in amounts:
        found[currency or "?"] = found.get(currency or "?", Decimal(0)) + amount
    return ", ".join(f"{amount:,f} {currency}" for currency, amount in sorted(found.items()))


def print_report(report: Report, *, err: bool = False) -> None:
    """How many rows ended how, what they moved, and the first rows that did not succeed."""
    for state in RowState:
        if count := report.counts.get(state):
            click.echo(f"{state.value:<10}{count:>8,}", err=err)
    moved = ", ".join(f"{amount:,f} {currency}" for currency, amount in report.received.items())
    if moved:
        say(f"on the cards: {moved}", err=err)
    if report.counts.get(RowState.PARKED):
        say("parked: the server's record differs from the row; a person must decide", err=err)
    failed = [row for row in report.results if row.state is not RowState.ISSUED]
    for row in failed[:_MOST_SHOWN]:
        say(f"  {_explained(row)}", err=err)
    if len(failed) > _MOST_SHOWN:
        say(f"  and {len(failed) - _MOST_SHOWN} more: --report FILE has all", err=err)


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


def _explained(row: RowResult) -> str:
    code = "" if row.code is None else f" (code {row.code})"
    order = "" if row.state.final else f", order {row.order_no}"
    return f"{row.row_id}: {row.state.value}{code}{order} {row.message or ''}".rstrip()
