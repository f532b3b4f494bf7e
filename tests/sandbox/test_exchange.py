"""HTTP before and after the handlers: paths, headers, tokens, bodies, logins."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from fincard_async._generated.operations import OPERATION_NAMES, load
from fincard_async._generated.wire import REQUIRED_HEADERS
from fincard_async._sansio.messages import HttpRequest, HttpResponse
from fincard_async._sansio.token import jwt_expiry
from fincard_async.sandbox import Sandbox, SandboxSettings
from fincard_async.sandbox.tokens import TokenMint
from tests.thinning import thin

from .kit import START, Api, Time

PATHS = [load(name).path for name in OPERATION_NAMES if not name.startswith("auth.")]
L1 = "/api/auth/login"
L2 = "/api/v2.1/admin/organization/sandbox-organization/users/sandbox-user/sessions"
BALANCE = load("cards.get_balance").path


def seen(response: HttpResponse) -> tuple[int, Any, Any]:
    """Status, code and message of an answer."""
    assert response.headers["x-fincard-sandbox"] == "1"
    answer = msgspec.json.decode(response.body)
    return response.status, answer["code"], answer["msg"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("header", thin(sorted(REQUIRED_HEADERS - {"Authorization"}), 5))
def test_missing_header(api: Api, path: str, header: str) -> None:
    """Every endpoint refuses a call without one of the context headers, and names it."""
    del api.headers[header]
    assert seen(api.send(path, {})) == (400, 500, f"Missing required header(s): {header}")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "authorization", thin([None, "", "Bearer", "Bearer a.b.c", "Basic {token}"], 5)
)
def test_missing_token(api: Api, path: str, authorization: str | None) -> None:
    """Every endpoint answers 401 without a good bearer token."""
    token = api.headers.pop("Authorization").partition(" ")[2]
    if authorization is not None:
        api.headers["Authorization"] = authorization.format(token=token)
    assert seen(api.send(path, {})) == (401, 401, "Unauthorized")


def test_header_names_have_no_case(api: Api) -> None:
    """Header names are compared without regard to case."""
    api.headers = {name.upper(): value for name, value in api.headers.items()}
    assert api.send(load("cards.list_types").path, {}).status == 200


@pytest.mark.parametrize("path", ["/", "/api", BALANCE + "/", BALANCE.upper(), ""])
def test_unknown_path(api: Api, path: str) -> None:
    """A path that the schema does not have is not found."""
    assert seen(api.send(path, {})) == (404, 404, "No such path")


def test_other_tenant(api: Api) -> None:
    """A token of one tenant opens nothing for another."""
    api.headers["X-Tenant-ID"] = "somebody-else"
    assert seen(api.send(BALANCE, {})) == (403, 403, "Tenant access denied")


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", "body parameter error"),
        (b"[]", "body parameter error"),
        (b"null", "body parameter error"),
        (b'"SECRET"', "body parameter error"),
        (b'{"cardNo": 5.5}', "cardNo parameter error"),
        (b'{"cardNo": null}', "cardNo parameter error"),
        (b"{}", "cardNo parameter error"),
        (b'{"cardNo": ""}', "card_no must have at least 1 characters"),
        (b'{"cardNo": "\xff"}', "body parameter error"),
        (b'{"x": ' + b"[" * 100, "nested too deeply"),
    ],
)
def test_bad_bodies(api: Api, body: bytes, text: str) -> None:
    """A body that is not the documented object is a parameter error that names the field."""
    status, code, msg = seen(api.send(BALANCE, body))
    assert (status, code) == (200, 40002)
    assert text in msg
    assert "SECRET" not in msg


@pytest.mark.parametrize(
    "number", ["SHORT", "X" * 19, "X" * 41, None], ids=["5", "19", "41", "none"]
)
def test_order_number_length(api: Api, number: str | None) -> None:
    """An order number of the wrong length is a parameter error, and is not repeated."""
    body = {"merchantOrderNo": number, "cardTypeId": 111001, "amount": 50}
    status, code, msg = seen(api.send(load("cards.open").path, body))
    assert (status, code) == (200, 40002)
    assert number is None or number not in msg


def test_unknown_fields_are_ignored(api: Api) -> None:
    """A field that the schema does not have does no harm."""
    assert api.order(somethingNew=1)


def fresh(**settings: Any) -> Api:
    """A caller without a token."""
    api = Api(**settings)
    del api.headers["Authorization"]
    return api


GOOD_L1 = {
    "email": "sandbox@fincard.example",
    "password": "sandbox-password",
    "tenantId": "sandbox",
}
GOOD_L2 = {"username": "sandbox", "password": "sandbox-password"}


def test_password_login() -> None:
    """The first login form answers without an envelope; its token works."""
    api = fresh()
    reply = msgspec.json.decode(api.send(L1, GOOD_L1).body)
    assert (reply["tokenType"], reply["expiresIn"]) == ("Bearer", 3600)
    assert "success" not in reply
    assert jwt_expiry(reply["accessToken"]) == START + 3600
    api.headers["Authorization"] = f"Bearer {reply['accessToken']}"
    assert api.order()


def test_session_login() -> None:
    """The second login form answers in data, with a time that is not the token's end."""
    reply = msgspec.json.decode(fresh().send(L2, GOOD_L2).body)
    assert (reply["code"], reply["message"]) == (200, "Success")
    assert jwt_expiry(reply["data"]["token"]) == START + 3600
    assert reply["data"]["expiresAt"] == "2026-11-23T13:15:00.0000000"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (L1, GOOD_L1 | {"email": "x"}),
        (L1, GOOD_L1 | {"password": "x"}),
        (L1, GOOD_L1 | {"tenantId": "x"}),
        (L1, {}),
        (L1, b"[]"),
        (L1, GOOD_L1 | {"password": ""}),
        (L2, GOOD_L2 | {"username": "x"}),
        (L2, GOOD_L2 | {"password": "x"}),
        (L2, b"\xff"),
        (L2.replace("sandbox-user", "other"), GOOD_L2),
        (L2.replace("sandbox-organization", "other"), GOOD_L2),
    ],
)
def test_login_refused(path: str, body: object) -> None:
    """Wrong credentials of any kind get one and the same answer."""
    assert seen(fresh().send(path, body)) == (401, 401, "Invalid credentials")


