"""What the documentation says about one argument: meaning, unit, bounds, default."""

from __future__ import annotations

import re
from collections.abc import Mapping

from .ir import Enum, Field, Limits

_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?")
_INT64 = {"-9223372036854775808", "9223372036854775807"}


def describe(field: Field, enums: Mapping[str, Enum]) -> str:
    """Meaning and unit, the bounds unless the description names them, the server's default."""
    texts = [sentence(field.description)]
    bounds = _bounds(field)
    numbers = _numbers(field.limits)
    if bounds and not (numbers and all(_mentions(field.description, bound) for bound in numbers)):
        texts.append(f"{bounds[0].upper()}{bounds[1:]}.")
    if (choices := enums.get(field.type.component or "")) is not None:
        texts.append(f"One of {', '.join(choices.values)}, or another text.")
    if field.default is not None:
        texts.append(f"The server takes {field.default} if this is left out.")
    return " ".join(text for text in texts if text)


def sentence(text: str) -> str:
    """Text with a full stop at its end."""
    return text if not text or text.endswith((".", "!", "?")) else f"{text}."


def _numbers(limits: Limits) -> list[str]:
    """The bounds that a description should name; 0 and 1 go without saying beside an upper one."""
    lower = (limits.min_length, limits.minimum, limits.above)
    upper = [str(number) for number in (limits.max_length, limits.maximum) if number is not None]
    low = [str(number) for number in lower if number is not None]
    return [*(number for number in low if not upper or number not in {"0", "1"}), *upper]


def _mentions(text: str, number: str) -> bool:
    return number in _NUMBER.findall(text)


def _bounds(field: Field) -> str:
    return _lengths(field) or _range(field)


def _lengths(field: Field) -> str:
    low, high = field.limits.min_length or 0, field.limits.max_length
    unit = "items" if field.type.kind == "list" else "characters"
    if high is None:
        return f"at least {low} {unit}" if low > 1 else ""
    if low == high:
        return f"exactly {high} {unit}"
    return f"{low} to {high} {unit}" if low else f"at most {high} {unit}"


def _range(field: Field) -> str:
    low, high, above = field.limits.minimum, field.limits.maximum, field.limits.above
    if field.type.kind == "timestamp" or _INT64 & {low, high}:
        return ""
    if above is not None:
        return f"more than {above}" + (f" and at most {high}" if high is not None else "")
    if low is not None:
        return f"{low} to {high}" if high is not None else f"at least {low}"
    return f"at most {high}" if high is not None else ""
