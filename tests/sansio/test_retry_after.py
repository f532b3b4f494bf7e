"""How long the server asks to wait."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, formatdate

import pytest
from hypothesis import given, strategies as st

from fincard_async._sansio.retry_after import MOST, read_retry_after

NOW = 1_767_225_600.0  # Thu, 01 Jan 2026 00:00:00 GMT
DATE = "Thu, 01 Jan 2026 00:00:00 GMT"
HOUR = 3600.0


@pytest.mark.parametrize(
    "text, seconds",
    [
        (None, None),
        ("0", 0.0),
        ("1", 1.0),
        (" 5 ", 5.0),
        ("0000000000000000007", 7.0),
        ("300", 300.0),
        ("3600", MOST),
        ("1" + "0" * 30, MOST),
        ("9" * 8000, MOST),
        ("Thu, 01 Jan 2026 00:01:00 GMT", 60.0),
        ("Thursday, 01-Jan-26 00:01:00 GMT", 60.0),
        ("Thu Jan  1 00:01:00 2026", 60.0),
        ("Thu, 01 Jan 2026 01:01:00 +0100", 60.0),
        ("Wed, 31 Dec 2025 23:59:00 GMT", 0.0),
        ("Thu, 01 Jan 2099 00:00:00 GMT", MOST),
        ("-1", None),
        ("1.5", None),
        ("+5", None),
        ("1e3", None),
        ("1, 2", 2.0),
        ("7,3 , 5", 7.0),
        ("1,", None),
        (",1", None),
        ("1, Thu, 01 Jan 2026 00:01:00 GMT", None),
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
def test_it_is_read_in_all_its_forms(text: str | None, seconds: float | None) -> None:
    """Digits and the three forms of a date; a past date is now; anything else is no hint."""
    assert read_retry_after(text, None, NOW) == seconds


@pytest.mark.parametrize("skew", [-HOUR, 0.0, HOUR])
@pytest.mark.parametrize(
    "text",
    [
        "Thu, 01 Jan 2026 00:01:00 GMT",
        "Thursday, 01-Jan-26 00:01:00 GMT",
        "Thu Jan  1 00:01:00 2026",
    ],
)
def test_a_wrong_clock_does_not_matter_where_the_answer_is_dated(text: str, skew: float) -> None:
    """The difference of the answer's two dates is what the server means."""
    assert read_retry_after(text, DATE, NOW + skew) == 60.0
    assert read_retry_after(text, f" {DATE} ", NOW + skew) == 60.0


@pytest.mark.parametrize("date", ["", "yesterday", "-1"])
def test_a_date_that_cannot_be_read_is_no_date(date: str) -> None:
    """This machine's clock is then the best there is."""
    assert read_retry_after("Thu, 01 Jan 2026 00:01:00 GMT", date, NOW + 10) == 50.0


@pytest.mark.parametrize("skew, seconds", [(-HOUR, MOST), (HOUR, 0.0)])
def test_without_a_date_a_wrong_clock_is_bounded(skew: float, seconds: float) -> None:
    """An hour of skew makes neither an hour's wait nor a negative one."""
    assert read_retry_after("Thu, 01 Jan 2026 00:01:00 GMT", None, NOW + skew) == seconds


def test_seconds_need_no_clock() -> None:
    """A date on the answer changes nothing about them."""
    assert read_retry_after("7", "Thu, 01 Jan 1970 00:00:00 GMT", NOW) == 7.0


@given(st.integers(-(10**6), 10**6))
def test_dates_are_read_to_the_second(offset: int) -> None:
    """Both library spellings of a date give its distance from now."""
    moment = datetime.fromtimestamp(NOW, UTC) + timedelta(seconds=offset)
    expected = min(MOST, max(0.0, offset))
    assert read_retry_after(format_datetime(moment), None, NOW) == expected
    assert read_retry_after(formatdate(NOW + offset, usegmt=True), DATE, 0.0) == expected


_TEXT = st.one_of(
    st.text(max_size=60),
    st.from_regex(r"[A-Z][a-z]{2}, \d{1,3} [A-Z][a-z]{2} \d{1,9} [\d:]{0,12} [-+]?\w{0,25}"),
)


@given(_TEXT, st.one_of(st.none(), _TEXT))
def test_no_header_can_break_a_call(text: str, date: str | None) -> None:
    """Any text gives a number from 0 to the limit, or nothing."""
    seconds = read_retry_after(text, date, NOW)
    assert seconds is None or 0 <= seconds <= MOST
