"""When a call must end: by its own setting, or before a cancel scope around it does.

Source: correctness 4.3. A call that is cut off by the scope would end as a bare cancellation; one
that knows of the scope ends by itself a moment earlier, and tells what became of its order.
"""

from __future__ import annotations

import math
from typing import Final

import anyio

MARGIN: Final = 0.05
"""Seconds by which a call ends before the scope around it."""


def seconds_for(timeout: float) -> float:
    """How much of ``timeout`` the cancel scopes around this call leave.

    ``asyncio.timeout`` is no scope of anyio and cannot be seen from here; it cancels.
    """
    end = anyio.current_effective_deadline()
    if math.isinf(end):  # no deadline; or cancelled already, which the next await will tell
        return timeout
    return min(timeout, end - anyio.current_time() - MARGIN)
