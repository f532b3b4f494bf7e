"""What may stand in a header."""

from __future__ import annotations

import string
from dataclasses import replace

import pytest
from hypothesis import given, strategies as st

from fincard_async._generated.wire import CONTEXT_HEADERS
from fincard_async._sansio.headers import check_value, context_headers, is_token
from fincard_async._sansio.options import RequestContext
from fincard_async.errors import ConfigError

PRINTABLE = set(string.digits + string.ascii_letters + string.punctuation)
CHARACTERS = [*map(chr, range(256)), "\u0100", "\u2028", "\ud800", "\udfff", "\U0001f600"]
TEXT_FIELDS = ["forwarded_from", "platform", "device_id", "user_agent"]
CONTEXT = RequestContext(forwarded_for="203.0.113.7")


def test_a_context_becomes_its_headers() -> None:
    """Every field has its header, under the names of the schema."""
    assert context_headers(CONTEXT, CONTEXT_HEADERS) == {
        "X-Forwarded-For": "203.0.113.7",
        "X-Forwarded-From": "fincard-async",
        "platform": "web",
        "deviceId": "fincard-async",
        "User-Agent": "fincard-async",
    }


@pytest.mark.parametrize("field", TEXT_FIELDS)
def test_every_character_in_every_field(field: str) -> None:
    """Printable ASCII passes anywhere, a blank only inside; nothing else passes at all."""
    for character in CHARACTERS:
        for text, allowed in (
            (character, character in PRINTABLE),
            (f"a{character}b", character in PRINTABLE | {" "}),
            (f"a{character}", character in PRINTABLE),
            (f"{character}b", character in PRINTABLE),
        ):
            assert _passes(replace(CONTEXT, **{field: text})) is allowed, repr(text)


def _passes(context: RequestContext) -> bool:
    try:
        context_headers(context, CONTEXT_HEADERS)
    except ConfigError:
        return False
    return True


@pytest.mark.parametrize("field", TEXT_FIELDS)
@pytest.mark.parametrize("text", ["", "x" * 257, "a\r\nX-Evil: 1", None, 5, b"x"])
def test_other_values_are_refused_by_field(field: str, text: object) -> None:
    """The message names the field and never quotes the value."""
    with pytest.raises(ConfigError, match=f"^{field} must be") as caught:
        context_headers(replace(CONTEXT, **{field: text}), CONTEXT_HEADERS)  # type: ignore[arg-type]  # what a caller without a type checker may give
    assert "Evil" not in str(caught.value)


@pytest.mark.parametrize("text", ["x", "x" * 256, "a b", "web/1.0 (x; y)"])
def test_up_to_256_characters(text: str) -> None:
    """The bounds are inclusive."""
    assert check_value("device_id", text) == text


@pytest.mark.parametrize(
    "address", ["203.0.113.7", "127.0.0.1", "::1", "2001:db8::1", "0.0.0.0", "::ffff:10.0.0.1"]
)
def test_an_address_passes(address: str) -> None:
    """Both versions of IP are addresses."""
    context = RequestContext(forwarded_for=address)
    assert context_headers(context, CONTEXT_HEADERS)["X-Forwarded-For"] == address


@pytest.mark.parametrize(
    "address",
    [
        "",
        "localhost",
        "1.2.3",
        "1.2.3.4, 5.6.7.8",
        "1.2.3.4:80",
        "1.2.3.4\r\nX: y",
        "fe80::1%\r\nX",
        " 1.2.3.4",
        "256.1.1.1",
        "\u0661.2.3.4",
        16909060,
        None,
    ],
)
def test_what_is_no_address_is_refused(address: object) -> None:
    """The header takes one plain address."""
    with pytest.raises(ConfigError, match=r"^forwarded_for must be"):
        context_headers(replace(CONTEXT, forwarded_for=address), CONTEXT_HEADERS)  # type: ignore[arg-type]  # likewise


@given(st.text(max_size=20))
def test_a_token_has_no_character_that_could_end_a_header(text: str) -> None:
    """Printable ASCII without blanks, and no more than a header holds."""
    assert is_token(text) is (bool(text) and set(text) <= PRINTABLE)


@pytest.mark.parametrize("length, allowed", [(0, False), (1, True), (2000, True), (8001, False)])
def test_a_token_may_be_long(length: int, allowed: bool) -> None:
    """A JWT with many claims has more than the 256 characters of other values."""
    assert is_token("x" * length) is allowed
