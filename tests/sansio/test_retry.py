"""When another attempt is made, and how long to wait for it."""

from __future__ import annotations

import typing

import pytest
from hypothesis import given, strategies as st

from fincard_async import errors
from fincard_async._generated.operations import OPERATION_NAMES, load
from fincard_async._sansio.operation import Safety
from fincard_async._sansio.options import NO_RETRY, Dedupe, RetryPolicy
from fincard_async._sansio.outcome import not_sent, overloaded
from fincard_async._sansio.retry import (
    COST,
    OPEN,
    TABLE,
    Column,
    Failure,
    Step,
    classify,
    column_of,
    is_overload,
    most_attempts,
    pause,
)
from fincard_async.errors import FincardError

POLICY = RetryPolicy(read_attempts=4, write_attempts=3)
COLUMNS: tuple[Column, ...] = typing.get_args(Column)
DEDUPES: tuple[Dedupe, ...] = typing.get_args(Dedupe)

CELLS = """
            read  sensitive error replay none
NOT_SENT    SOON  SOON      SOON  SOON   SOON
HOPELESS    RAISE RAISE     RAISE RAISE  RAISE
TOKEN       LOGIN LOGIN     LOGIN LOGIN  LOGIN
LOST        SOON  SOON      SOON  SOON   RAISE
SERVER      SOON  SOON      SOON  SOON   RAISE
THROTTLED   LATER LATER     LATER LATER  RAISE
FINAL       RAISE RAISE     RAISE RAISE  RAISE
DUPLICATE   RAISE RAISE     RAISE RAISE  RAISE
DOUBTFUL    RAISE RAISE     RAISE RAISE  RAISE
"""
"""Correctness 4.1, written down a second time."""

ERRORS: list[tuple[FincardError, Failure]] = [
    (not_sent("refused", passing=True), Failure.NOT_SENT),
    (not_sent("certificate"), Failure.HOPELESS),
    (overloaded("too many wait"), Failure.HOPELESS),
    (errors.ValidationError("m"), Failure.HOPELESS),
    (errors.ArgumentTypeError("m"), Failure.HOPELESS),
    (errors.ConfigError("m"), Failure.HOPELESS),
    (errors.ClientClosed("m"), Failure.HOPELESS),
    (errors.WrongLoop("m"), Failure.HOPELESS),
    (errors.ForkedClient("m"), Failure.HOPELESS),
    (errors.IdempotencyConflict("m"), Failure.HOPELESS),
    (errors.Unauthenticated("m", final=True), Failure.TOKEN),
    (errors.ConnectionLost("m"), Failure.LOST),
    (errors.TimedOut("m"), Failure.LOST),
    (errors.NotAnEnvelope("m"), Failure.LOST),
    (errors.ServerError("m"), Failure.SERVER),
    (errors.ServerError("m", final=True), Failure.SERVER),
    (errors.RateLimited("m"), Failure.THROTTLED),
    (errors.InvalidRequest("m", final=True), Failure.FINAL),
    (errors.PermissionDenied("m", final=True), Failure.FINAL),
    (errors.NotFound("m", final=True), Failure.FINAL),
    (errors.InsufficientFunds("m", final=True), Failure.FINAL),
    (errors.DuplicateOrder("m"), Failure.DUPLICATE),
    (errors.InvalidRequest("m"), Failure.DOUBTFUL),
    (errors.PermissionDenied("m"), Failure.DOUBTFUL),
    (errors.NotFound("m"), Failure.DOUBTFUL),
    (errors.UnknownApiError("m"), Failure.DOUBTFUL),
    (errors.DecodeError("m"), Failure.DOUBTFUL),
    (errors.UnexpectedRedirect("m"), Failure.DOUBTFUL),
    (errors.ResponseTooLarge("m"), Failure.DOUBTFUL),
    (errors.ResponseMismatch("m"), Failure.DOUBTFUL),
    (errors.BadReplySignature("m"), Failure.DOUBTFUL),
    (errors.OutcomeUnknown("m"), Failure.DOUBTFUL),
]


def _cells() -> list[tuple[Failure, Column, Step]]:
    _, *rows = CELLS.strip().splitlines()
    return [
        (Failure[name], column, Step[step])
        for name, *steps in map(str.split, rows)
        for column, step in zip(COLUMNS, steps, strict=True)
    ]


@pytest.mark.parametrize("failure, column, step", _cells())
def test_every_cell_of_the_table(failure: Failure, column: Column, step: Step) -> None:
    """What is done about each failure, for each kind of operation."""
    assert TABLE[failure, column] is step


def test_the_table_has_no_other_cells() -> None:
    """Every failure meets every column, and the header line above is in order."""
    assert set(TABLE) == {(failure, column) for failure, column, _ in _cells()}
    assert len(TABLE) == len(Failure) * len(COLUMNS)
    assert CELLS.split()[: len(COLUMNS)] == list(COLUMNS)


