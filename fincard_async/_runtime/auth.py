"""Stage 5 of a call: the Authorization header, from one login shared by every call.

Ten thousand calls that meet an expired token cause one login. The first of them carries it out; the
others wait for its end. A cancelled waiter cancels nobody else; and while somebody waits for it,
the call that carries out the login finishes it before it lets its own cancellation through. (A bare
``Task.cancel()`` of asyncio heeds no shield: then the next in line logs in.) A call that got a 401
drops the token it used, and only that one, so that a late 401 never throws away a token that is
newer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, Protocol

import anyio

from fincard_async._sansio.outcome import not_sent
from fincard_async._sansio.token import Token
from fincard_async.errors import FincardError

from .ports import Clock

REMEMBER_FAILURE: Final = 1.0
"""Seconds for which a failed login answers for everybody, instead of being hammered."""


class Authorization(Protocol):
    """Gives the value of the Authorization header, and hears when it was refused."""

    def current(self) -> str:
        """The header, if it is there; an empty text if ``header`` must be awaited."""
        ...

    async def header(self, deadline: float) -> str:
        """The header; may log in first."""
        ...

    def refuse(self, header: str) -> bool:
        """A call was answered 401; True if another header can be had."""
        ...


class FixedToken:
    """A token that the caller fetched."""

    def __init__(self, token: str) -> None:
        self._header = f"Bearer {token}"

    def current(self) -> str:
        """The header."""
        return self._header

    async def header(self, deadline: float) -> str:
        """The header; never waits."""
        return self._header

    def refuse(self, header: str) -> bool:
        """There is no other token."""
        return False


class LoginToken:
    """A token from a login; replaced shortly before it ends, or when the server refuses it."""

    def __init__(self, login: Callable[[float], Awaitable[Token]], clock: Clock) -> None:
        self._login = login
        self._clock = clock
        self._token: Token | None = None
        self._header = ""
        self._flight: _Flight | None = None
        self._failure: FincardError | None = None
        self._failed_at = float("-inf")

    def current(self) -> str:
        """The header, unless it is time for another token."""
        token = self._token
        return "" if token is None or self._clock.wall() >= token.refresh_at else self._header

    async def header(self, deadline: float) -> str:
        """The current header; logs in first where there is none or it is about to end.

        Raises:
            FincardError: The login failed; every caller that waited for it gets the same facts.
            ConnectFailed: Another caller's login did not end before this call's deadline.
        """
        while not (header := self.current()):
            if self._flight is not None:
                await self._flight.wait(deadline - self._clock.monotonic())
            elif self._failure is not None and self._is_recent():
                raise _again(self._failure)
            else:
                await self._renew(deadline)
        return header

    def refuse(self, header: str) -> bool:
        """Drop the token that was refused, unless it was replaced in the meantime."""
        if header == self._header:
            self._token = None
        return True

    def _is_recent(self) -> bool:
        return self._clock.monotonic() < self._failed_at + REMEMBER_FAILURE

    async def _renew(self, deadline: float) -> None:
        flight = self._flight = _Flight()
        try:
            with flight.scope:
                token = await self._login(deadline)
                self._failure = None
                self._token, self._header = token, f"Bearer {token.secret.reveal()}"
        except FincardError as error:
            # One caller's own deadline says nothing to those who have more time.
            if self._clock.monotonic() < deadline:
                self._failure, self._failed_at = _again(error), self._clock.monotonic()
            raise
        finally:
            self._flight = None
            flight.done.set()


class _Flight:
    """A login under way, and how many calls wait for its end."""

    __slots__ = ("_waiting", "done", "scope")

    def __init__(self) -> None:
        self.done = anyio.Event()
        self.scope = anyio.CancelScope()
        self._waiting = 0

    async def wait(self, seconds: float) -> None:
        """Wait for the end; meanwhile the login cannot be cancelled."""
        self._waiting += 1
        self.scope.shield = True
        try:
            with anyio.move_on_after(max(0.0, seconds)) as limit:
                await self.done.wait()
        finally:
            self._waiting -= 1
            self.scope.shield = self._waiting > 0
        if limit.cancelled_caught:
            raise not_sent("no login before the deadline")


def _again(error: FincardError) -> FincardError:
    """The same failure for another caller; one exception object must not be raised twice."""
    other = type(error)(error.message)
    other.__dict__.update(error.__dict__)
    return other
