"""What a failed call means: the law that every mutation ends in exactly one of four ways.

A result; a refusal known to be final; ``ConnectFailed``, where nothing was sent; and
``OutcomeUnknown`` for everything else. A read keeps the error it met.
"""

from __future__ import annotations

from fincard_async.errors import (
    ApiError,
    ConnectFailed,
    ConnectionLost,
    DuplicateOrder,
    FincardError,
    LocalOverload,
    NotAnEnvelope,
    OutcomeUnknown,
    ResponseTooLarge,
    TimedOut,
    UsageError,
)

from .messages import TransportFailure

_AFTER_SENDING: dict[str, type[FincardError]] = {
    "timeout": TimedOut,
    "too-large": ResponseTooLarge,
    "malformed": NotAnEnvelope,
}


def from_failure(failure: TransportFailure) -> FincardError:
    """The error for an exchange that brought no complete answer."""
    if not failure.sent:
        return not_sent(failure.detail, passing=failure.reason != "certificate")
    return _AFTER_SENDING.get(failure.reason, ConnectionLost)(failure.detail)


def not_sent(message: str, *, passing: bool = False) -> ConnectFailed:
    """Nothing was sent; ``passing`` tells whether another attempt may help."""
    error = ConnectFailed(message)
    error.passing = passing
    return error


def overloaded(message: str) -> LocalOverload:
    """Nothing was sent, because this client is busy; another attempt would only add to it."""
    error = LocalOverload(message)
    error.passing = False
    return error


def conclude(
    error: FincardError,
    *,
    operation: str,
    mutates: bool,
    order_no: str | None,
    attempts: int,
    in_doubt: bool,
) -> FincardError:
    """The error with which a call ends, with every fact of the call on it.

    ``in_doubt`` tells that an earlier attempt of a mutation may still be carried out. Then nothing
    that a later attempt met is final: a refusal may only say that the first one was faster.
    """
    settled = not mutates or (_is_settled(error) and not in_doubt)
    final = error if settled else _unknown(error)
    final.operation = operation
    final.order_no = order_no
    final.attempts = attempts
    final.maybe_applied = mutates and isinstance(final, OutcomeUnknown | DuplicateOrder)
    return final


def _is_settled(error: FincardError) -> bool:
    if isinstance(error, ApiError):
        # A duplicate says that an earlier call arrived; this one did nothing.
        return error.final or isinstance(error, DuplicateOrder)
    return isinstance(error, UsageError | ConnectFailed)


def _unknown(error: FincardError) -> OutcomeUnknown:
    return OutcomeUnknown(
        f"the outcome is unknown: {error.message}",
        code=error.code,
        status=error.status,
        retry_after=error.retry_after,
    )
