"""``Retry-After``: seconds, or any of the three forms of an HTTP date."""

from __future__ import annotations

import re
from datetime import UTC
from email.utils import parsedate_to_datetime

MOST = 300.0
"""Seconds; a server that asks for more is not waited for longer than this."""

_SECONDS = re.compile(r"[0-9]+(?:[ \t]*,[ \t]*[0-9]+)*\Z")


def read_retry_after(text: str | None, date: str | None, now: float) -> float | None:
    """Seconds that the server asks to wait; None if it gives no hint that can be read.

    Args:
        text: The header; where it came twice, the longest counts. A date in the past means 0; a
            number with a sign or fraction is no hint.
        date: The answer's own ``Date``: with it, a wrong clock on this side does not matter.
        now: Seconds since the epoch, where there is no ``Date``.
    """
    if text is None:
        return None
    text = text.strip()
    if _SECONDS.match(text):
        return min(MOST, max(map(float, text.split(","))))
    moment = _moment(text)
    if moment is None:
        return None
    sent = None if date is None else _moment(date.strip())
    return min(MOST, max(0.0, moment - (now if sent is None else sent)))


def _moment(text: str) -> float | None:
    try:
        parsed = parsedate_to_datetime(text)
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):  # the parser trusts its input
        return None
