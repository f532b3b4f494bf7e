"""When another attempt is made, and how long to wait for it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, formatdate

import pytest
from hypothesis import given, strategies as st

from fincard_async import errors
from fincard_async._sansio.operation import Safety
from fincard_async._sansio.options import RetryPolicy
from fincard_async._sansio.outcome import not_sent
from fincard_async._sansio.retry import may_repeat, pause, read_retry_after
from fincard_async.errors import FincardError

POLICY = RetryPolicy(read_attempts=4, write_attempts=3)
NOW = 1_767_225_600.0  # Thu, 01 Jan 2026 00:00:00 GMT
R, W, U = Safety.READ, Safety.IDEMPOTENT_WRITE, Safety.UNSAFE

PASSING: list[FincardError] = [
    errors.ConnectionLost("m"),
    errors.TimedOut("m"),
    errors.ServerError("m"),
    errors.RateLimited("m"),
    errors.NotAnEnvelope("m"),
]
LASTING: list[FincardError] = [
    errors.DecodeError("m"),
    errors.UnexpectedRedirect("m"),
    errors.ResponseTooLarge("m"),
    errors.ResponseMismatch("m"),
    errors.Unauthenticated("m", final=True),
    errors.PermissionDenied("m"),
    errors.NotFound("m"),
    errors.InvalidRequest("m"),
    errors.DuplicateOrder("m"),
    errors.InsufficientFunds("m"),
    errors.UnknownApiError("m"),
    errors.ValidationError("m"),
    errors.ClientClosed("m"),
    not_sent("certificate", passing=False),
]


def _name(value: object) -> str:
    return value.name if isinstance(value, Safety) else type(value).__name__


@pytest.mark.parametrize("safety", Safety, ids=_name)
@pytest.mark.parametrize("error", PASSING, ids=_name)
def test_passing_faults_are_repeated_for_reads_only(error: FincardError, safety: Safety) -> None:
    """What may have reached the server is never sent again, unless it is a read."""
    allowed = [may_repeat(error, safety, POLICY, attempts) for attempts in (1, 3, 4, 5)]
    assert allowed == ([True, True, False, False] if safety is R else [False] * 4)


@pytest.mark.parametrize("safety", Safety, ids=_name)
@pytest.mark.parametrize("error", LASTING, ids=_name)
def test_lasting_faults_are_never_repeated(error: FincardError, safety: Safety) -> None:
    """A refusal, a wrong answer or a bad certificate is the same the next time."""
    assert not may_repeat(error, safety, POLICY, 1)


@pytest.mark.parametrize("safety, most", [(R, 4), (W, 3), (U, 3)], ids=_name)
def test_what_was_not_sent_is_repeated(safety: Safety, most: int) -> None:
    """A connection that failed before the first byte may be tried again by any operation."""
    error = not_sent("refused", passing=True)
    allowed = [may_repeat(error, safety, POLICY, attempts) for attempts in range(1, 7)]
    assert allowed == [attempts < most for attempts in range(1, 7)]


@pytest.mark.parametrize("attempts", [1, 0, -1])
def test_a_policy_can_forbid_every_repeat(attempts: int) -> None:
    """One attempt, or fewer, means: never again."""
    policy = RetryPolicy(read_attempts=attempts, write_attempts=attempts)
    assert not any(
        may_repeat(error, safety, policy, 1)
        for error in (*PASSING, not_sent("refused", passing=True))
        for safety in Safety
    )


@pytest.mark.parametrize(
    "error, attempts, most",
    [
        (errors.TimedOut("m"), 1, 0.05),
        (errors.TimedOut("m"), 2, 0.1),
        (errors.TimedOut("m"), 5, 0.8),
        (errors.TimedOut("m"), 8, 5.0),
        (errors.TimedOut("m"), 10_000, 5.0),
        (errors.RateLimited("m"), 1, 1.0),
        (errors.RateLimited("m"), 2, 2.0),
        (errors.RateLimited("m"), 4, 5.0),
    ],
)
def test_pauses_double_up_to_a_limit(error: FincardError, attempts: int, most: float) -> None:
    """Full jitter over a base that doubles; a throttled call begins with a longer one."""
    assert pause(error, POLICY, attempts, 0.0) == 0.0
    assert pause(error, POLICY, attempts, 0.5) == pytest.approx(most / 2)
    assert pause(error, POLICY, attempts, 1.0) == pytest.approx(most)


@given(
    st.floats(0, 1, exclude_max=True),
    st.integers(1, 50),
    st.one_of(st.none(), st.floats(0, 1000)),
    st.sampled_from([errors.TimedOut, errors.RateLimited]),
)
def test_a_pause_is_never_shorter_than_the_server_asked(
    jitter: float, attempts: int, asked: float | None, kind: type[FincardError]
) -> None:
    """The server's wish is a minimum; without one the longest delay is a maximum."""
    error = kind("m")
    error.retry_after = asked
    seconds = pause(error, POLICY, attempts, jitter)
    assert (asked or 0.0) <= seconds <= max(asked or 0.0, POLICY.max_delay)


@pytest.mark.parametrize(
    "text, seconds",
    [
        (None, None),
        ("0", 0.0),
        ("1", 1.0),
        (" 5 ", 5.0),
        ("3600", 3600.0),
        ("1" + "0" * 30, 1e9),
        ("Thu, 01 Jan 2026 00:01:00 GMT", 60.0),
        ("Thursday, 01-Jan-26 00:01:00 GMT", 60.0),
        ("Thu Jan  1 00:01:00 2026", 60.0),
        ("Thu, 01 Jan 2026 01:01:00 +0100", 60.0),
        ("Wed, 31 Dec 2025 23:59:00 GMT", 0.0),
        ("-1", None),
        ("1.5", None),
        ("+5", None),
        ("1e3", None),
        ("abc", None),
        ("", None),
        ("\u0661", None),
        ("NaN", None),
        ("Thu, 32 Jan 2026 00:00:00 GMT", None),
        ("Thu, 01 Jan 2026 00:00:00 +99999999999999999", None),
        ("Thu, 01 Jan 99999999 00:00:00 GMT", None),
        ("Thu, 01 Jan 0001 00:00:00 +2359", 0.0),
        (",", None),
        ("GMT", None),
    ],
)
def test_retry_after_is_read_in_all_its_forms(text: str | None, seconds: float | None) -> None:
    """Digits and the three forms of a date; a past date is now; anything else is no hint."""
    assert read_retry_after(text, NOW) == seconds


@given(st.integers(-(10**6), 10**6))
def test_dates_are_read_to_the_second(offset: int) -> None:
    """Both library spellings of a date give its distance from now."""
    moment = datetime.fromtimestamp(NOW, UTC) + timedelta(seconds=offset)
    assert read_retry_after(format_datetime(moment), NOW) == max(0.0, offset)
    assert read_retry_after(formatdate(NOW + offset, usegmt=True), NOW) == max(0.0, offset)


@given(
    st.one_of(
        st.text(max_size=60),
        st.from_regex(r"[A-Z][a-z]{2}, \d{1,3} [A-Z][a-z]{2} \d{1,9} [\d:]{0,12} [-+]?\w{0,25}"),
    )
)
def test_no_header_can_break_a_call(text: str) -> None:
    """Any text gives a number that is not negative, or nothing."""
    seconds = read_retry_after(text, NOW)
    assert seconds is None or seconds >= 0
