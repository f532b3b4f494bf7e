"""What must become of a call, by what went wrong and by what the server remembers.

This is the retry table in its own words, written from correctness 4.1 and the promises of
``RetryPolicy``, and not read from the code that it judges.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from fincard_async import RetryPolicy
from fincard_async.errors import (
    ConnectFailed,
    DuplicateOrder,
    FincardError,
    OutcomeUnknown,
)

Column = Literal["read", "sensitive", "error", "none", "replay", "settled"]
"""``read``: any read but the sensitive one. For a mutation: what the client believes of the server
(``RetryPolicy.dedupe``), without settlement; ``settled`` is the default policy, with it."""

POLICIES: Final[Mapping[Column, RetryPolicy]] = {
    "read": RetryPolicy(),
    "sensitive": RetryPolicy(),
    "error": RetryPolicy(settle=False),
    "none": RetryPolicy(settle=False, dedupe="none"),
    "replay": RetryPolicy(settle=False, dedupe="replay"),
    "settled": RetryPolicy(),
}
MOST: Final[Mapping[Column, int]] = {
    "read": 4,
    "sensitive": 2,
    "error": 3,
    "none": 1,
    "replay": 3,
    "settled": 3,
}
"""Requests that a fault which may be tried again leads to, if every attempt meets it."""


class Kind(enum.Enum):
    """What a fault proves, and so what may follow."""

    RESULT = "result"
    """An answer like any other."""
    NOT_SENT = "not sent"
    """No byte left; another attempt may get through."""
    HOPELESS = "hopeless"
    """No byte left; no attempt will get through."""
    AGAIN = "again"
    """It may have happened, and the same request may be sent again where that does no harm."""
    ONCE = "once"
    """It may have happened, and sending it again would teach nothing."""
    REFUSED = "refused"
    """The server says, finally, that nothing happened."""
    DUPLICATE = "duplicate"
    """The server knows the number: an earlier call arrived, and this one did nothing."""


@dataclass(frozen=True)
class Verdict:
    """A kind of fault, and the error that names it."""

    kind: Kind
    errors: tuple[type[FincardError], ...] = ()
    far: bool = False
    """The server asks for a pause beyond the deadline: neither a retry nor a look-up fits in."""


@dataclass(frozen=True)
class Ending:
    """How one call must end."""

    error: tuple[type[FincardError], ...] = ()
    """One of these classes, exactly; empty for a result."""
    cause: tuple[type[FincardError], ...] = ()
    """One of these is the ``__cause__`` of an ``OutcomeUnknown``."""
    requests: int = 1
    attempts: int = 1


def expected(verdict: Verdict, column: Column, *, lasting: bool, commits: bool) -> Ending:
    """How a call ends.

    Args:
        lasting: Every attempt meets the fault; else only the first.
        commits: The server carries the request out before the fault.
    """
    kind, errors = verdict.kind, verdict.errors
    if kind is Kind.RESULT:
        return Ending()
    if kind is Kind.NOT_SENT:
        tries = MOST["error"] if column == "none" else MOST[column]
        return Ending((ConnectFailed,), requests=0, attempts=tries)
    if kind is Kind.HOPELESS:
        return Ending((ConnectFailed,), requests=0)
    if kind is Kind.AGAIN:
        return _again(verdict, column, lasting=lasting, commits=commits)
    if column in ("read", "sensitive") or kind in (Kind.REFUSED, Kind.DUPLICATE):
        return Ending(errors)
    if column == "settled" and commits:
        return Ending()
    return Ending((OutcomeUnknown,), errors)


def _again(verdict: Verdict, column: Column, *, lasting: bool, commits: bool) -> Ending:
    most = 1 if verdict.far else MOST[column]
    reads = column in ("read", "sensitive")
    if not lasting and most > 1:
        if column != "error" or not commits:
            return Ending(requests=2, attempts=2)
        # The server refuses the number of an attempt that it carried out: still unknown.
        return Ending((OutcomeUnknown,), (DuplicateOrder,), requests=2, attempts=2)
    if reads:
        return Ending(verdict.errors, requests=most, attempts=most)
    if column == "settled" and commits and not verdict.far:
        return Ending(requests=most, attempts=most)
    return Ending((OutcomeUnknown,), verdict.errors, requests=most, attempts=most)
