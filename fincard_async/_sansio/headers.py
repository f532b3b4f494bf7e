"""Header values: checked once, because a line break in one of them would forge another header."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping

from fincard_async.errors import ConfigError

from .options import RequestContext

_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,254}[\x21-\x7e])?\Z")

_TOKEN = re.compile(r"[\x21-\x7e]{1,8000}\Z")


def check_value(name: str, value: str) -> str:
    """Return a header value of 1..256 printable ASCII characters, or raise ConfigError."""
    if not isinstance(value, str) or not _VALUE.match(value):
        raise ConfigError(f"{name} must be 1..256 printable ASCII characters")
    return value


def is_token(text: str) -> bool:
    """True for what may follow ``Bearer``: printable ASCII; a JWT is longer than other values."""
    return _TOKEN.match(text) is not None


def context_headers(context: RequestContext, names: Mapping[str, str]) -> dict[str, str]:
    """The headers of a context. ``names`` maps a field to its header (schema).

    Raises:
        ConfigError: A value cannot be a header, or ``forwarded_for`` is no IP address.
    """
    try:
        ipaddress.ip_address(context.forwarded_for)
    except ValueError:
        raise ConfigError("forwarded_for must be an IP address") from None
    return {
        names[field]: check_value(field, getattr(context, field))
        for field in context.__dataclass_fields__
    }
