"""Exact amounts: one grammar for what is sent and what is read.

The API writes an amount as a JSON number or as a string (contract 7.2). Both are read exactly, and
both must match one strict grammar: digits, optionally a fraction, no exponent, no ``NaN``, no
``1_000``. A float is refused, because it has lost the amount before this code sees it.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TypeAlias

from fincard_async.errors import ArgumentTypeError, ValidationError

Amount: TypeAlias = Decimal | int | str
"""What a method takes where the API wants money."""
Money: TypeAlias = Decimal
"""A money field of a model; ``exact`` sees to it that only our grammar is read."""

_TYPES = (Decimal, int, str)
_MOST_DIGITS = 18
_GRAMMAR = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,18})?\Z")


def parse_amount(text: str) -> Decimal:
    """Read one amount; raises ValueError without quoting the text, which may be anything."""
    if not _GRAMMAR.match(text):
        raise ValueError("not an exact decimal amount")
    return Decimal(text)


def to_money(value: object, field: str = "amount") -> Decimal:
    """Turn what a caller gave into an exact Decimal, or raise before anything is sent.

    Raises:
        ArgumentTypeError: For a float, a bool, or anything else that is no Decimal, int or str.
        ValidationError: For text or a Decimal outside the grammar, such as ``NaN`` or ``1_000``.
    """
    if isinstance(value, bool) or not isinstance(value, _TYPES):
        raise ArgumentTypeError(
            f"{field} must be a Decimal, an int or a str, not {type(value).__name__}"
        )
    try:
        return parse_amount(_plain(value))
    except ValueError:
        raise ValidationError(f"{field} must be a plain decimal number such as 12.50") from None


def _plain(value: Amount) -> str:
    """The digits of an amount without an exponent; ``1E+999999999`` is not written out."""
    text = str(value)
    if not isinstance(value, Decimal) or "E" not in text:
        return text
    if not value.is_finite() or abs(value.adjusted()) > _MOST_DIGITS:
        raise ValueError("outside the grammar")
    return format(value, "f")
