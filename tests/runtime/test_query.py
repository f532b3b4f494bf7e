"""One query as the source of pages."""

from __future__ import annotations

import pytest

from fincard_async import CallOptions, Lane
from fincard_async._runtime.query import in_background


@pytest.mark.parametrize(
    "given, lane, timeout",
    [
        (None, Lane.BACKGROUND, None),
        (CallOptions(timeout=5.0), Lane.BACKGROUND, 5.0),
        (CallOptions(lane=Lane.READ), Lane.READ, None),
    ],
)
def test_a_sweep_stands_behind_others(
    given: CallOptions | None, lane: Lane, timeout: float | None
) -> None:
    """Its calls wait in the lane for sweeps, unless the caller chose another one."""
    options = in_background(given)
    assert (options.lane, options.timeout) == (lane, timeout)
