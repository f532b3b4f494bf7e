"""Settings from the environment and from profiles, with messages that name the variable.

A variable ``FINCARD_X`` wins over the key ``x`` of the profile ``FINCARD_PROFILE`` in
``~/.config/fincard/config.toml``:

    [profiles.sandbox]
    base_url = "https://sandbox.finhub.cloud"
    tenant_id = "acme"
    ...

There is no default server: the same credentials may work in production (contract 1.1).
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ._runtime.credentials import Auth, BearerToken, PasswordLogin, SessionLogin
from ._sansio.options import RequestContext
from ._sansio.secret import Secret
from .errors import ConfigError

PREFIX = "FINCARD_"
_SETTINGS = (
    "base_url",
    "tenant_id",
    "token",
    "email",
    "organization_id",
    "user_id",
    "username",
    "password",
    "tenant_key",
    "tenant_secret",
    "card_key",
    "card_key_password",
    "card_key_padding",
    "forwarded_for",
    "forwarded_from",
    "platform",
    "device_id",
    "user_agent",
    "timeout",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientSettings:
    """Everything that ``FincardClient.from_env`` needs."""

    base_url: str
    tenant_id: str
    auth: Auth = field(repr=False)
    context: RequestContext
    timeout: float | None
    card_key: str | None = field(repr=False)
    """Path of the merchant's private key, or several, or the key itself."""
    card_key_password: Secret | None = field(repr=False)
    card_key_padding: str | None = None
    """How values are sealed; None for PKCS#1 v1.5."""


def config_path(environ: Mapping[str, str]) -> Path:
    """Where profiles live."""
    base = environ.get("XDG_CONFIG_HOME") or str(Path(environ.get("HOME", "~")) / ".config")
    return Path(base).expanduser() / "fincard" / "config.toml"


def load_settings(environ: Mapping[str, str], profile: str | None = None) -> ClientSettings:
    """Read settings; ``profile`` wins over ``FINCARD_PROFILE``.

    Raises:
        ConfigError: A setting is missing or wrong; the message names the variable.
    """
    values = _values(environ, profile or environ.get(PREFIX + "PROFILE"))
    return ClientSettings(
        base_url=_need(values, "base_url"),
        tenant_id=_need(values, "tenant_id"),
        auth=_auth(values),
        context=_context(values),
        timeout=_seconds(values.get("timeout")),
        card_key=values.get("card_key"),
        card_key_password=_secret(values.get("card_key_password")),
        card_key_padding=values.get("card_key_padding"),
    )


def _values(environ: Mapping[str, str], profile: str | None) -> dict[str, str]:
    values = {} if profile is None else _profile(config_path(environ), profile)
    for name in _SETTINGS:
        if text := environ.get(PREFIX + name.upper()):
            values[name] = text
    return values


def _profile(path: Path, profile: str) -> dict[str, str]:
    try:
        text = path.read_bytes()
    except OSError:
        raise ConfigError(f"profile {profile!r} is asked for, but {path} cannot be read") from None
    # Raised outside of ``except``: an error of the parser can hold the file, passwords and all.
    if (parsed := _toml(text)) is None:
        raise ConfigError(f"{path} is not valid TOML")
    profiles = parsed.get("profiles", {})
    if not isinstance(profiles, dict) or not isinstance(profiles.get(profile), dict):
        raise ConfigError(f"{path} has no profile {profile!r}")
    values = profiles[profile]
    if unknown := sorted(set(values) - set(_SETTINGS)):
        raise ConfigError(f"{path}, profile {profile!r}: unknown setting {unknown[0]!r}")
    return {name: str(value) for name, value in values.items()}


def _toml(text: bytes) -> dict[str, Any] | None:
    try:
        return tomllib.loads(text.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError):
        return None


def _need(values: Mapping[str, str], name: str) -> str:
    if not values.get(name):
        raise ConfigError(f"{PREFIX}{name.upper()} is not set")
    return values[name]


def _secret(text: str | None) -> Secret | None:
    return None if text is None else Secret(text)


def _auth(values: Mapping[str, str]) -> Auth:
    if "token" in values:
        return BearerToken(Secret(values["token"]))
    if "email" in values:
        return PasswordLogin(email=values["email"], password=Secret(_need(values, "password")))
    if "username" in values:
        return SessionLogin(
            organization_id=_need(values, "organization_id"),
            user_id=_need(values, "user_id"),
            username=values["username"],
            password=Secret(_need(values, "password")),
            tenant_key=values.get("tenant_key"),
            tenant_secret=_secret(values.get("tenant_secret")),
        )
    raise ConfigError(
        "no credentials: set FINCARD_USERNAME (with FINCARD_ORGANIZATION_ID, FINCARD_USER_ID and"
        " FINCARD_PASSWORD), or FINCARD_EMAIL and FINCARD_PASSWORD, or FINCARD_TOKEN"
    )


def _context(values: Mapping[str, str]) -> RequestContext:
    fields = RequestContext.__dataclass_fields__
    return RequestContext(**{name: values[name] for name in fields if name in values})


def _seconds(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds < 86400:
        raise ConfigError("FINCARD_TIMEOUT must be a number of seconds")
    return seconds
