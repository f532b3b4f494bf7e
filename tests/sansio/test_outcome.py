"""What a failed call means."""

from __future__ import annotations

import typing

import pytest

from fincard_async import errors
from fincard_async._sansio.messages import Reason, TransportFailure
from fincard_async._sansio.outcome import conclude, from_failure, not_sent, overloaded
from fincard_async.errors import ConnectFailed, FincardError, OutcomeUnknown

REASONS = typing.get_args(Reason)


@pytest.mark.parametrize(
    "reason, kind",
    [
        ("connect", errors.ConnectionLost),
        ("certificate", errors.ConnectionLost),
        ("pool", errors.ConnectionLost),
        ("lost", errors.ConnectionLost),
        ("timeout", errors.TimedOut),
        ("too-large", errors.ResponseTooLarge),
        ("malformed", errors.NotAnEnvelope),
    ],
)
def test_a_failure_after_sending(reason: Reason, kind: type[FincardError]) -> None:
    """The reason becomes a class; a new reason would need a row here."""
    assert reason in REASONS
    assert type(from_failure(TransportFailure(reason, sent=True, detail="d"))) is kind


@pytest.mark.parametrize("reason", REASONS)
def test_a_failure_before_sending(reason: Reason) -> None:
    """Whatever the reason, nothing was sent; only a bad certificate does not pass."""
    error = from_failure(TransportFailure(reason, sent=False, detail="why"))
    assert isinstance(error, ConnectFailed)
    assert error.passing is (reason != "certificate")
    assert error.message == "why"


SETTLED: list[FincardError] = [
    errors.ApiError("m", final=True),
    errors.InvalidRequest("m", final=True),
    errors.Unauthenticated("m", final=True),
    errors.InsufficientFunds("m", final=True),
    errors.DuplicateOrder("m"),
    errors.ValidationError("m"),
    errors.ClientClosed("m"),
    errors.WrongLoop("m"),
    errors.ForkedClient("m"),
    errors.IdempotencyConflict("m"),
    ConnectFailed("m"),
    not_sent("m", passing=True),
    overloaded("m"),
]
OPEN: list[FincardError] = [
    errors.ConnectionLost("m"),
    errors.TimedOut("m"),
    errors.NotAnEnvelope("m"),
    errors.DecodeError("m"),
    errors.UnexpectedRedirect("m"),
    errors.ResponseTooLarge("m"),
    errors.ResponseMismatch("m"),
    errors.BadReplySignature("m"),
    errors.ServerError("m"),
    errors.RateLimited("m"),
    errors.UnknownApiError("m"),
    errors.InvalidRequest("m"),
    errors.NotFound("m"),
    errors.Unauthenticated("m"),
]


def _conclude(error: FincardError, *, mutates: bool, in_doubt: bool = False) -> FincardError:
    return conclude(
        error,
        operation="things.pay",
        mutates=mutates,
        order_no="A" * 32 if mutates else None,
        attempts=2,
        in_doubt=in_doubt,
    )


@pytest.mark.parametrize("error", SETTLED, ids=lambda error: type(error).__name__)
def test_a_settled_mutation_keeps_its_error(error: FincardError) -> None:
    """A final refusal, and what was never sent, say what happened by themselves."""
    final = _conclude(error, mutates=True)
    assert final is error
    assert final.maybe_applied is isinstance(error, errors.DuplicateOrder)


@pytest.mark.parametrize("error", OPEN, ids=lambda error: type(error).__name__)
def test_every_other_mutation_is_unknown(error: FincardError) -> None:
    """Anything not known to be final is unknown, with the facts of the first error."""
    error.code, error.status, error.retry_after = 7, 503, 1.5
    final = _conclude(error, mutates=True)
    assert type(final) is OutcomeUnknown
    assert (final.code, final.status, final.retry_after) == (7, 503, 1.5)
    assert (final.maybe_applied, final.order_no) == (True, "A" * 32)
    assert final.message == "the outcome is unknown: m"


@pytest.mark.parametrize("error", SETTLED + OPEN, ids=lambda error: type(error).__name__)
def test_nothing_is_final_while_an_earlier_attempt_is_open(error: FincardError) -> None:
    """A refusal, a duplicate, even an attempt that was not sent: the first one may still land."""
    final = _conclude(error, mutates=True, in_doubt=True)
    assert type(final) is OutcomeUnknown
    assert (final.maybe_applied, final.attempts) == (True, 2)


@pytest.mark.parametrize("error", SETTLED + OPEN, ids=lambda error: type(error).__name__)
def test_a_read_keeps_its_error(error: FincardError) -> None:
    """A read changed nothing, so its error is what it met."""
    final = _conclude(error, mutates=False)
    assert final is error
    assert (final.operation, final.order_no, final.attempts) == ("things.pay", None, 2)
    assert not final.maybe_applied


def test_the_table_covers_the_tree() -> None:
    """Every error that a call can end in has a row above."""
    elsewhere = {
        errors.ConfigError,
        errors.MissingExtraError,
        errors.OutcomeUnknown,
        errors.UnsealError,
        errors.WebhookError,
        errors.IncompletePagination,
        errors.StatusContradiction,
        errors.ExportError,
        errors.WebhookRefused,
        errors.WebhookUnreadable,
        errors.JournalError,
        errors.JournalLocked,
        errors.JournalMismatch,
        errors.PermissionDenied,
        errors.ArgumentTypeError,
    }
    bases = {errors.UsageError, errors.TransportError, errors.ReplyError, errors.ApiError}
    covered = {type(error) for error in SETTLED + OPEN} | elsewhere | bases
    tree = {
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, FincardError)
    }
    assert tree - covered == {FincardError}
