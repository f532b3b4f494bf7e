"""The two logins that the platform documents. Source: contract 1.3, forms L1 and L2/L4."""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from urllib.parse import unquote

import msgspec

from fincard_async._generated.models.auth import (
    LoginData,
    LoginReply,
)
from fincard_async._generated.operations.auth import CREATE_SESSION, PASSWORD_LOGIN
from fincard_async._sansio.model import Model
from fincard_async._sansio.operation import Operation
from fincard_async._sansio.requests import parse_request
from fincard_async._sansio.secret import Secret
from fincard_async.errors import ValidationError

from .settings import SandboxSettings
from .tokens import TokenMint

Login = Callable[[bytes, float, int], LoginReply | None]
"""From a body, the time in seconds and the token epoch to an answer; None for wrong credentials."""

I = TypeVar("I", bound=Model)  # noqa: E741 - input

_SESSION_PATTERN = re.sub(r"\\\{\w+\\\}", "([^/]+)", re.escape(CREATE_SESSION.path))
_SESSION_PATH = re.compile(_SESSION_PATTERN + r"\Z")


def login_at(path: str) -> str | None:
    """Name of the login operation at a path; None if it is no login."""
    if path == PASSWORD_LOGIN.path:
        return PASSWORD_LOGIN.name
    return CREATE_SESSION.name if _SESSION_PATH.match(path) else None


class Logins:
    """Checks credentials and issues tokens."""

    def __init__(self, settings: SandboxSettings, mint: TokenMint) -> None:
        self._settings = settings
        self._mint = mint

    def find(self, path: str) -> Login | None:
        """The login at a path, or None."""
        if path == PASSWORD_LOGIN.path:
            return self._password_login
        found = _SESSION_PATH.match(path)
        if found is None:
            return None
        settings = self._settings
        known = tuple(map(unquote, found.groups())) == (settings.organization_id, settings.user_id)
        return self._create_session if known else _nobody

    def _password_login(self, body: bytes, now: float, epoch: int) -> LoginReply | None:
        """L1: the token stands at the top level, without an envelope."""
        request = _read(PASSWORD_LOGIN, body)
        settings = self._settings
        if request is None or not _same(
            (request.email, settings.email),
            (request.password.reveal(), settings.password),
            (request.tenant_id, settings.tenant_id),
        ):
            return None
        return LoginReply(
            access_token=self._issue(now, epoch),
            token_type="Bearer",
            expires_in=self._mint.expires_in,
        )

    def _create_session(self, body: bytes, now: float, epoch: int) -> LoginReply | None:
        """L2/L4: the token stands in ``data``, beside a time that is not its end."""
        request = _read(CREATE_SESSION, body)
        settings = self._settings
        if request is None or not _same(
            (request.username, settings.username),
            (request.password.reveal(), settings.password),
        ):
            return None
        token = self._issue(now, epoch)
        return LoginReply(
            code=200,
            message="Success",
            data=LoginData(
                session_id=f"session-{int(now * 1000)}",
                user_id=settings.user_id,
                token=token,
                access_token=token,
                token_type="Bearer",
                expires_in=self._mint.expires_in,
                expires_at=_misleading_expiry(now),
                success=True,
                message="Success",
            ),
        )

    def _issue(self, now: float, epoch: int) -> Secret:
        settings = self._settings
        return Secret(
            self._mint.issue(
                subject=settings.user_id, tenant_id=settings.tenant_id, now=now, epoch=epoch
            )
        )


def _nobody(body: bytes, now: float, epoch: int) -> LoginReply | None:
    """The login of a user who does not exist."""
    return None


def _read(operation: Operation[I, LoginReply], body: bytes) -> I | None:
    """A login whose body is not understood is refused like a wrong password."""
    try:
        return parse_request(operation, body)
    except (ValidationError, msgspec.MsgspecError, UnicodeDecodeError):
        return None


def _same(*pairs: tuple[str, str]) -> bool:
    """True if every pair is equal, in a time that does not depend on which one is not."""
    results = [hmac.compare_digest(given.encode(), known.encode()) for given, known in pairs]
    return all(results)


def _misleading_expiry(now: float) -> str:
    """Without a zone and a day too late, like the platform's own (contract 1.3, expiresAt trap)."""
    moment = datetime.fromtimestamp(now, UTC) + timedelta(days=1, hours=3)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f0")
