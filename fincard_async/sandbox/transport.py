"""A client's transport that ends in this process: no socket, no port, no thread.

It has the methods of the transport port of the client, without importing it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import anyio
import anyio.lowlevel

from fincard_async._sansio.messages import HttpRequest, HttpResponse, TransportFailure

from .fault_plans import FaultPlan
from .replies import Shown, failure

if TYPE_CHECKING:
    from . import Sandbox


class Sleeper(Protocol):
    """Waits; a client's clock does."""

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class _RealTime:
    async def sleep(self, seconds: float) -> None:
        await anyio.sleep(seconds)


class SandboxTransport:
    """Sends requests to a sandbox in this process.

    Args:
        sandbox: Who answers; it stays open when the transport is closed.
        delay: Seconds that an answer takes. The sandbox acts first and the wait comes afterwards,
            as with a slow network, so a call that times out has still been carried out.
        faults: What goes wrong; None for nothing.
        clock: Does the waiting, such as a fake clock; None for real time. A sandbox whose own
            clock is the same one sees that time passes.
    """

    def __init__(
        self,
        sandbox: Sandbox,
        delay: float = 0.0,
        faults: FaultPlan | None = None,
        clock: Sleeper | None = None,
    ) -> None:
        self._sandbox = sandbox
        self._delay = delay
        self._injector = None if faults is None else sandbox.injector(faults)
        self._clock = clock or _RealTime()
        self._closed = False

    async def send(self, request: HttpRequest, timeout: float) -> HttpResponse:
        """Answer one request; other tasks run in between.

        Raises:
            TransportFailure: The delay is longer than the time-out, the transport is closed, or a
                fault says so, with the facts that the real transport would report.
        """
        if self._closed:
            raise TransportFailure("connect", sent=False, detail="the transport is closed")
        await anyio.lowlevel.checkpoint()
        meeting = None if self._injector is None else self._injector.meet(request.path)
        if self._injector is not None and meeting is not None:
            return await self._show(request, self._injector.carry_out(meeting, request), timeout)
        response = self._sandbox.handle(request)
        if self._delay:
            await self._wait(self._delay, timeout)
        return response

    async def _show(self, request: HttpRequest, shown: Shown, timeout: float) -> HttpResponse:
        try:
            if shown.lasts or self._delay:
                await self._wait(shown.lasts + self._delay, timeout)
            broken = None if shown.flaw is None else failure(shown.flaw)
        finally:
            if shown.late_ms is not None:
                self._sandbox.handle_later(request, shown.late_ms)
        if broken is not None:
            raise broken
        return shown.response

    async def _wait(self, seconds: float, timeout: float) -> None:
        await self._clock.sleep(min(seconds, timeout))
        if seconds > timeout:
            raise TransportFailure("timeout", sent=True, detail="no complete reply in time")

    async def aclose(self) -> None:
        """Take no more requests."""
        self._closed = True
