"""When a call must end: by its own setting, or before a cancel scope around it does.

Source: correctness 4.3. A call that is cut off by the scope would end as a bare cancellation; one
that knows of the scope ends by itself a moment earlier, and tells what became of its order.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import anyio

if TYPE_CHECKING:
    from anyio.abc import AsyncBackend

MARGIN: Final = 0.05
"""Seconds by which a call ends before the scope around it."""


class Scopes:
    """The cancel scopes around the calls of one client, which lives in one event loop."""

    __slots__ = ("_backend",)

    def __init__(self) -> None:
        self._backend: type[AsyncBackend] | None = None

    def seconds_for(self, timeout: float) -> float:
        """How much of ``timeout`` the cancel scopes around this call leave.

        ``asyncio.timeout`` is no scope of anyio and cannot be seen from here; it cancels.
        """
        if (backend := self._backend) is None:
            # anyio's own function finds out anew, for each call, which event loop is running.
            from anyio.lowlevel import current_token  # dear, and needed for the first call only

            backend = self._backend = current_token().backend_class
        end = backend.current_effective_deadline()
        if math.isinf(end):  # no deadline; or cancelled already, which the next await will tell
            return timeout
        return min(timeout, end - anyio.current_time() - MARGIN)
