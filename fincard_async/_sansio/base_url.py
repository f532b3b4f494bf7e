"""The origin to which credentials are sent: checked once, then fixed.

Source: correctness 5, row 1.
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

from fincard_async.errors import ConfigError

_NAME = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)(\.(?!-)[a-z0-9-]{1,63}(?<!-))*\Z")
_PLAIN = re.compile(r"[\x21-\x5b\x5d-\x7e]+\Z")


def parse_origin(text: str) -> str:
    """Return ``scheme://host[:port]``, or raise before anything is sent.

    https anywhere; http on loopback only. A path, query, user name, unusual host or any trick with
    characters is refused.

    Raises:
        ConfigError: The text is not such an origin.
    """
    if not isinstance(text, str) or not _PLAIN.match(text):
        raise ConfigError("base_url must be an origin such as https://sandbox.finhub.cloud")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ConfigError("base_url has no valid host and port") from None
    if parts.path not in ("", "/") or parts.query or parts.fragment or text[-1] in "?#":
        raise ConfigError("base_url must be an origin without path, query or fragment")
    if "@" in parts.netloc:
        raise ConfigError("base_url must not hold a user name or password")
    host = parts.hostname or ""
    if parts.scheme not in ("https", "http") or not _is_host(host):
        raise ConfigError("base_url must begin with https:// and name a host")
    if parts.scheme == "http" and not is_loopback(host):
        raise ConfigError("base_url must use https; http is allowed on loopback only")
    origin = f"[{host}]" if ":" in host else host
    origin += "" if port is None else f":{port}"
    # The parser drops what stands beside the brackets of an IPv6 address, and much else.
    if origin != parts.netloc.lower() or port == 0:
        raise ConfigError("base_url has no valid host and port")
    return f"{parts.scheme}://{origin}"


def is_loopback(host: str) -> bool:
    """True for ``localhost``, ``127.0.0.0/8`` and ``::1``, spelt plainly."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback and not host.lower().startswith("::ffff:")
    except ValueError:
        return False


def _is_host(host: str) -> bool:
    if "%" in host:  # the zone of an IPv6 address may hold any text
        return False
    try:
        return getattr(ipaddress.ip_address(host), "ipv4_mapped", None) is None
    except ValueError:
        # All-numeric last labels are other spellings of an IPv4 address (decimal, octal, hex).
        last = host.rsplit(".", 1)[-1]
        return bool(_NAME.match(host)) and not re.match(r"(0x[0-9a-f]*|[0-9]+)\Z", last)
