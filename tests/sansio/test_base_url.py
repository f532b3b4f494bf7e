"""Where credentials may be sent. Source: correctness 5, row 1."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, strategies as st

from fincard_async._sansio.base_url import is_loopback, parse_origin
from fincard_async.errors import ConfigError

GOOD = {
    "https://sandbox.finhub.cloud": "https://sandbox.finhub.cloud",
    "https://sandbox.finhub.cloud/": "https://sandbox.finhub.cloud",
    "HTTPS://Sandbox.FinHub.Cloud": "https://sandbox.finhub.cloud",
    "https://host:8443": "https://host:8443",
    "https://a-b.c1": "https://a-b.c1",
    "https://xn--bcher-kva.example": "https://xn--bcher-kva.example",
    "https://10.0.0.1": "https://10.0.0.1",
    "https://[2001:db8::1]:8443": "https://[2001:db8::1]:8443",
    "https://[2001:DB8::1]": "https://[2001:db8::1]",
    "https://127.0.0.1.evil": "https://127.0.0.1.evil",
    "http://127.0.0.1": "http://127.0.0.1",
    "http://127.0.0.1:8080/": "http://127.0.0.1:8080",
    "http://127.9.9.9:1": "http://127.9.9.9:1",
    "http://localhost:65535": "http://localhost:65535",
    "http://LOCALHOST": "http://localhost",
    "http://[::1]:8080": "http://[::1]:8080",
}

BAD: list[Any] = [
    # nothing to connect to
    "",
    " ",
    "https://",
    "https:///path",
    "https:host",
    "//host",
    "host",
    "host:443",
    None,
    5,
    b"https://host",
    # other schemes
    "ftp://host",
    "ws://host",
    "file:///etc/passwd",
    "javascript:alert(1)",
    # plain http elsewhere, loopback in disguise
    "http://host",
    "http://10.0.0.1",
    "http://0.0.0.0",
    "http://127.0.0.1.evil",
    "http://localhost.evil",
    "http://evil.localhost",
    "http://[::ffff:127.0.0.1]",
    "http://[::127.0.0.1]",
    "http://[::]",
    # user names
    "https://good@evil",
    "https://user:pass@host",
    "https://@host",
    "https://host@",
    "http://127.0.0.1@evil",
    # paths, queries, fragments
    "https://host/api",
    "https://host//",
    "https://host/.",
    "https://host/;x",
    "https://host?",
    "https://host?x=1",
    "https://host/?",
    "https://host#",
    "https://host/#x",
    "https://evil#@good",
    # characters
    "https://host\\@evil",
    "https:\\\\host",
    "https://ho st",
    " https://host",
    "https://host ",
    "https://host\n",
    "https://ho\tst",
    "https://ho\x00st",
    "https://host\x7f",
    "https://h\u00f6st",
    "https://\u24d4vil",
    "https://host\u3002evil",
    "https://host%2eevil",
    "https://host%00",
    "https://ho_st",
    "https://ho,st",
    "https://*.host",
    "https://${host}",
    # dots and hyphens
    "https://host.",
    "https://.host",
    "https://a..b",
    "https://-host",
    "https://host-",
    "https://a.-b",
    "https://" + "a" * 64,
    # other spellings of an IPv4 address
    "https://2130706433",
    "https://0x7f000001",
    "https://0x7f.0.0.1",
    "https://0177.0.0.1",
    "https://127.1",
    "https://127.0.0.1.",
    "https://1.2.3.4.5",
    "https://256.0.0.1",
    # IPv6
    "https://[::ffff:10.0.0.1]",
    "https://[::1",
    "https://::1",
    "https://[]",
    "https://[host]",
    "https://[::1]evil",
    "https://evil[::1]",
    "https://[::1]]",
    "https://[v1.x]",
    "https://[fe80::1%25eth0]",
    "http://[::1%lo]",
    # ports
    "https://host:",
    "https://host:0",
    "https://host:65536",
    "https://host:-1",
    "https://host:+443",
    "https://host:0443",
    "https://host:4_43",
    "https://host:x",
    "https://host:1:2",
]


@pytest.mark.parametrize("text, origin", GOOD.items())
def test_an_origin_is_normalised(text: str, origin: str) -> None:
    """https anywhere, http on loopback; the result names scheme, host and port only."""
    assert parse_origin(text) == origin
    assert parse_origin(origin) == origin


@pytest.mark.parametrize("text", BAD)
def test_everything_else_is_refused(text: Any) -> None:
    """Whatever could send credentials to somewhere else is refused before anything is sent."""
    with pytest.raises(ConfigError, match=r"^base_url ") as caught:
        parse_origin(text)
    assert "pass@" not in str(caught.value)


@given(st.text(max_size=30), st.sampled_from(["", "https://", "http://", "https://host"]))
def test_any_text_is_an_origin_or_an_error(text: str, before: str) -> None:
    """No text raises anything else, and what passes is stable."""
    try:
        origin = parse_origin(before + text)
    except ConfigError:
        return
    assert parse_origin(origin) == origin


@pytest.mark.parametrize(
    "host, local",
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("127.255.255.255", True),
        ("::1", True),
        ("::ffff:127.0.0.1", False),
        ("128.0.0.1", False),
        ("::2", False),
        ("local", False),
        ("", False),
    ],
)
def test_loopback_is_spelt_plainly(host: str, local: bool) -> None:
    """The sandbox asks the same question about where it may listen."""
    assert is_loopback(host) is local
