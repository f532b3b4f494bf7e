"""Signatures over bodies, as they stand in a header. Source: contract 1.5, 4.

SHA256withRSA (PKCS#1 v1.5) over the exact bytes, in base64. There is one algorithm; nothing that
comes over the wire can choose another.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable

from .keys import PrivateKey, PublicKey


def sign_body(key: PrivateKey, body: bytes) -> str:
    """The value of a signature header."""
    return base64.b64encode(key.sign(body)).decode("ascii")


def strict_base64(text: str) -> bytes | None:
    """The bytes, if the text is the one canonical way to write them; else None.

    Decoders take several texts for the same bytes, with spaces, line breaks or spare bits; one
    that is not canonical was not written by the platform.
    """
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return raw if base64.b64encode(raw).decode("ascii") == text else None


def verifies(keys: Iterable[PublicKey], signature: str, body: bytes) -> bool:
    """True if one of these keys signed exactly these bytes."""
    raw = strict_base64(signature)
    return raw is not None and any(key.verifies(raw, body) for key in keys)
