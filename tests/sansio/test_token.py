"""How long a token lives."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given, strategies as st

from fincard_async._generated.models.auth import LoginReply
from fincard_async._runtime.credentials import token_in
from fincard_async._sansio.codec import make_decoder
from fincard_async._sansio.secret import Secret
from fincard_async._sansio.token import jwt_expiry, make_token

NOW = 1_767_225_600.0


def jwt(claims: object) -> str:
    """A token with these claims; nobody checks its signature here."""
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"eyJhbGciOiJIUzI1NiJ9.{payload}.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    "text, expires_in, lives, early",
    [
        (jwt({"exp": NOW + 7200}), None, 7200, 300),
        (jwt({"exp": NOW + 7200, "iat": NOW}), 60, 7200, 300),
        (jwt({"exp": NOW + 600}), None, 600, 60),
        ("opaque", 1800, 1800, 180),
        ("opaque", 86400, 86400, 300),
        ("opaque", None, 3600, 300),
        ("opaque", 0, 3600, 300),
        ("opaque", -5, 3600, 300),
        (jwt({"sub": "x"}), 1800, 1800, 180),
        (jwt({"exp": None}), None, 3600, 300),
        (jwt({"exp": "soon"}), None, 3600, 300),
        (jwt({"exp": NOW}), None, 3600, 300),
        (jwt({"exp": NOW - 86400}), 1800, 1800, 180),
        (jwt({"exp": 0}), None, 3600, 300),
        (jwt({"exp": -1}), None, 3600, 300),
    ],
)
def test_the_lifetime_of_a_token(
    text: str, expires_in: float | None, lives: float, early: float
) -> None:
    """The token's own ``exp``, else ``expiresIn``, else an hour; replaced a little early.

    A fresh token that claims to be over means that one of the clocks is wrong.
    """
    token = make_token(text, expires_in, NOW)
    assert token.expires_at == pytest.approx(NOW + lives)
    assert token.refresh_at == pytest.approx(NOW + lives - early)
    assert token.secret.reveal() == text
    assert text not in repr(token)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a.b",
        "a.b.c.d",
        "..",
        "a.!!!.c",
        "a.\u00e9.c",
        "a.QQ.c",
        "a.W10.c",
        "a.bnVsbA.c",
        jwt([]),
        jwt({"exp": True}),
        jwt({"exp": []}),
        "a." + base64.urlsafe_b64encode(b"\xff\xfe{}").decode() + ".c",
        "a." + base64.urlsafe_b64encode(b'{"exp":1e999}').decode() + ".c",
    ],
)
def test_what_is_no_jwt_has_no_date(text: str) -> None:
    """Anything else is an opaque token, never an error."""
    assert jwt_expiry(text) is None


@given(st.one_of(st.text(max_size=50), st.binary(max_size=50).map(lambda raw: jwt(raw.hex()))))
def test_no_token_can_break_a_login(text: str) -> None:
    """Every token is usable for a while, whatever the server sends."""
    token = make_token(text, None, NOW)
    assert NOW < token.refresh_at < token.expires_at


@pytest.mark.parametrize(
    "body, token, lifetime",
    [
        ({"accessToken": "a", "tokenType": "Bearer", "expiresIn": 3600}, "a", 3600),
        ({"accessToken": "a", "expiresIn": "3600"}, "a", 3600),
        ({"token": "a"}, "a", None),
        ({"code": 200, "message": "ok", "data": {"token": "a", "sessionId": "s"}}, "a", None),
        ({"data": {"accessToken": "a", "expiresIn": 60}}, "a", 60),
        ({"data": {"accessToken": "a"}, "expiresIn": 60}, "a", 60),
        ({"data": {"token": "a", "expiresAt": "2026-01-02T03:00:00.1234567"}}, "a", None),
        ({"accessToken": "a", "data": {"token": "b"}}, "a", None),
        ({"accessToken": "", "data": {"token": "b"}}, "b", None),
        ({"token": "a", "expiresIn": 10**400}, "a", None),
    ],
)
def test_a_token_is_found_in_every_form_of_login(
    body: object, token: str, lifetime: float | None
) -> None:
    """Top level or inside ``data``, under either name; ``expiresAt`` is not looked at."""
    assert token_in(_login(body)) == (Secret(token), lifetime)


@pytest.mark.parametrize(
    "body", [{}, {"data": {}}, {"success": False, "code": 401, "data": None}, {"token": ""}]
)
def test_a_login_without_a_token(body: object) -> None:
    """A refused login has none."""
    assert token_in(_login(body)) is None


def _login(body: object) -> LoginReply:
    reply = make_decoder(LoginReply).decode(json.dumps(body).encode())
    assert isinstance(reply, LoginReply)
    return reply
