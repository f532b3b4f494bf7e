"""What a watch tells its consumer, and the latest of it per card."""

from __future__ import annotations

from typing import Literal

import msgspec

from fincard_async._generated.models.cards import CardBalance
from fincard_async.errors import FincardError

Kind = Literal["changed", "failing", "gone"]


class BalanceChange(msgspec.Struct, frozen=True, kw_only=True, gc=False, eq=False):
    """Something happened to a watched card.

    Attributes:
        card_no: The card.
        kind: ``changed``: the balance is another one than was told last, or the first one.
            ``failing``: it could not be read several times in a row; the watch goes on, less and
            less often. ``gone``: the card is cancelled or was never made, and left the watch.
        balance: The latest balance that is known; None if there was none yet.
        previous: What was told before; None the first time.
        observed_at: Seconds since the epoch at which the read began that saw it.
        error: Why it is failing or gone, if an error said so.
    """

    card_no: str
    kind: Kind
    balance: CardBalance | None
    previous: CardBalance | None
    observed_at: float
    error: FincardError | None = None


class Pending:
    """Changes that were not taken yet: one per card, so it never holds more than there are cards.

    A consumer who is late sees the latest state of each card, in the order in which the cards began
    to wait.
    """

    def __init__(self) -> None:
        self._changes: dict[str, BalanceChange] = {}

    def __len__(self) -> int:
        return len(self._changes)

    def put(self, change: BalanceChange) -> None:
        """Add a change, or merge it into the one of the same card that waits."""
        waiting = self._changes.get(change.card_no)
        if waiting is None:
            self._changes[change.card_no] = change
        else:
            self._changes[change.card_no] = msgspec.structs.replace(
                change, previous=waiting.previous
            )

    def take(self) -> BalanceChange | None:
        """The next one; None if nothing waits."""
        for card_no in self._changes:
            return self._changes.pop(card_no)
        return None
