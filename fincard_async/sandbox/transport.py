"""A client's transport that ends in this process: no socket, no port, no thread.

It has the methods of the transport port of the client, without importing it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel

from fincard_async._sansio.messages import HttpRequest, HttpResponse, TransportFailure

if TYPE_CHECKING:
    from . import Sandbox


class SandboxTransport:
    """Sends requests to a sandbox in this process.

    Args:
        sandbox: Who answers; it stays open when the transport is closed.
        delay: Seconds that an answer takes. The sandbox acts first and the wait comes afterwards,
            as with a slow network, so a call that times out has still been carried out.
    """

    def __init__(self, sandbox: Sandbox, delay: float = 0.0) -> None:
        self._sandbox = sandbox
        self._delay = delay
        self._closed = False

    async def send(self, request: HttpRequest, timeout: float) -> HttpResponse:
        """Answer one request; other tasks run in between.

        Raises:
            TransportFailure: The delay is longer than the time-out, or the transport is closed.
        """
        if self._closed:
            raise TransportFailure("connect", sent=False, detail="the transport is closed")
        await anyio.lowlevel.checkpoint()
        response = self._sandbox.handle(request)
        if self._delay:
            await anyio.sleep(min(self._delay, timeout))
            if self._delay > timeout:
                raise TransportFailure("timeout", sent=True, detail="no answer in time")
        return response

    async def aclose(self) -> None:
        """Take no more requests."""
        self._closed = True
