"""The token: how long it lives, and when to fetch the next one."""

from __future__ import annotations

import base64
import binascii

import msgspec

from .envelope import too_deep
from .secret import Secret

DEFAULT_LIFETIME = 3600.0
EARLY = 300.0
"""Seconds before its end at which a token is replaced (contract 1.3, client practice)."""


class Token(msgspec.Struct, frozen=True):
    """A bearer token; times in seconds since the epoch."""

    secret: Secret
    expires_at: float
    refresh_at: float


class _Claims(msgspec.Struct):
    exp: float | None = None


def make_token(text: str, expires_in: float | None, now: float) -> Token:
    """Date a token: by its own ``exp`` if it is a JWT, else by ``expiresIn``, else one hour.

    ``expiresAt`` of the login answer is never used: it is not the token's expiry (contract 1.3).
    """
    lifetime = expires_in if expires_in is not None and expires_in > 0 else DEFAULT_LIFETIME
    claimed = jwt_expiry(text)
    # A new token that claims to be over tells of a wrong clock; without this, every call logs in.
    expires_at = claimed if claimed is not None and claimed > now else now + lifetime
    early = min(EARLY, (expires_at - now) / 10)
    return Token(Secret(text), expires_at, expires_at - early)


def jwt_expiry(text: str) -> float | None:
    """The ``exp`` claim in seconds since the epoch; None if the text is no JWT with one.

    The signature is the server's business: a wrong date costs one extra login, nothing more.
    """
    parts = text.split(".")
    if len(parts) != 3:
        return None
    try:
        payload = base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
        if too_deep(payload):
            return None
        return msgspec.json.decode(payload, type=_Claims).exp
    except (binascii.Error, ValueError, msgspec.MsgspecError, RecursionError):
        return None
