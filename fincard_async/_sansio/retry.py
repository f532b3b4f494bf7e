"""Stage 9 of a call: a failure becomes seconds to sleep, or None to give up. Pure.

This first form repeats only what is safe without any knowledge of the server: reads, and calls
that were proven not sent. A complete 401 also proves that a call was not carried out; the pipeline
drops the token and repeats it once.
"""

from __future__ import annotations

import math
from datetime import UTC
from email.utils import parsedate_to_datetime

from fincard_async.errors import (
    ConnectFailed,
    ConnectionLost,
    FincardError,
    NotAnEnvelope,
    RateLimited,
    ServerError,
    TimedOut,
)

from .operation import Safety
from .options import RetryPolicy

_PASSING_FOR_READS = (ConnectionLost, TimedOut, ServerError, RateLimited, NotAnEnvelope)


def may_repeat(error: FincardError, safety: Safety, policy: RetryPolicy, attempts: int) -> bool:
    """True if another attempt is safe and allowed."""
    if isinstance(error, ConnectFailed):
        most = policy.read_attempts if safety is Safety.READ else policy.write_attempts
        return error.passing and attempts < most
    return (
        safety is Safety.READ
        and isinstance(error, _PASSING_FOR_READS)
        and attempts < policy.read_attempts
    )


def pause(error: FincardError, policy: RetryPolicy, attempts: int, jitter: float) -> float:
    """Seconds to wait: full jitter over a doubling base, and never less than the server asked."""
    throttled = isinstance(error, RateLimited)
    base = policy.throttle_delay if throttled else policy.base_delay
    ceiling = min(policy.max_delay, math.ldexp(base, min(attempts - 1, 30)))
    return max(jitter * ceiling, error.retry_after or 0.0)


def read_retry_after(text: str | None, now: float) -> float | None:
    """Seconds from a ``Retry-After`` header; ``now`` in seconds since the epoch.

    Digits or an HTTP date; a date in the past is 0; anything else is no hint.
    """
    if text is None:
        return None
    text = text.strip()
    if text.isascii() and text.isdigit():
        return float(text[:10])
    try:
        moment = parsedate_to_datetime(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return max(0.0, moment.timestamp() - now)
    except (ValueError, TypeError, IndexError, OverflowError):  # the parser trusts its input
        return None
