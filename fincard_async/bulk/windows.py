"""How long things take at worst, and what may be concluded from time. Source: correctness 3.1, 3.6.

A1  The server remembers an order number for ``remembers`` seconds after it first saw it. Within
    half of that a repeat cannot become a second order; the other half is the margin.
A2  A request that nobody waits for may still be carried out for ``arrives`` seconds.
A3  A query shows what was carried out after ``lags`` seconds at the latest.

So a row whose outcome is unknown may be sent again under its number while the server certainly
remembers it; or after everything has drained and a complete query has shown that there is nothing.
A server that does not refuse repeated numbers at all leaves only the second way, and that one is
taken only on explicit request: the rest is parked.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from fincard_async.errors import ValidationError

from .entry import Entry

Dedupe: TypeAlias = Literal["error", "replay", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """Assumptions about the server, in seconds; ask the provider before you change them."""

    remembers: float = 24 * 3600.0
    """For how long a repeated order number is refused or replayed (A1, W)."""
    arrives: float = 15 * 60.0
    """How late a request that was given up may be carried out (A2, D_max)."""
    lags: float = 60.0
    """How far the operation query may be behind (A3, L_q)."""

    def __post_init__(self) -> None:
        if not (0 < self.arrives < self.remembers / 2 and self.lags >= 0):
            raise ValidationError("windows must have 0 < arrives < remembers / 2, and lags >= 0")

    @property
    def drained(self) -> float:
        """After so many seconds a query shows everything that will ever become of an attempt."""
        return self.arrives + self.lags


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What the server promises, and what the user has allowed."""

    dedupe: Dedupe = "error"
    resend_after_drain: bool = False
    """With ``dedupe="none"``: send again what was proven absent, instead of parking it."""
    windows: Windows = field(default_factory=Windows)


class Next(enum.Enum):
    """What follows from a look-up that found no order."""

    SEND = "send"
    """Again, under the same number: the server refuses it if the first one arrives."""
    SEND_ANEW = "send anew"
    """Again: proven that no earlier attempt did or will do anything."""
    WAIT = "wait"
    """Ask again later; it proves nothing yet."""
    PARK = "park"
    """Proven absent, but sending it again was not allowed; or it cannot be proven."""


def drained(entry: Entry, now: int, windows: Windows) -> bool:
    """True if no attempt of the row can arrive any more; ``now`` in epoch milliseconds.

    Counted from when the last attempt was given up, not from its intent, which may be much older:
    an attempt whose intent is durable waits for a worker first.
    """
    last = entry.last_sent_at
    return last is not None and now - last >= windows.drained * 1000


def remembered(entry: Entry, now: int, windows: Windows) -> bool:
    """True if a repeat would arrive while the server certainly still knows the number.

    A clock that went back proves nothing.
    """
    first, last = entry.first_sent_at, entry.last_sent_at
    if first is None or last is None or now < last:
        return False
    return now + windows.arrives * 1000 < first + windows.remembers * 1000 / 2


def may_send(entry: Entry, now: int, policy: Policy) -> bool:
    """True if a new attempt cannot become a second order: the guard of every dispatch."""
    if not entry.open:
        return True
    return policy.dedupe != "none" and remembered(entry, now, policy.windows)


def after_absence(
    entry: Entry, now: int, policy: Policy, *, proven: bool, provable: bool = True
) -> Next:
    """What to do with a row that has open attempts and no order.

    Args:
        entry: The row.
        now: When the look-up began; epoch milliseconds.
        policy: What the server promises.
        proven: The look-up was complete, its controls hold, and it began after everything had
            drained.
        provable: False if everything has drained and the server has no order to check it with.
    """
    if proven:
        allowed = policy.dedupe != "none" or policy.resend_after_drain
        return Next.SEND_ANEW if allowed else Next.PARK
    if may_send(entry, now, policy):
        return Next.SEND
    return Next.WAIT if provable else Next.PARK
