"""One watched card: what is known of it, and what the answer to a read means. Pure.

The law of this module: an answer counts only if no mutation of the card, by this client, was under
way at any moment of the read. Otherwise it may be older than what the caller knows already.
"""

from __future__ import annotations

import math
import zlib
from typing import Final

import anyio
import msgspec

from fincard_async._generated.models.cards import CardBalance
from fincard_async.errors import FincardError

from .changes import BalanceChange, Kind

FAILING_AFTER: Final = 3
"""Reads in a row that fail before the consumer hears of it."""
HOT_READS: Final = 5
"""Reads after a change that come sooner than the interval."""
_CRC_SPAN: Final = 1 << 32


def phase_of(card_no: str) -> float:
    """Where in the interval a card is read, from 0 up to 1; the same in every process."""
    return zlib.crc32(card_no.encode()) / _CRC_SPAN


def shard_of(card_no: str, shards: int) -> int:
    """Which of ``shards`` watchers watches a card, from 0; the same in every process.

    The phase is made of the high bits of the same hash and the shard of what is left when they are
    divided, so that every shard spreads its reads over the whole interval.
    """
    return zlib.crc32(card_no.encode()) % shards


class WatchedCard(msgspec.Struct, gc=False, eq=False):
    """A card of a watch. There may be a hundred thousand: it holds no more than it must.

    The garbage collector does not look at it (``gc=False``; nothing here refers back to it), since
    one full collection over so many objects would hold up the event loop for a tenth of a second.
    """

    card_no: str
    due: float = 0.0
    """Monotonic seconds of the next read; ``inf`` while it is read."""
    reading: bool = False
    again: bool = False
    """Read it once more at once, since it changed while it was read."""
    leaving: bool = False
    """It is being cancelled: ask for its state, too."""
    placed: bool = False
    """Read at its place in the interval; the very first read is not."""
    ended: anyio.Event | None = None
    """Set at the end of the read under way, if somebody waits for it."""
    balance: CardBalance | None = None
    observed_at: float = 0.0
    read_at: float = -math.inf
    """Monotonic seconds at which the latest read that counts began."""
    failures: int = 0
    hot: int = 0
    """Reads left that come sooner."""
    mutating: int = 0
    """Mutations under way."""
    version: int = 0
    """Grows with every begin and end of a mutation."""

    @property
    def at_rest(self) -> bool:
        """True if it was read before and its next read is one of the usual ones."""
        return self.placed and not (self.hot or self.failures or self.again)

    def began(self) -> None:
        """A mutation is on its way."""
        self.mutating += 1
        self.version += 1

    def mutated(self) -> None:
        """A mutation has ended; what is known is old."""
        self.mutating -= 1
        self.version += 1
        self.hot = HOT_READS

    def counts(self, version: int) -> bool:
        """True if no mutation overlapped a read that began at ``version``."""
        return self.mutating == 0 and self.version == version

    def fresh(self, now: float, max_age: float) -> bool:
        """True if what is known may answer a direct read."""
        return self.balance is not None and self.mutating == 0 and now - self.read_at <= max_age

    def seen(self, balance: CardBalance, began: float, wall: float) -> BalanceChange | None:
        """Take over an answer that counts; returns the change, if there is one."""
        previous, recovered = self.balance, self.failures >= FAILING_AFTER
        self.placed = previous is not None
        self.read_at, self.observed_at, self.failures = began, wall, 0
        if balance == previous and not recovered:
            self.hot = max(0, self.hot - 1)
            return None
        if previous is not None:
            self.hot = HOT_READS
        self.balance = balance
        return self.told("changed", previous=previous)

    def failed(self, error: FincardError) -> BalanceChange | None:
        """A read failed; returns what to tell, once per row of failures."""
        self.failures += 1
        self.hot = 0
        if self.failures != FAILING_AFTER:
            return None
        return self.told("failing", previous=self.balance, error=error)

    def told(
        self,
        kind: Kind,
        *,
        previous: CardBalance | None,
        error: FincardError | None = None,
    ) -> BalanceChange:
        """A change of this card, as it is now."""
        return BalanceChange(
            card_no=self.card_no,
            kind=kind,
            balance=self.balance,
            previous=previous,
            observed_at=self.observed_at,
            error=error,
        )