def test_login_needs_context_and_tenant() -> None:
    """A login checks the context headers and the tenant like any other call."""
    api = fresh()
    api.headers["X-Tenant-ID"] = "other"
    assert seen(api.send(L2, GOOD_L2)) == (403, 403, "Tenant access denied")
    del api.headers["deviceId"]
    assert seen(api.send(L2, GOOD_L2)) == (400, 500, "Missing required header(s): deviceId")


@pytest.mark.parametrize("lifetime", [3600.0, 2.0, 0.25])
def test_token_ends(lifetime: float) -> None:
    """A token is good for its lifetime and refused from then on; a new login helps."""
    api = Api(token_lifetime=lifetime)
    api.time.pass_ms(int(lifetime * 1000) - 1)
    assert api.send(load("cards.list_types").path, {}).status == 200
    api.time.pass_ms(1)
    assert api.send(load("cards.list_types").path, {}).status == 401
    api.log_in()
    assert api.send(load("cards.list_types").path, {}).status == 200


def test_token_survives_a_restart() -> None:
    """A token is known by its signature: another sandbox with the same settings takes it."""
    api = Api()
    token = api.headers["Authorization"]
    other = Api()
    other.headers["Authorization"] = token
    assert other.order()
    stranger = Api(seed=2)
    stranger.headers["Authorization"] = token
    assert stranger.send(BALANCE, {}).status == 401


def test_many_tokens() -> None:
    """The memory of good tokens is bounded, and forgetting one does not refuse it."""
    mint = TokenMint(b"key", 60)
    tokens = [
        mint.issue(subject="user", tenant_id="tenant", now=START, epoch=0) for _ in range(1100)
    ]
    assert len(set(tokens)) == len(tokens)
    assert all(mint.accepts(token, now=START, epoch=0) for token in tokens)
    assert mint.accepts(tokens[0], now=START, epoch=0)
    assert len(mint._known) <= 1024


def test_defaults() -> None:
    """A sandbox needs no argument, and closes without a state file."""
    with Sandbox() as sandbox:
        assert sandbox.settings == SandboxSettings()
        assert sandbox.handle(HttpRequest("/", {}, b"")).status == 404


def test_ids_depend_on_the_seed() -> None:
    """The same calls give the same ids with the same seed, and others with another."""
    first, same, other = (Api(seed=seed).order() for seed in (1, 1, 2))
    assert first == same
    assert first["cardNo"] != other["cardNo"]
    assert first["orderNo"] != other["orderNo"]


def test_time_helper() -> None:
    """The clock of these tests counts whole milliseconds."""
    time = Time()
    time.pass_ms(20)
    assert time() == START + 0.02
