"""Waiting for another process, which has no clock of ours."""

from __future__ import annotations

import time
from collections.abc import Callable


def wait_until(
    true: Callable[[], bool], seconds: float, why: Callable[[], str] = lambda: "it never was"
) -> None:
    """Ask again and again until it is so.

    Raises:
        AssertionError: It was not within ``seconds``; with ``why``.
    """
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, why()
        time.sleep(0.02)  # noqa: TID251 - another process, not an event of this one
