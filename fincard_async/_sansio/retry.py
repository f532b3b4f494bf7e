"""Stage 9 of a call: a failure becomes a step. Pure, and one table.

What may be repeated depends on three things: what went wrong, whether a second execution would do
harm, and what the server does with a repeated order number (``RetryPolicy.dedupe``):

``error``   it refuses the number: a resend is safe, and a duplicate answer means "look it up"
``replay``  it gives the first result again: a resend is safe
``none``    nobody knows: what may have been sent is never sent again

Every resend carries the same order number and the same bytes.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping
from typing import Final, Literal

from fincard_async.errors import (
    ApiError,
    ConnectFailed,
    ConnectionLost,
    DuplicateOrder,
    FincardError,
    NotAnEnvelope,
    RateLimited,
    ServerError,
    TimedOut,
    Unauthenticated,
    UsageError,
)

from .budget import THROTTLE_COST, TRANSIENT_COST
from .model import Model
from .operation import Operation, Safety
from .options import RetryPolicy


class Failure(enum.Enum):
    """What went wrong, as far as repeating it is concerned."""

    NOT_SENT = "no byte was sent, and another attempt may get through"
    HOPELESS = "no byte was sent, and no attempt will get through"
    TOKEN = "a complete 401: not carried out"
    LOST = "sent, and no complete, readable answer"
    SERVER = "the server failed while it worked on it"
    THROTTLED = "too many calls"
    FINAL = "a refusal that proves that nothing happened"
    DUPLICATE = "the order number was used before: an earlier call was registered, not this one"
    DOUBTFUL = "an answer that neither proves nor allows anything"


class Step(enum.Enum):
    """What to do about it."""

    RAISE = "give up"
    LOGIN = "fetch another token and repeat at once, one time"
    SOON = "repeat after a short random pause"
    LATER = "repeat after a long random pause"


Column = Literal["read", "sensitive", "error", "replay", "none"]

_COLUMNS: Final[tuple[Column, ...]] = ("read", "sensitive", "error", "replay", "none")
_RAISE, _LOGIN, _SOON, _LATER = Step.RAISE, Step.LOGIN, Step.SOON, Step.LATER
_ROWS: Final[Mapping[Failure, tuple[Step, ...]]] = {
    #                  read    sensitive  error   replay  none
    Failure.NOT_SENT: (_SOON, _SOON, _SOON, _SOON, _SOON),
    Failure.HOPELESS: (_RAISE, _RAISE, _RAISE, _RAISE, _RAISE),
    Failure.TOKEN: (_LOGIN, _LOGIN, _LOGIN, _LOGIN, _LOGIN),
    # From here on the request may have been carried out.
    Failure.LOST: (_SOON, _SOON, _SOON, _SOON, _RAISE),
    Failure.SERVER: (_SOON, _SOON, _SOON, _SOON, _RAISE),
    Failure.THROTTLED: (_LATER, _LATER, _LATER, _LATER, _RAISE),
    Failure.FINAL: (_RAISE, _RAISE, _RAISE, _RAISE, _RAISE),
    Failure.DUPLICATE: (_RAISE, _RAISE, _RAISE, _RAISE, _RAISE),
    Failure.DOUBTFUL: (_RAISE, _RAISE, _RAISE, _RAISE, _RAISE),
}

TABLE: Final[Mapping[tuple[Failure, Column], Step]] = {
    (failure, column): step
    for failure, steps in _ROWS.items()
    for column, step in zip(_COLUMNS, steps, strict=True)
}
"""The whole decision."""

OPEN: Final = frozenset({Failure.LOST, Failure.SERVER, Failure.THROTTLED, Failure.DOUBTFUL})
"""Failures after which the attempt may still be carried out, now or later."""

COST: Final[Mapping[Step, int]] = {
    Step.RAISE: 0,
    Step.LOGIN: 0,
    Step.SOON: TRANSIENT_COST,
    Step.LATER: THROTTLE_COST,
}
"""What each step takes from the retry budget."""


def classify(error: FincardError) -> Failure:
    """Sort an error of one attempt into a row of the table."""
    match error:
        case ConnectFailed():
            return Failure.NOT_SENT if error.passing else Failure.HOPELESS
        case Unauthenticated():
            return Failure.TOKEN
        case RateLimited():
            return Failure.THROTTLED
        case ServerError():
            return Failure.SERVER
        case DuplicateOrder():
            return Failure.DUPLICATE
        case ApiError():
            return Failure.FINAL if error.final else Failure.DOUBTFUL
        case ConnectionLost() | TimedOut() | NotAnEnvelope():
            return Failure.LOST
        case UsageError():
            return Failure.HOPELESS
        case _:
            return Failure.DOUBTFUL


def is_overload(error: FincardError) -> bool:
    """True for what says "too much": 429, 503, and no answer in time."""
    overloaded = isinstance(error, ServerError) and error.status == 503
    return overloaded or isinstance(error, RateLimited | TimedOut)


def column_of(operation: Operation[Model, object], policy: RetryPolicy) -> Column:
    """The column of the table for an operation under a policy."""
    if operation.safety is Safety.READ:
        return "sensitive" if operation.sealed else "read"
    # Without a number the server cannot know a repeat, whatever it does with numbers.
    return "none" if operation.order_number is None else policy.dedupe


def most_attempts(column: Column, policy: RetryPolicy) -> int:
    """How often a request may be handed to the transport, the first time included."""
    if column == "read":
        return policy.read_attempts
    # A read of card data leaves a trace in the issuer's audit log, so it is repeated once at most.
    return min(2, policy.read_attempts) if column == "sensitive" else policy.write_attempts


SETTLING_SHARE: Final = 0.2
SETTLING_MOST: Final = 5.0


def settling_time(
    operation: Operation[Model, object], policy: RetryPolicy, seconds: float
) -> float:
    """Seconds at the end of a call in which no attempt is under way any more.

    Two attempts that hang would use up all of the time, and leave an outcome unknown that one
    look-up could have told.
    """
    if not (operation.mutates and policy.settle and operation.settled_by):
        return 0.0
    return min(SETTLING_MOST, SETTLING_SHARE * seconds)


def pause(
    step: Step, policy: RetryPolicy, attempts: int, jitter: float, hint: float | None
) -> float:
    """Seconds to wait: full jitter over a doubling base, and never less than the server asked.

    Args:
        step: ``SOON`` or ``LATER``; any other step waits for nothing.
        policy: Where the two bases and the cap come from.
        attempts: Attempts made so far, at least 1.
        jitter: A random number from 0 up to 1.
        hint: ``Retry-After`` in seconds. Up to a tenth is added, so that callers who were told the
            same number do not come back at the same moment.
    """
    if step not in (Step.SOON, Step.LATER):
        return 0.0
    base = policy.throttle_delay if step is Step.LATER else policy.base_delay
    ceiling = min(policy.max_delay, math.ldexp(base, min(attempts - 1, 30)))
    return max(jitter * ceiling, 0.0 if hint is None else hint * (1.0 + jitter / 10))
