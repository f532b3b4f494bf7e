"""Seal and open values: RSA, base64, blocks of the modulus size. Source: contract 5.

With PKCS#1 v1.5 a wrong key or a damaged text gives random bytes and no error, by design of the
padding. So what comes out is believed only if it has the shape of what was asked for.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Literal
from urllib.parse import unquote

from fincard_async._sansio.secret import Opened, Pan, Sealed
from fincard_async.errors import UnsealError

from .keys import PrivateKey, PublicKey

Content = Literal["card_number", "cvv", "expire_date", "url", "code", "text"]

_MOST_BLOCKS = 4
_URL = re.compile(r"https?://[\x21-\x7e]{1,2048}\Z")
_EXPIRY = r"(0[1-9]|1[0-2])/?([0-9]{2}|20[0-9]{2})"


def _luhn(text: str) -> bool:
    digits = [int(digit) for digit in reversed(text)]
    doubled = (sum(divmod(2 * digit, 10)) for digit in digits[1::2])
    return (sum(digits[::2]) + sum(doubled)) % 10 == 0


def _matches(pattern: str) -> Callable[[str], bool]:
    compiled = re.compile(pattern, re.ASCII)
    return lambda text: compiled.fullmatch(text) is not None


def _is_card_number(text: str) -> bool:
    return re.fullmatch(r"[0-9]{12,19}", text) is not None and _luhn(text)


# A wrong key gives up to 245 random bytes: one text in 245 has the length that is asked for, and
# of those of four bytes one in 300 is letters and digits. So letters count in long texts only.
SHAPES: Mapping[Content, Callable[[str], bool]] = {
    "card_number": _is_card_number,
    "cvv": _matches(r"[0-9]{3,4}"),
    "expire_date": _matches(_EXPIRY),
    "url": _matches(r"https://[\x21-\x7e]{1,2048}"),
    "code": _matches(r"[0-9]{4,12}|[0-9A-Za-z]{8,12}"),
    "text": _matches(rf"[0-9]{{3,19}}|{_EXPIRY}|[0-9A-Za-z]{{8,12}}|[\x20-\x7e]{{12,2048}}"),
}


def seal(key: PublicKey, text: str) -> str:
    """Encrypt as the server does; long text takes several blocks."""
    data, room = text.encode(), key.text_bytes
    blocks = [data[at : at + room] for at in range(0, max(1, len(data)), room)]
    return base64.b64encode(b"".join(map(key.encrypt, blocks))).decode("ascii")


def unseal(key: PrivateKey, sealed: Sealed, content: Content) -> Opened:
    """Open a sealed value and check that it is what it should be.

    Raises:
        UnsealError: Not base64, not whole blocks, another key, or the wrong shape: one message
            for all.
    """
    found = opened(_plain(key, sealed), content)
    # Raised outside of ``except``: an error of the codec can hold what was opened.
    if found is None:
        raise UnsealError(NOT_THIS_KEY)
    return found


NOT_THIS_KEY = "the sealed value cannot be opened with this key"


def opened(plain: bytes | None, content: Content) -> Opened | None:
    """What came out of the key, if it has the shape of what was asked for."""
    try:
        text = None if plain is None else plain.decode("utf-8")
    except UnicodeDecodeError:
        return None
    if text is None or not SHAPES[content](text):
        return None
    return Pan(text) if content == "card_number" else Opened(text)


def _plain(key: PrivateKey, sealed: Sealed) -> bytes | None:
    cut = blocks(key.block_bytes, sealed)
    try:
        return None if cut is None else b"".join(map(key.decrypt, cut))
    except ValueError:  # OAEP, where a wrong key is an error
        return None


def plain_url(sealed: Sealed) -> Opened | None:
    """The value itself if it is a URL: sources disagree whether one is sealed (contract 9)."""
    return Opened(sealed.ciphertext) if _URL.match(sealed.ciphertext) else None


def blocks(size: int, sealed: Sealed) -> list[bytes] | None:
    """The blocks of a key of that size; None if it is not made of them."""
    text = sealed.ciphertext
    try:
        raw = base64.b64decode(unquote(text) if "%" in text else text, validate=True)
    except (binascii.Error, ValueError):
        return None
    if not raw or len(raw) % size or len(raw) // size > _MOST_BLOCKS:
        return None
    return [raw[at : at + size] for at in range(0, len(raw), size)]


def count_blocks(size: int, values: Iterable[Sealed]) -> int:
    """How many blocks there are to open."""
    return sum(len(blocks(size, value) or ()) for value in values)
