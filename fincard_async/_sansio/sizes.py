"""How large an answer may be: more than this API ever sends, and too little to do harm.

Source: correctness 5, row 18, and 2.2.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from .secret import Sealed, Secret

MAX_BODY_BYTES = 8 * 1024 * 1024
MAX_SECRET_BYTES = 64 * 1024
"""For one record with sealed fields: whoever can send more wants it to lie around in memory."""
MAX_SECRET_PAGE_BYTES = 1024 * 1024
"""For a page of such records; a hundred rows of four blocks each are a fifth of it."""
MAX_TEXT = 64 * 1024
MAX_ROWS = 10_000
MAX_PARTS = 10 * MAX_ROWS
"""Objects and lists of one answer."""
MAX_QUOTES = 50_000
"""Of an answer in which no key may stand twice: one record has a hundred."""
MAX_VALUES = 10 * MAX_ROWS
"""Values of an answer in the other vocabulary, which is rewritten."""
SMALL_BODY = 3 * MAX_ROWS
"""Bytes; no shorter body holds so many rows or so long a text."""

SHORT_BODY = 1024
"""Bytes; in a longer body the search for what is unusual costs more than the careful way."""


def oversize(body: bytes, result: object, rows: object) -> str | None:
    """What is too large in a decoded answer of more than ``SMALL_BODY`` bytes; None if nothing."""
    if isinstance(rows, list) and len(rows) > MAX_ROWS:
        return f"the page has more than {MAX_ROWS} records"
    if _may_hold_long_text(body) and _holds_long_text(result):
        return f"a text of the reply is longer than {MAX_TEXT} characters"
    return None


def _may_hold_long_text(body: bytes) -> bool:
    """False if in every block there is a quote that begins or ends a string."""
    half = MAX_TEXT // 2  # wherever it begins, one of the blocks of this length is all text
    for start in range(0, len(body) - half, half):
        quote = body.find(b'"', start, start + half)
        if quote < 0 or body[quote - 1 : quote] == b"\\":
            return True
    return False


def _holds_long_text(value: object) -> bool:
    match value:
        case str():
            return len(value) > MAX_TEXT
        case Secret():
            return len(value.reveal()) > MAX_TEXT
        case Sealed():
            return len(value.ciphertext) > MAX_TEXT
        case list() | tuple():
            return any(map(_holds_long_text, value))
        case dict():
            return any(map(_holds_long_text, value.values()))
        case Struct():
            parts: Iterable[object] = (getattr(value, name) for name in value.__struct_fields__)
            return any(map(_holds_long_text, parts))
        case _:
            return False
