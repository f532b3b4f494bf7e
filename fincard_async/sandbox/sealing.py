"""Sealing for the merchant, if the sandbox knows the merchant's public key."""

from __future__ import annotations

from fincard_async._crypto.keys import PublicKey
from fincard_async._crypto.sealing import seal
from fincard_async._sansio.secret import Sealed

from .refusal import refuse


class Sealer:
    """Seals text with one public key.

    Args:
        merchant_key: PEM, DER or bare base64; None refuses to seal.

    Raises:
        ConfigError: The text is no public RSA key.
    """

    def __init__(self, merchant_key: str | None) -> None:
        self._key = None if merchant_key is None else PublicKey.parse(merchant_key)

    def seal(self, text: str) -> Sealed:
        """Source: contract 5: the server encrypts with the merchant's public key."""
        if self._key is None:
            raise refuse("The merchant public key is not configured")
        return Sealed(seal(self._key, text))
