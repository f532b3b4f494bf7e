"""The ways to log in, as records: each makes one login request, and the answer is read in one way.

Their passwords and tokens become secrets when a record is made, so it cannot be pickled or printed.

Four descriptions of the login exist (contract 1.3); ``PasswordLogin`` is L1, ``SessionLogin``
covers L2 to L4, ``BearerToken`` is for callers that fetch the token themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias
from urllib.parse import quote

import msgspec

from fincard_async._sansio.secret import Secret, as_secret
from fincard_async.errors import ConfigError

if TYPE_CHECKING:
    from fincard_async._generated.models import auth as models
    from fincard_async._sansio.model import Model
    from fincard_async._sansio.operation import Operation

_LONGEST: Final = 10 * 365 * 86_400


class LoginRequest(msgspec.Struct, frozen=True):
    """A login, ready to be sent."""

    operation: Operation[Model, models.LoginReply]
    path: str
    request: Model

    def __repr__(self) -> str:
        return f"LoginRequest(path={self.path!r})"


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordLogin:
    """Log in with an e-mail address. Source: contract 1.3, L1."""

    email: str
    password: Secret | str = field(repr=False)

    def __post_init__(self) -> None:
        _conceal(self, "password")

    def request(self, tenant_id: str) -> LoginRequest:
        """The login request for one tenant."""
        from fincard_async._generated.models import auth as models
        from fincard_async._generated.operations import auth as operations

        return LoginRequest(
            operations.PASSWORD_LOGIN,
            operations.PASSWORD_LOGIN.path,
            models.PasswordLoginRequest(
                email=self.email, password=as_secret(self.password), tenant_id=tenant_id
            ),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionLogin:
    """Log in as a user of an organization. Source: contract 1.3, L2 to L4.

    ``tenant_key`` and ``tenant_secret`` are sent where given: one source lists their absence as a
    cause of errors.
    """

    organization_id: str
    user_id: str
    username: str
    password: Secret | str = field(repr=False)
    tenant_key: str | None = None
    tenant_secret: Secret | str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        _conceal(self, "password", "tenant_secret")

    def request(self, tenant_id: str) -> LoginRequest:
        """The login request; the tenant goes in a header."""
        from fincard_async._generated.models import auth as models
        from fincard_async._generated.operations import auth as operations

        ids = {"organizationId": self.organization_id, "userId": self.user_id}
        return LoginRequest(
            operations.CREATE_SESSION,
            fill_path(operations.CREATE_SESSION.path, ids),
            models.CreateSessionRequest(
                username=self.username,
                password=as_secret(self.password),
                tenant_key=self.tenant_key,
                tenant_secret=as_secret(self.tenant_secret),
            ),
        )


@dataclass(frozen=True, slots=True)
class BearerToken:
    """A token that the caller fetched; it is used until the server refuses it."""

    token: Secret | str = field(repr=False)

    def __post_init__(self) -> None:
        _conceal(self, "token")


Auth: TypeAlias = SessionLogin | PasswordLogin | BearerToken


def _conceal(record: object, *names: str) -> None:
    """Wrap what the caller gave as plain text; the records are frozen to everybody else."""
    for name in names:
        object.__setattr__(record, name, as_secret(getattr(record, name)))


def fill_path(path: str, values: Mapping[str, str]) -> str:
    """Put quoted ids into ``{braces}``; an id can never leave its place in the path."""
    for name, value in values.items():
        if value in ("", ".", ".."):
            raise ConfigError(f"{name} is missing")
        path = path.replace("{" + name + "}", quote(value, safe=""))
    return path


def token_in(reply: models.LoginReply) -> tuple[Secret, float | None] | None:
    """The token and its lifetime in seconds, from any place a login answer may put it."""
    inner = reply.data
    places = (reply.access_token, reply.token) + (
        () if inner is None else (inner.access_token, inner.token)
    )
    lifetime = reply.expires_in if inner is None else inner.expires_in or reply.expires_in
    for token in places:
        if token:
            # What no clock can count to is no lifetime.
            return token, None if lifetime is None or lifetime > _LONGEST else float(lifetime)
    return None
