"""What is printed on a card, and the codes sent to its holder: derived, never random.

The same seed and serial number always give the same digits, so that a replayed state shows the
same cards. None of them belongs to a real account.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Final

_PAN_LENGTH: Final = 16
_STRIDE: Final = 618_033_989
"""Coprime to every power of ten, so that serial numbers map to distinct card numbers."""
_YEARS_VALID: Final = 3


def digits(count: int, *parts: object) -> str:
    """``count`` decimal digits that depend on every part."""
    digest = hashlib.blake2b("\x1f".join(map(str, parts)).encode(), digest_size=16).digest()
    return f"{int.from_bytes(digest, 'big') % 10**count:0{count}d}"


def luhn_digit(payload: str) -> str:
    """The check digit that makes ``payload`` plus itself pass the Luhn test."""
    total = 0
    for index, char in enumerate(reversed(payload)):
        value = int(char)
        if index % 2 == 0:
            value = value * 2 - 9 if value > 4 else value * 2
        total += value
    return str(-total % 10)


def card_number(prefix: str, seed: int, serial: int) -> str:
    """A card number of 16 digits that begins with the BIN and passes the Luhn test."""
    free = _PAN_LENGTH - 1 - len(prefix)
    payload = prefix + f"{(serial * _STRIDE + seed) % 10**free:0{free}d}"
    return payload + luhn_digit(payload)


def cvv(seed: int, serial: int) -> str:
    """Three digits."""
    return digits(3, "cvv", seed, serial)


def expiry(bind_time: int) -> str:
    """``MM/YYYY``, three years after the card was made. Source: contract 3.6."""
    made = datetime.fromtimestamp(bind_time / 1000, UTC)
    return f"{made.month:02d}/{made.year + _YEARS_VALID}"


def activation_code(seed: int, serial: int) -> str:
    """Eight digits. Source: contract 5, plaintext samples."""
    return digits(8, "activation", seed, serial)


def activate_url(seed: int, serial: int) -> str:
    """Where a gift card is redeemed; ``.example`` is reserved and never resolves."""
    return f"https://gift.fincard.example/redeem/{digits(20, 'gift', seed, serial)}"
