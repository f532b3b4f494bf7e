"""The watch itself: what its user asks of it, and what it makes of the answers.

``Crew`` says when a card is visited; here it is read, and what the answer means is taken over.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from typing import TYPE_CHECKING, Final

import anyio
import anyio.lowlevel

from fincard_async._generated.models.common import CardStatus, OperationType
from fincard_async._sansio.options import Lane
from fincard_async.errors import (
    ApiError,
    FincardError,
    Unauthenticated,
    UsageError,
    ValidationError,
)

from .card import WatchedCard
from .changes import BalanceChange, Pending
from .crew import Crew
from .pace import Pace
from .schedule import Schedule
from .stats import Counters, WatchStats

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

    from fincard_async._generated.models.cards import CardBalance
    from fincard_async._generated.resources.cards import Cards
    from fincard_async.client import FincardClient

_LEFT: Final = frozenset({CardStatus.CANCEL, CardStatus.FAIL})
"""States of a card that has no balance any more."""
SPARE: Final = 0.1
"""Share of the interval by which a watch may be late and still give hot cards more than others."""
_AT_A_TIME: Final = 500
"""Cards added between two turns of the event loop, which must not stand still."""

_IN_A_ROW: Final = 32
"""Changes given out in one turn of the event loop: with thousands of reads in flight a turn takes
milliseconds, and more has changed in it than one card."""


class BalanceWatch:
    """Balances of many cards, read in turn; made by ``watch_balances``.

    Iterate over it for the changes. It is also where to ask for one card at once (``read``), to say
    that a card has probably changed (``hint``), and to add and remove cards.
    """

    def __init__(
        self,
        client: FincardClient,
        *,
        interval: float,
        concurrency: int,
        rate: float | None,
        hot_factor: float,
    ) -> None:
        self._clock = client._clock
        self._sweep = client.with_options(lane=Lane.BACKGROUND).cards
        self._direct = client.cards
        now = self._clock.monotonic()
        self._schedule = Schedule(interval, hot_factor, now)
        self._crew = Crew(
            self._visit,
            schedule=self._schedule,
            pace=Pace(math.inf if rate is None else rate, now),
            concurrency=concurrency,
            limiter=client._limiter,
            clock=self._clock,
        )
        self._cards: dict[str, WatchedCard] = {}
        self._pending = Pending()
        self._counters = Counters(interval)
        self._taken = 0
        self._news = anyio.Event()
        self._failure: FincardError | None = None

    # -- For its user ------------------------------------------------------------------------------

    def __aiter__(self) -> BalanceWatch:
        return self

    async def __anext__(self) -> BalanceChange:
        """The next change; ends when no card is left and every change was taken.

        Raises:
            Unauthenticated, UsageError: No card can be read any more.
        """
        while True:
            if self._taken == _IN_A_ROW:
                self._taken = 0
                # Before a change is taken: it would be lost if its consumer were cancelled here.
                await anyio.lowlevel.checkpoint()
            change = self._pending.take()
            if change is not None:
                self._taken += 1
                return change
            if self._failure is not None:
                raise self._failure
            if not self._cards:
                raise StopAsyncIteration
            self._news = anyio.Event()
            await self._news.wait()

    async def read(self, card_no: str, *, max_age: float = 0.0) -> CardBalance:
        """The balance of a watched card: what is known if it is young enough, else a read.

        A read that is under way is shared, and what is read here counts for the watch.

        Args:
            card_no: A card of this watch.
            max_age: Seconds that the answer may be old.

        Raises:
            ValidationError: The card is not watched.
            FincardError: It cannot be read.
        """
        card = self._cards.get(card_no)
        if card is None:
            raise ValidationError("the card is not watched")
        while card.reading:
            card.ended = card.ended or anyio.Event()
            asked = self._clock.monotonic()
            await card.ended.wait()
            if card.balance is not None and card.read_at >= asked - max_age:
                return card.balance
        if card.fresh(self._clock.monotonic(), max_age) and card.balance is not None:
            return card.balance
        card.due = math.inf
        return await self._read(card, self._direct)

    def hint(self, card_no: str) -> None:
        """Read a card soon: something, such as a webhook, says that it has changed."""
        card = self._cards.get(card_no)
        if card is not None:
            card.hot = max(card.hot, 1)
            self._crew.soon(card)

    async def add(self, card_nos: Iterable[str] | AsyncIterable[str]) -> None:
        """Watch these too; those that are watched already are passed over."""
        count = 0
        async for card_no in _each(card_nos):
            if card_no not in self._cards:
                card = self._cards[card_no] = WatchedCard(card_no)
                self._schedule.put(card, self._clock.monotonic())
            count += 1
            if count % _AT_A_TIME == 0:
                await anyio.lowlevel.checkpoint()
        self._crew.wake_timer()

    def remove(self, card_no: str) -> None:
        """Watch a card no longer; nothing more is told of it but what waits already."""
        card = self._cards.pop(card_no, None)
        if card is not None:
            card.due = math.nan  # no entry in the schedule equals it
            self._counters.failing -= card.failures > 0
            self._news.set()

    @property
    def stats(self) -> WatchStats:
        """Where the watch stands."""
        counters = self._counters
        return WatchStats(
            cards=len(self._cards),
            reads=counters.reads,
            changes=counters.changes,
            errors=counters.errors,
            discarded=counters.discarded,
            failing=counters.failing,
            in_flight=counters.in_flight,
            waiting=len(self._pending),
            interval=counters.interval,
            achieved_interval=counters.achieved,
            behind=self._crew.behind,
            rate_limit=self._crew.pace.rate(self._clock.monotonic()),
        )

    # -- Mutations of the client -------------------------------------------------------------------

    def began(self, card_no: str, kind: str | None) -> None:
        """A mutation of a card is on its way."""
        if (card := self._cards.get(card_no)) is not None:
            card.began()

    def ended(self, card_no: str, kind: str | None) -> None:
        """It has ended: read the card again, soon and then a few times more."""
        if (card := self._cards.get(card_no)) is not None:
            card.mutated()
            card.leaving = card.leaving or kind == OperationType.CANCEL
            self._crew.soon(card)

    def start(self, group: TaskGroup) -> None:
        """Begin to read."""
        self._crew.start(group)

    # -- Reading -----------------------------------------------------------------------------------

    async def _visit(self, card: WatchedCard) -> None:
        """Read a card whose turn it is. An error of one card never ends the watch."""
        if card.reading:
            return  # directly, by somebody else, at this moment: that counts
        before = card.balance
        try:
            balance = await self._read(card, self._sweep)
            if card.leaving or (before is not None and before.amount and not balance.amount):
                await self._look_at(card, None)
        except (Unauthenticated, UsageError) as error:
            if not isinstance(error, ValidationError):
                self._end(error)
        except ApiError as error:
            if error.final:
                await self._look_at(card, error)
        except FincardError:
            """Counted, and told when it repeats, where it was met."""

    async def _read(self, card: WatchedCard, cards: Cards) -> CardBalance:
        """Read a card, take the answer over, and give the card its next time."""
        began, wall, version = self._clock.monotonic(), self._clock.wall(), card.version
        self._started(card)
        try:
            balance = await cards.get_balance(card.card_no)
        except FincardError as error:
            self._failed(card, error)
            raise
        else:
            self._seen(card, balance, began, wall, version)
            return balance
        finally:
            self._finished(card)

    def _started(self, card: WatchedCard) -> None:
        card.reading, card.again = True, False
        self._counters.in_flight += 1

    def _seen(
        self, card: WatchedCard, balance: CardBalance, began: float, wall: float, version: int
    ) -> None:
        counters = self._counters
        if not card.counts(version):
            counters.discarded += 1
            card.again = card.mutating == 0  # else the end of the mutation asks for it
            return
        if card.at_rest:
            counters.gap(began - card.read_at)
        counters.reads += 1
        counters.failing -= card.failures > 0
        change = card.seen(balance, began, wall)
        if change is not None:
            counters.changes += change.previous is not None
            self._tell(change)

    def _failed(self, card: WatchedCard, error: FincardError) -> None:
        self._counters.errors += 1
        self._counters.failing += card.failures == 0 and card.card_no in self._cards
        change = card.failed(error)
        if change is not None:
            self._tell(change)

    def _finished(self, card: WatchedCard) -> None:
        card.reading = False
        self._counters.in_flight -= 1
        if card.ended is not None:
            card.ended.set()
            card.ended = None
        now = self._clock.monotonic()
        self._crew.look_at_load(now)
        if card.card_no in self._cards:
            self._schedule.put(card, self._next_time(card, now))

    def _next_time(self, card: WatchedCard, now: float) -> float:
        if card.again:
            return now
        if card.failures:
            return self._schedule.after_failure(card, now)
        hurry = self._crew.behind < self._schedule.interval * SPARE
        return self._schedule.after_read(card, now, hurry=hurry)

    async def _look_at(self, card: WatchedCard, error: ApiError | None) -> None:
        """A card that is refused or empty, or was cancelled here, may have left for good."""
        try:
            status = (await self._sweep.get(card.card_no)).status
        except FincardError:
            return  # it goes on failing, and is looked at again
        card.leaving = status is CardStatus.CANCELING
        if status in _LEFT and card.card_no in self._cards:
            self.remove(card.card_no)
            self._tell(card.told("gone", previous=card.balance, error=error))

    def _tell(self, change: BalanceChange) -> None:
        if change.kind == "gone" or change.card_no in self._cards:
            self._pending.put(change)
            self._news.set()

    def _end(self, error: FincardError) -> None:
        """No card can be read any more: the consumer hears why."""
        self._failure = self._failure or error
        self._crew.stop()
        self._news.set()


async def _each(card_nos: Iterable[str] | AsyncIterable[str]) -> AsyncIterator[str]:
    if isinstance(card_nos, AsyncIterable):
        async for card_no in card_nos:
            yield card_no
    else:
        for card_no in card_nos:
            yield card_no
