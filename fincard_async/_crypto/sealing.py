"""Seal and open values: RSA PKCS#1 v1.5, base64, blocks of the modulus size. Source: contract 5.

A wrong key or a damaged text gives random bytes and no error, by design of the padding. So what
comes out is believed only if it has the shape of what was asked for.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from typing import Literal
from urllib.parse import unquote

from fincard_async._sansio.secret import Sealed, Secret
from fincard_async.errors import UnsealError

from .keys import PrivateKey, PublicKey

Content = Literal["card_number", "cvv", "expire_date", "url", "code", "text"]

_MOST_BLOCKS = 4
_PADDING_BYTES = 11
_URL = re.compile(r"https?://[\x21-\x7e]{1,2048}\Z")


def _luhn(text: str) -> bool:
    digits = [int(digit) for digit in reversed(text)]
    doubled = (sum(divmod(2 * digit, 10)) for digit in digits[1::2])
    return (sum(digits[::2]) + sum(doubled)) % 10 == 0


def _matches(pattern: str) -> Callable[[str], bool]:
    compiled = re.compile(pattern, re.ASCII)
    return lambda text: compiled.fullmatch(text) is not None


def _is_card_number(text: str) -> bool:
    return re.fullmatch(r"[0-9]{12,19}", text) is not None and _luhn(text)


SHAPES: Mapping[Content, Callable[[str], bool]] = {
    "card_number": _is_card_number,
    "cvv": _matches(r"[0-9]{3,4}"),
    "expire_date": _matches(r"(0[1-9]|1[0-2])/?([0-9]{2}|20[0-9]{2})"),
    "url": _matches(r"https://[\x21-\x7e]{1,2048}"),
    "code": _matches(r"[0-9A-Za-z]{4,12}"),
    # A wrong key often gives one or two printable characters; nothing that is sealed is so short.
    "text": _matches(r"[0-9]{3}|[0-9A-Za-z/]{4,7}|[\x20-\x7e]{8,2048}"),
}


def seal(key: PublicKey, text: str) -> str:
    """Encrypt as the server does; long text takes several blocks."""
    data, room = text.encode(), key.block_bytes - _PADDING_BYTES
    blocks = [data[at : at + room] for at in range(0, max(1, len(data)), room)]
    return base64.b64encode(b"".join(map(key.encrypt, blocks))).decode("ascii")


def unseal(key: PrivateKey, sealed: Sealed, content: Content) -> Secret:
    """Open a sealed value and check that it is what it should be.

    Raises:
        UnsealError: Not base64, not whole blocks, another key, or the wrong shape: one message
            for all.
    """
    secret = _opened(key, sealed, content)
    if secret is None:
        raise UnsealError("the sealed value cannot be opened with this key")
    return secret


def _opened(key: PrivateKey, sealed: Sealed, content: Content) -> Secret | None:
    """Nothing is raised from here: a codec's error, or a variable, would show what was opened."""
    try:
        text = b"".join(map(key.decrypt, _blocks(key, sealed.ciphertext))).decode("utf-8")
    except (ValueError, binascii.Error):
        return None
    return Secret(text) if SHAPES[content](text) else None


def plain_url(sealed: Sealed) -> Secret | None:
    """The value itself if it is a URL: sources disagree whether one is sealed (contract 9)."""
    return Secret(sealed.ciphertext) if _URL.match(sealed.ciphertext) else None


def _blocks(key: PrivateKey, text: str) -> list[bytes]:
    raw = base64.b64decode(unquote(text) if "%" in text else text, validate=True)
    size = key.block_bytes
    if not raw or len(raw) % size or len(raw) // size > _MOST_BLOCKS:
        raise ValueError("not whole blocks")
    return [raw[at : at + size] for at in range(0, len(raw), size)]
