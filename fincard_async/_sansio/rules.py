"""Checks of a request before anything is sent: one table per operation, from the schema.

A message names the field and the rule, and never quotes the value, which may be a secret; and for a
secret nothing is raised where its text is a variable, because a traceback shows variables.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache

from fincard_async.errors import ArgumentTypeError, ValidationError

from .model import Model
from .money import to_money
from .operation import Rule
from .secret import NotText, Secret

_pattern = lru_cache(maxsize=None)(re.compile)
_bound = lru_cache(maxsize=None)(Decimal)
_NUMBERS = (Decimal, int)
_RUN_OF_THREE = re.compile(r"(.)\1\1")
_REPEATED_SEGMENT = re.compile(r"(?:(..)\1\1|(...)\2)\Z")
_ANY_REPEAT = re.compile(r"(..)\1|(...)\2")
_SIX_DIGITS = re.compile(r"[0-9]{6}\Z")
_UP, _DOWN = "0123456789", "9876543210"


def check_pin(pin: str) -> str | None:
    """Say what is wrong with a PIN, or None. Source: seed, "Update PIN - Rules".

    The wording leaves room; this refuses only what every reading of it forbids, so 962,000 of the
    1,000,000 PINs pass and the server keeps the last word.
    """
    if not _SIX_DIGITS.match(pin):
        return "must be 6 digits"
    if _RUN_OF_THREE.search(pin):
        return "must not repeat a digit three times in a row"
    if pin in _UP or pin in _DOWN:
        return "must not be entirely ascending or descending"
    if _REPEATED_SEGMENT.match(pin):
        return "must not repeat a segment of 2 or 3 digits"
    return None


def is_strict_pin(pin: str) -> bool:
    """True if a PIN keeps the rules in their strictest reading, which 931,380 PINs do.

    No three equal digits in a row, digits that neither only rise nor only fall (equal ones count
    as both), and no two or three digits that are at once repeated, wherever they stand.
    """
    pairs = list(itertools.pairwise(pin))
    monotonic = all(a <= b for a, b in pairs) or all(a >= b for a, b in pairs)
    return check_pin(pin) is None and not monotonic and not _ANY_REPEAT.search(pin)


CHECKS: Mapping[str, Callable[[str], str | None]] = {"pin": check_pin}
"""Rules written by hand; ``x-fincard.schema.json`` lists the same names."""


def check(rules: Sequence[Rule], struct: Model, where: str = "") -> None:
    """Raise if ``struct`` breaks a rule; ``where`` is the path of a nested object.

    Raises:
        ArgumentTypeError: A value has a wrong type.
        ValidationError: A value is missing, too long, too large, or breaks a named rule.
    """
    for rule in rules:
        value = getattr(struct, rule.name)
        if value is not None:
            _KINDS[rule.kind](rule, value, where + rule.name)
        elif rule.required:
            raise ValidationError(f"{where}{rule.name} is required")


def _check_text(rule: Rule, value: object, name: str) -> None:
    if not isinstance(value, str):
        raise ArgumentTypeError(f"{name} must be a str, not {type(value).__name__}")
    if fault := _fault_of(rule, value):
        raise ValidationError(f"{name} {fault}")


def _fault_of(rule: Rule, text: str) -> str | None:
    if fault := _length_fault(rule, len(text), "characters"):
        return fault
    if rule.pattern is rule.check is None:
        return None
    if rule.pattern is not None and not _pattern(rule.pattern).search(text):
        return f"does not have the required form {rule.pattern}"
    return None if rule.check is None else CHECKS[rule.check](text)


def _length_fault(rule: Rule, length: int, unit: str) -> str | None:
    least, most = rule.min_length or 0, rule.max_length
    if length >= least and (most is None or length <= most):
        return None
    span = f"{least}..{most}" if most is not None else f"at least {least}"
    return f"must have {span} {unit}, not {length}"


def _check_secret(rule: Rule, value: object, name: str) -> None:
    if not isinstance(value, Secret):
        kind = value.kind if isinstance(value, NotText) else type(value).__name__
        raise ArgumentTypeError(f"{name} must be a Secret, not {kind}")
    if fault := _fault_of(rule, value.reveal()):
        raise ValidationError(f"{name} {fault}")


def _check_integer(rule: Rule, value: object, name: str) -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ArgumentTypeError(f"{name} must be an int, not {type(value).__name__}")
    _check_range(rule, value, name)


def _check_money(rule: Rule, value: object, name: str) -> None:
    if not isinstance(value, _NUMBERS) or isinstance(value, bool):
        raise ArgumentTypeError(f"{name} must be a Decimal or an int, not {type(value).__name__}")
    amount = to_money(value, name)
    if isinstance(value, Decimal) and "E" in str(value):  # it would be sent like that
        raise ValidationError(f"{name} must be a plain decimal number without an exponent")
    _check_range(rule, amount, name)


def _check_range(rule: Rule, value: Decimal | int, name: str) -> None:
    if rule.minimum is not None and value < _bound(rule.minimum):
        raise ValidationError(f"{name} must be at least {rule.minimum}")
    if rule.above is not None and value <= _bound(rule.above):
        raise ValidationError(f"{name} must be more than {rule.above}")
    if rule.maximum is not None and value > _bound(rule.maximum):
        raise ValidationError(f"{name} must be at most {rule.maximum}")


def _check_boolean(rule: Rule, value: object, name: str) -> None:
    if not isinstance(value, bool):
        raise ArgumentTypeError(f"{name} must be a bool, not {type(value).__name__}")


def _check_list(rule: Rule, value: object, name: str) -> None:
    if not isinstance(value, list | tuple):
        raise ArgumentTypeError(f"{name} must be a list, not {type(value).__name__}")
    if fault := _length_fault(rule, len(value), "items"):
        raise ValidationError(f"{name} {fault}")
    for index, item in enumerate(value):
        if isinstance(item, Model):
            check(rule.fields, item, f"{name}[{index}].")
        elif rule.fields and rule.fields[0].name == "":
            _KINDS[rule.fields[0].kind](rule.fields[0], item, f"{name}[{index}]")
        else:
            raise ArgumentTypeError(f"{name}[{index}] has a wrong type: {type(item).__name__}")


def _check_object(rule: Rule, value: object, name: str) -> None:
    if not isinstance(value, Model):
        raise ArgumentTypeError(f"{name} must be a model object, not {type(value).__name__}")
    if sum(1 for field in rule.at_most_one if getattr(value, field)) > 1:
        raise ValidationError(f"{name}: only one of {', '.join(rule.at_most_one)} may be set")
    check(rule.fields, value, f"{name}.")


_KINDS: Mapping[str, Callable[[Rule, object, str], None]] = {
    "text": _check_text,
    "enum": _check_text,
    "secret": _check_secret,
    "integer": _check_integer,
    "money": _check_money,
    "boolean": _check_boolean,
    "list": _check_list,
    "object": _check_object,
}
