"""Order numbers: minted once per intent, never again inside a retry.

The server refuses a repeated ``merchantOrderNo`` across operation types, and never replays the
first result (contract 6). So a number names one intent: a random one for a single call, a derived
one for a row of a bulk job, where the same row must get the same number even if every file of the
first run is lost.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable

NUMBER_BYTES = 20
"""160 bits become exactly 32 characters of ``A-Z2-7``: inside every length rule known (20..40)."""


def mint(random_bytes: bytes) -> str:
    """Turn 20 unpredictable bytes into an order number."""
    if len(random_bytes) != NUMBER_BYTES:
        raise ValueError(f"an order number takes {NUMBER_BYTES} bytes, not {len(random_bytes)}")
    return base64.b32encode(random_bytes).decode("ascii")


def derive(*, namespace: str, operation: str, row_key: str, generation: int = 0) -> str:
    """The order number of one row of one job: the same input always gives the same number.

    Args:
        namespace: Name of the job; another name is another set of numbers.
        operation: Name of the operation, because uniqueness spans operation types (contract 6).
        row_key: Id of the row, unique inside the job.
        generation: Raise it to repeat a row on purpose.
    """
    return numbers_of(namespace=namespace, operation=operation)(row_key, generation)


def numbers_of(*, namespace: str, operation: str) -> Callable[[str, int], str]:
    """``derive`` for many rows of one job: what they share is hashed once.

    Returns:
        A function of ``row_key`` and ``generation``.
    """
    start = hashlib.blake2b(digest_size=NUMBER_BYTES, person=b"fincard order no")
    start.update(_part(namespace) + _part(operation))
    first = _part("0")

    def number(row_key: str, generation: int) -> str:
        digest = start.copy()
        digest.update(_part(row_key) + (_part(str(generation)) if generation else first))
        return mint(digest.digest())

    return number


def _part(text: str) -> bytes:
    """Length and text, so that no two lists of parts give the same bytes."""
    data = text.encode()
    return len(data).to_bytes(8, "big") + data
