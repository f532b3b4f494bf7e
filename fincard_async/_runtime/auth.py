"""Stage 5 of a call: the Authorization header, from one login shared by every call.

A thousand calls that meet an expired token cause one login: the first goes in, the others wait at
the lock and find the new token. A call that got a 401 drops the token it used, and only that one,
so that a late 401 never throws away a token that is newer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

import anyio

from fincard_async._sansio.outcome import not_sent
from fincard_async._sansio.token import Token
from fincard_async.errors import FincardError

from .ports import Clock

_HOLD_OFF = 1.0
"""Seconds for which a failed login stands, so that a crowd does not hammer the server with it."""


class Authorization(Protocol):
    """Gives the value of the Authorization header, and hears when it was refused."""

    async def header(self, deadline: float) -> str: ...

    def refuse(self, header: str) -> bool:
        """A call was answered 401; True if another header can be had."""
        ...


class FixedToken:
    """A token that the caller fetched."""

    def __init__(self, token: str) -> None:
        self._header = f"Bearer {token}"

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
        self._lock = anyio.Lock()
        self._token: Token | None = None
        self._header = ""
        self._failure: FincardError | None = None
        self._failures = 0
        self._failed_at = float("-inf")

    async def header(self, deadline: float) -> str:
        """The current header; logs in first where there is none or it is about to end.

        Raises:
            FincardError: The login failed; every caller that waited for it gets the same facts.
        """
        if self._token is None or self._clock.wall() >= self._token.refresh_at:
            failures = self._failures
            with anyio.move_on_after(max(0.0, deadline - self._clock.monotonic())) as scope:
                async with self._lock:
                    if self._token is None or self._clock.wall() >= self._token.refresh_at:
                        await self._renew(failures, deadline)
            if scope.cancelled_caught:
                raise not_sent("no login before the deadline")
        return self._header

    async def _renew(self, failures: int, deadline: float) -> None:
        just_now = self._clock.monotonic() - self._failed_at < _HOLD_OFF
        if self._failure is not None and (just_now or self._failures > failures):
            raise _again(self._failure)
        try:
            token = await self._login(deadline)
        except FincardError as error:
            # One caller's own deadline says nothing to those who have more time.
            if (now := self._clock.monotonic()) < deadline:
                self._failure, self._failed_at = _again(error), now
                self._failures += 1
            raise
        self._failure = None
        self._token, self._header = token, f"Bearer {token.secret.reveal()}"

    def refuse(self, header: str) -> bool:
        """Drop the token that was refused, unless it was replaced in the meantime."""
        if header == self._header:
            self._token = None
        return True


def _again(error: FincardError) -> FincardError:
    """The same failure for another caller; one exception object must not be raised twice."""
    other = type(error)(error.message)
    other.__dict__.update(error.__dict__)
    return other
