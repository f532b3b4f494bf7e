"""How names of the schema become names of Python."""

from __future__ import annotations

import keyword
import re

_WORD = re.compile(r"([a-z0-9])([A-Z])|([A-Z])([A-Z][a-z])")


def snake(wire: str) -> str:
    """``cardNo`` to ``card_no``, ``allMCCNames`` to ``all_mcc_names``, ``from`` to ``from_``."""
    text = _WORD.sub(lambda m: "_".join(part for part in m.groups() if part), wire)
    text = re.sub(r"[^A-Za-z0-9_]+", "_", text).lower()
    if text[:1].isdigit():
        text = f"n_{text}"
    return f"{text}_" if keyword.iskeyword(text) else text


def pascal(name: str) -> str:
    """``work_orders`` to ``WorkOrders``."""
    return "".join(part.capitalize() for part in name.split("_"))


def kebab(name: str) -> str:
    """``list_types`` to ``list-types``."""
    return name.replace("_", "-")


RESERVED_METHODS = frozenset({"bool", "dict", "int", "list", "str", "tuple", "type"})
"""A method of one of these names would hide the type in the annotations of its class."""

RESERVED_ARGUMENTS = frozenset(
    {"as_enum", "as_secret", "ops", "options", "prefetch", "self", "to_money", "warnings"}
)
"""Names that a stub uses for itself."""

RESERVED_CLASSES = frozenset(
    {"Amount", "Any", "CallOptions", "Caller", "Command", "Confirmation", "Decimal", "EventKind"}
    | {"Final", "Handlers", "Mapping", "Model", "WebhookEvent"}
    | {"Money", "Operation", "Option", "OrderNumber", "PageData", "Paginator", "Paging", "Protocol"}
    | {"RefusalRow", "Resources", "Rule", "Safety", "Sealed", "Secret", "StrEnum"}
)
"""Names that generated modules import for themselves."""

SECRET_PROPERTIES = frozenset(
    {"accesstoken", "activecode", "cardnumber", "cvv", "expiredate", "pan", "password", "pin"}
    | {"refreshtoken", "tenantsecret", "token"}
)
"""Lower-case wire names whose values are secret: the schema must say in which way."""