def test_without_dedupe_nothing_that_may_be_carried_out_is_sent_again() -> None:
    """The column ``none`` repeats only what is proven not to have been carried out."""
    repeated = {failure for failure in Failure if TABLE[failure, "none"] is not Step.RAISE}
    assert repeated == {Failure.NOT_SENT, Failure.TOKEN}
    assert not repeated & OPEN


def test_what_stays_open() -> None:
    """Proof alone closes an attempt: not sent, a complete 401, a refusal, a duplicate."""
    closed = {
        Failure.NOT_SENT,
        Failure.HOPELESS,
        Failure.TOKEN,
        Failure.FINAL,
        Failure.DUPLICATE,
    }
    assert set(Failure) - OPEN == closed


@pytest.mark.parametrize("error, failure", ERRORS, ids=lambda value: type(value).__name__)
def test_an_error_has_one_row(error: FincardError, failure: Failure) -> None:
    """The class says it, and where needed whether it passes or is final."""
    assert classify(error) is failure


def test_every_error_of_a_call_has_a_row() -> None:
    """Only errors that no call raises are missing above."""
    elsewhere = {
        errors.MissingExtraError,
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
    }
    bases = {errors.UsageError, errors.TransportError, errors.ReplyError, errors.ApiError}
    tree = {
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, FincardError)
    }
    assert tree - {type(error) for error, _ in ERRORS} - elsewhere - bases == {FincardError}


@pytest.mark.parametrize("name", OPERATION_NAMES)
@pytest.mark.parametrize("dedupe", DEDUPES)
def test_an_operation_has_one_column(name: str, dedupe: Dedupe) -> None:
    """Mutations with a number follow the setting; reads of sealed values are apart from others."""
    operation = load(name)
    column = column_of(operation, RetryPolicy(dedupe=dedupe))
    if operation.safety is not Safety.READ:
        assert column == ("none" if operation.order_number is None else dedupe)
    else:
        sealed = name in {"cards.get_sensitive", "transactions.three_ds"}
        assert column == ("sensitive" if sealed else "read")


@pytest.mark.parametrize(
    "column, most", [("read", 4), ("sensitive", 2), ("error", 3), ("replay", 3), ("none", 3)]
)
def test_attempts_are_bounded(column: Column, most: int) -> None:
    """A read of card data leaves a trace, so it is repeated once at most."""
    assert most_attempts(column, POLICY) == most
    assert most_attempts(column, NO_RETRY) == 1


@pytest.mark.parametrize(
    "error, status, overload",
    [
        (errors.RateLimited("m"), 429, True),
        (errors.RateLimited("m"), 200, True),
        (errors.ServerError("m"), 503, True),
        (errors.TimedOut("m"), None, True),
        (errors.ServerError("m"), 500, False),
        (errors.ConnectionLost("m"), None, False),
        (not_sent("m", passing=True), None, False),
        (errors.InvalidRequest("m"), 503, False),
    ],
)
def test_signs_of_overload(error: FincardError, status: int | None, overload: bool) -> None:
    """429, 503 and silence."""
    error.status = status
    assert is_overload(error) is overload


@pytest.mark.parametrize(
    "step, attempts, most",
    [
        (Step.SOON, 1, 0.05),
        (Step.SOON, 2, 0.1),
        (Step.SOON, 5, 0.8),
        (Step.SOON, 8, 5.0),
        (Step.SOON, 10_000, 5.0),
        (Step.LATER, 1, 1.0),
        (Step.LATER, 2, 2.0),
        (Step.LATER, 4, 5.0),
        (Step.RAISE, 1, 0.0),
        (Step.LOGIN, 1, 0.0),
    ],
)
def test_pauses_double_up_to_a_limit(step: Step, attempts: int, most: float) -> None:
    """Full jitter over a base that doubles; a throttled call begins with a longer one."""
    assert pause(step, POLICY, attempts, 0.0, None) == 0.0
    assert pause(step, POLICY, attempts, 0.5, None) == pytest.approx(most / 2)
    assert pause(step, POLICY, attempts, 1.0, None) == pytest.approx(most)


@given(
    st.floats(0, 1, exclude_max=True),
    st.integers(1, 50),
    st.one_of(st.none(), st.floats(0, 1000)),
    st.sampled_from([Step.SOON, Step.LATER]),
)
def test_a_pause_is_never_shorter_than_the_server_asked(
    jitter: float, attempts: int, asked: float | None, step: Step
) -> None:
    """The server's wish is a minimum, up to a tenth longer; else the longest delay is a maximum."""
    seconds = pause(step, POLICY, attempts, jitter, asked)
    assert (asked or 0.0) <= seconds <= max((asked or 0.0) * 1.1, POLICY.max_delay)


def test_callers_who_were_told_the_same_come_back_at_different_times() -> None:
    """Up to a tenth is added to what the server asked."""
    assert [pause(Step.LATER, POLICY, 1, jitter, 100.0) for jitter in (0.0, 0.5)] == [100.0, 105.0]


def test_only_repeats_cost() -> None:
    """A throttled repeat is cheaper than one after a fault; a login costs nothing."""
    assert COST == {Step.RAISE: 0, Step.LOGIN: 0, Step.SOON: 14, Step.LATER: 5}
