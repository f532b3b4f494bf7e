"""Bearer tokens of the sandbox: JWTs signed with HS256, like the platform's. Source: contract 1.3.

A token is checked by its signature, so it survives a restart with the same settings.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Final

import msgspec

_HEADER: Final = b'{"alg":"HS256","typ":"JWT"}'
_MOST_REMEMBERED: Final = 1024


class Claims(msgspec.Struct, frozen=True):
    """What a token says; times in seconds since the epoch."""

    sub: str
    tenantId: str  # as in the platform's tokens
    iat: int
    exp: float
    jti: str
    epoch: int
    """Tokens of earlier epochs are refused; counts ``Controls.expire_tokens``."""
    iss: str = "fincard-sandbox"
    aud: str = "bff-clients"


class TokenMint:
    """Issues and checks tokens.

    Args:
        secret: Key of the signature; the sandbox derives it from its settings.
        lifetime: Seconds.
    """

    def __init__(self, secret: bytes, lifetime: float) -> None:
        self._secret = secret
        self._lifetime = lifetime
        self._issued = 0
        self._known: dict[str, Claims] = {}

    @property
    def expires_in(self) -> int:
        """Whole seconds, as the login answer reports them."""
        return int(self._lifetime)

    def issue(self, *, subject: str, tenant_id: str, now: float, epoch: int) -> str:
        """A new token that ends ``lifetime`` seconds from ``now``."""
        self._issued += 1
        end = now + self._lifetime
        claims = Claims(
            sub=subject,
            tenantId=tenant_id,
            iat=int(now),
            exp=int(end) if end == int(end) else end,
            jti=f"{int(now * 1000)}-{self._issued}",
            epoch=epoch,
        )
        text = f"{_b64(_HEADER)}.{_b64(msgspec.json.encode(claims))}"
        return f"{text}.{_b64(self._sign(text))}"

    def accepts(self, token: str, *, now: float, epoch: int) -> bool:
        """True for a token that is ours and neither too old nor taken back."""
        claims = self._known.get(token) or self._read(token)
        return claims is not None and now < claims.exp and claims.epoch == epoch

    def _read(self, token: str) -> Claims | None:
        text, _, signature = token.rpartition(".")
        if not hmac.compare_digest(_b64(self._sign(text)).encode(), signature.encode()):
            return None
        payload = text.split(".")[1]
        raw = base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
        claims = msgspec.json.decode(raw, type=Claims)
        if len(self._known) >= _MOST_REMEMBERED:
            self._known.clear()
        self._known[token] = claims
        return claims

    def _sign(self, text: str) -> bytes:
        return hmac.digest(self._secret, text.encode(), hashlib.sha256)


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
