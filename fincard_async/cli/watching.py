"""``fincard balances --watch``: balances as they change, until Ctrl-C.

A live table on a terminal: how well the watch keeps up, and the cards that moved most. NDJSON in a
pipe: one line per change, so that another program can follow.
"""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

import anyio
import click
from rich.console import Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from fincard_async import FincardClient
from fincard_async.watch import BalanceChange, BalanceWatch, WatchStats, shard_of, watch_balances

from .output import console, json_line, number_of, plain, present, printable, say
from .progress import span
from .settings import interrupts

TOP: Final = 12
"""Cards in the table of those that moved most."""
BARS: Final = "▁▂▃▄▅▆▇█"
SAMPLES: Final = 24
EVERY: Final = 0.5
"""Seconds between two pictures."""
_SHARD: Final = re.compile(r"(\d{1,5})/(\d{1,5})\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchSettings:
    """How to watch."""

    interval: float
    concurrency: int
    rate: float | None
    seconds: float | None
    """When to stop; None for never."""
    as_json: bool


class Shard(click.ParamType[tuple[int, int]]):
    """``I/N``: the part of the cards that this process watches, I from 1 to N."""

    name = "I/N"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        """The two numbers."""
        found = _SHARD.match(str(value))
        if found is None or not 1 <= int(found[1]) <= int(found[2]):
            self.fail("write I/N, such as 2/8: the second of eight parts", param, ctx)
        return int(found[1]), int(found[2])


def part_of(card_nos: Sequence[str], shard: tuple[int, int] | None) -> list[str]:
    """The cards of one shard; every card is in exactly one."""
    if shard is None:
        return list(card_nos)
    which, shards = shard
    return [card_no for card_no in card_nos if shard_of(card_no, shards) == which - 1]


async def watch_cards(
    client: FincardClient, card_nos: Sequence[str], how: WatchSettings
) -> WatchStats:
    """Show changes until a signal, the time given, or the last card has left."""
    show: Lines | Board = Lines() if how.as_json or not console().is_terminal else Board()
    with ExitStack() as stack:
        received = stack.enter_context(interrupts())
        stack.enter_context(show)
        async with (
            client,
            watch_balances(
                client,
                card_nos,
                interval=how.interval,
                concurrency=how.concurrency,
                rate=how.rate,
            ) as watch,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(_end_on_signal, received, tasks.cancel_scope)
            tasks.start_soon(_draw, show, watch)
            with anyio.move_on_after(how.seconds):
                async for change in watch:
                    show.add(change)
            tasks.cancel_scope.cancel()
        return watch.stats


def say_how_it_went(stats: WatchStats, seconds: float) -> None:
    """One line at the end, on the error stream."""
    achieved = f", each every {stats.achieved_interval:.3g} s" if stats.achieved_interval else ""
    say(
        f"watched {number_of('card', stats.cards)} for {span(seconds)}:"
        f" {number_of('read', stats.reads)}{achieved},"
        f" {number_of('change', stats.changes)}, {number_of('error', stats.errors)}",
        err=True,
    )


async def _end_on_signal(received: AsyncIterator[object], scope: anyio.CancelScope) -> None:
    await anext(received)
    scope.cancel()


async def _draw(show: Lines | Board, watch: BalanceWatch) -> None:
    while True:
        show.draw(watch.stats)
        await anyio.sleep(EVERY)


class Lines:
    """One line of JSON per change."""

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing was opened."""

    def add(self, change: BalanceChange) -> None:
        """Print it at once."""
        click.echo(json_line(present(line_of(change))))

    def draw(self, stats: WatchStats) -> None:
        """A pipe has no picture."""


def line_of(change: BalanceChange) -> dict[str, object]:
    """A change as one flat record; amounts as text, the time in ISO 8601."""
    balance, previous, error = change.balance, change.previous, change.error
    observed = datetime.fromtimestamp(change.observed_at, UTC) if change.observed_at else None
    return {
        "card_no": change.card_no,
        "kind": change.kind,
        "amount": None if balance is None else plain(balance.amount),
        "used_amount": None if balance is None else plain(balance.used_amount),
        "currency": None if balance is None else balance.currency,
        "previous_amount": None if previous is None else plain(previous.amount),
        "observed_at": None if observed is None else observed.isoformat(timespec="milliseconds"),
        "error": None if error is None else f"{type(error).__name__}: {error.message}",
    }


@dataclass(slots=True)
class _Mover:
    """A card that changed since the watch began."""

    card_no: str
    first: Decimal
    amount: Decimal
    currency: str
    observed_at: float
    kind: str

    @property
    def moved(self) -> Decimal:
        return self.amount - self.first


@dataclass(slots=True)
class Board:
    """The live picture. ``clock`` gives the seconds between two of them."""

    clock: Callable[[], float] = time.monotonic
    _movers: dict[str, _Mover] = field(default_factory=dict)
    _rates: deque[float] = field(default_factory=lambda: deque(maxlen=SAMPLES))
    _last: tuple[float, int] | None = None
    _live: Live | None = None

    def __enter__(self) -> Board:
        self._live = Live(console=console(), auto_refresh=False, transient=False)
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def add(self, change: BalanceChange) -> None:
        """Remember how far the card has moved."""
        balance, previous = change.balance, change.previous
        if balance is None or previous is None:
            return
        mover = self._movers.get(change.card_no)
        first = previous.amount if mover is None else mover.first
        self._movers[change.card_no] = _Mover(
            change.card_no,
            first,
            balance.amount,
            balance.currency,
            change.observed_at,
            change.kind,
        )

    def draw(self, stats: WatchStats) -> None:
        """Paint what is known now."""
        now = self.clock()
        if self._last is not None and now > self._last[0]:
            self._rates.append((stats.reads - self._last[1]) / (now - self._last[0]))
        self._last = now, stats.reads
        if self._live is not None:
            self._live.update(self.picture(stats), refresh=True)

    def picture(self, stats: WatchStats) -> RenderableType:
        """The facts, and below them the cards that moved most."""
        return Group(*self._facts(stats), *self._table())

    def _facts(self, stats: WatchStats) -> list[Text]:
        rate = f"{self._rates[-1]:,.0f} reads/s" if self._rates else "starting"
        pace = f"every {stats.interval:g} s"
        if stats.achieved_interval:
            pace += f", achieved {stats.achieved_interval:.3g} s"
        first = Text.assemble(
            (number_of("card", stats.cards), "bold"),
            f"  {pace}  ",
            f"{rate}  ",
            sparkline(self._rates),
        )
        facts = [
            Text(f"changes {stats.changes:,}"),
            Text(f"in flight {stats.in_flight}"),
            Text(f"errors {stats.errors:,}", "yellow" if stats.errors else ""),
            Text(f"failing {stats.failing:,}", "red" if stats.failing else ""),
        ]
        lines = [first, Text("  ").join(facts)]
        if stats.stretched:
            lines.append(Text("the interval cannot be kept: fewer cards, or more --rate", "yellow"))
        for line in lines:
            line.no_wrap, line.overflow = True, "ellipsis"
        return lines

    def _table(self) -> list[Table]:
        movers = sorted(self._movers.values(), key=lambda mover: -abs(mover.moved))[:TOP]
        if not movers:
            return []
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
        table.add_column("card_no", overflow="ellipsis", no_wrap=True)
        table.add_column("moved", justify="right", no_wrap=True)
        table.add_column("amount", justify="right", no_wrap=True)
        table.add_column("", no_wrap=True)
        table.add_column("seen", no_wrap=True)
        for mover in movers:
            seen = datetime.fromtimestamp(mover.observed_at, UTC).strftime("%H:%M:%S")
            table.add_row(
                Text(printable(mover.card_no)),
                Text(f"{mover.moved:+,f}", "green" if mover.moved > 0 else "red"),
                Text(f"{mover.amount:,f}"),
                Text(printable(mover.currency)),
                Text(seen if mover.kind == "changed" else mover.kind, "dim"),
            )
        return [table]


def sparkline(values: Sequence[float] | deque[float]) -> str:
    """Values as bars, the highest of them as high as a line of text."""
    top = max(values, default=0.0)
    if top <= 0:
        return ""
    return "".join(BARS[round(value / top * (len(BARS) - 1))] for value in values)
