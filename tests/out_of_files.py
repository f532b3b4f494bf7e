"""A program whose process runs out of files the moment its mutation is sent; see test_surface.

It runs by itself, because what is imported already can be imported again.
"""

from __future__ import annotations

import asyncio
import errno
import sys
from collections.abc import Sequence
from types import ModuleType

from fincard_async import BearerToken, FincardClient, FincardError, Limits
from fincard_async._runtime.ports import SystemClock
from fincard_async._sansio.messages import HttpRequest, HttpResponse, TransportFailure


class NoFiles:
    """Finds no module any more."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> None:
        """Said of whatever was not imported before."""
        raise OSError(errno.EMFILE, "Too many open files", name)


class Wire:
    """Takes every request and brings no answer."""

    async def send(self, request: HttpRequest, timeout: float) -> HttpResponse:
        """From here on nothing can be imported."""
        sys.meta_path.insert(0, NoFiles())
        raise TransportFailure("lost", sent=True, detail="the connection broke")

    async def aclose(self) -> None:
        """Nothing is open."""


class Clock(SystemClock):
    """Goes on only by sleeping."""

    def __init__(self) -> None:
        self.now = 0.0
        self.monotonic = lambda: self.now

    async def sleep(self, seconds: float) -> None:
        """No time passes outside."""
        self.now += seconds


async def main() -> None:
    """Print how the mutation ended."""
    client = FincardClient(
        base_url="https://sandbox.example",
        auth=BearerToken("token"),
        tenant_id="tenant",
        transport=Wire(),
        clock=Clock(),
        limits=Limits(rate=0.5),  # so that the second attempt waits in line
    )
    try:
        await client.cards.deposit("4000", amount="1")
    except FincardError as error:
        sys.stdout.write(f"{type(error).__name__}\n")
    await client.aclose()


asyncio.run(main())
