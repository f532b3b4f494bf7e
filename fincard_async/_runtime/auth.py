"""Stage 5 of a call: the Authorization header, from one login shared by every call.

Ten thousand calls that meet an expired token cause one login. It runs in a task of its own, so that
no call's cancellation or deadline ends it for the others; it ends with the client at the latest. A
call that got a 401 drops the token it used, and only that one, so that a late 401 never throws away
a token that is newer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, Protocol

import anyio

from fincard_async._sansio.headers import is_token
from fincard_async._sansio.outcome import not_sent
from fincard_async._sansio.secret import Quiet, Secret
from fincard_async._sansio.token import Token
from fincard_async.errors import ConfigError, FincardError

from .ports import Clock, Home

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
    """A token that the caller fetched.

    Raises:
        ConfigError: It cannot be sent in a header.
    """

    def __init__(self, token: Secret) -> None:
        if not (isinstance(token, Secret) and is_token(token.reveal())):
            raise ConfigError("token must be 1..8000 printable ASCII characters")
        self._header = _bearer(token)

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
    """A token from a login; replaced shortly before it ends, or when the server refuses it.

    ``login`` has at least ``patience`` seconds, however little time the call has that needs it.
    """

    def __init__(
        self,
        login: Callable[[float], Awaitable[Token]],
        clock: Clock,
        home: Home,
        patience: float = 0.0,
    ) -> None:
        self._login = login
        self._clock = clock
        self._home = home
        self._patience = patience
        self._token: Token | None = None
        self._header = ""
        self._flight: _Flight | None = None
        self._failure: Exception | None = None
        self._failed_at = float("-inf")

    def current(self) -> str:
        """The header, unless it is time for another token."""
        token = self._token
        return "" if token is None or self._clock.wall() >= token.refresh_at else self._header

    async def header(self, deadline: float) -> str:
        """The current header; has a login made where there is none or it is about to end.

        Raises:
            FincardError: The login failed; every caller that waited for it gets the same facts.
            ConnectFailed: The login did not end before this call's deadline.
        """
        while not (header := self.current()):
            await self._wait(self._flight or self._begin(deadline), deadline)
        return header

    def refuse(self, header: str) -> bool:
        """Drop the token that was refused, unless it was replaced in the meantime."""
        if header == self._header:
            self._token = None
        return True

    def _is_recent(self) -> bool:
        return self._clock.monotonic() < self._failed_at + REMEMBER_FAILURE

    async def _wait(self, flight: _Flight, deadline: float) -> None:
        with self._clock.limit(deadline - self._clock.monotonic()) as limit:
            await flight.done.wait()
        if limit.cancelled_caught:
            raise not_sent("no login before the deadline")
        if flight.failure is not None:
            raise _again(flight.failure)

    def _begin(self, deadline: float) -> _Flight:
        if self._failure is not None and self._is_recent():
            raise _again(self._failure)
        self._home.enter()
        flight = _Flight(max(deadline, self._clock.monotonic() + self._patience))
        self._flight = flight  # before the start: an eager task may be over by then
        self._home.start(lambda: self._renew(flight))
        return flight

    async def _renew(self, flight: _Flight) -> None:
        try:
            token = await self._login(flight.deadline)
            self._failure = None
            self._token, self._header = token, _bearer(token.secret)
        except Exception as error:  # noqa: BLE001 - it is raised by those who wait
            self._note(error, flight)
        finally:
            self._flight = None
            flight.done.set()

    def _note(self, error: Exception, flight: _Flight) -> None:
        """Keep a failure for all, unless time was all that was missing: others may have more."""
        if self._clock.monotonic() < flight.deadline:
            flight.failure = self._failure = _again(error)
            self._failed_at = self._clock.monotonic()


class _Flight:
    """A login under way, and how it failed."""

    __slots__ = ("deadline", "done", "failure")

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.done = anyio.Event()
        self.failure: Exception | None = None


def _bearer(token: Secret) -> str:
    return Quiet(f"Bearer {token.reveal()}")


def _again(error: Exception) -> Exception:
    """The same failure for another caller; one exception object must not be raised twice."""
    if not isinstance(error, FincardError):
        return error  # a fault of the program: the frames tell where
    other = type(error)(error.message)
    other.__dict__.update(error.__dict__)
    return other
