"""The outside world as this package needs it: a wire, a home, a clock, randomness."""

from __future__ import annotations

import secrets
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from typing import Protocol

import anyio

from fincard_async._sansio.messages import HttpRequest, HttpResponse


class Transport(Protocol):
    """Carries one POST and brings back one complete answer."""

    async def send(self, request: HttpRequest, timeout: float) -> HttpResponse:
        """Send once, never follow a redirect, never repeat.

        Raises:
            TransportFailure: No complete answer within ``timeout`` seconds.
        """
        ...

    async def aclose(self) -> None:
        """Close every connection."""
        ...


class Home(Protocol):
    """The process and the event loop that a client belongs to, until it is closed."""

    def enter(self) -> None:
        """Return if this is the place.

        Raises:
            ClientClosed, ForkedClient, WrongLoop: It is not; nothing was sent.
        """
        ...

    def start(self, work: Callable[[], Awaitable[None]]) -> None:
        """Carry out ``work`` in a task that no call's cancellation reaches; it must not raise."""
        ...


class Clock(Protocol):
    """Time, as a port, so that tests need none."""

    def monotonic(self) -> float:
        """Seconds that never go back: for deadlines and pauses."""
        ...

    def wall(self) -> float:
        """Seconds since the epoch: for token lifetimes and dates in headers."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...

    def limit(self, seconds: float) -> AbstractContextManager[anyio.CancelScope]:
        """A scope that is cancelled when so much time has passed."""
        ...


class Gate(Protocol):
    """Whoever else must agree before an attempt is sent, such as a rate that machines share."""

    async def enter(self, deadline: float) -> None:
        """Return when the attempt may go; its first byte is what follows.

        Args:
            deadline: Of the call, in seconds of ``Clock.monotonic``.

        Raises:
            ConnectFailed: It may not go, or not before the deadline; nothing was sent.
        """
        ...


class Entropy(Protocol):
    """Randomness, as a port."""

    def token_bytes(self, count: int) -> bytes:
        """Unpredictable bytes, for order numbers."""
        ...

    def fraction(self) -> float:
        """A number from 0 up to 1, for jitter."""
        ...


class SystemClock:
    """The machine's clock."""

    # Not functions of our own around them: a call looks at the clock several times.
    monotonic = staticmethod(time.monotonic)
    wall = staticmethod(time.time)

    async def sleep(self, seconds: float) -> None:
        await anyio.sleep(seconds)

    def limit(self, seconds: float) -> AbstractContextManager[anyio.CancelScope]:
        return anyio.move_on_after(max(0.0, seconds))


class SystemEntropy:
    """The machine's source of randomness."""

    def token_bytes(self, count: int) -> bytes:
        return secrets.token_bytes(count)

    def fraction(self) -> float:
        return secrets.randbits(53) / (1 << 53)
