"""What a user may hold, print, copy, store or send on shows no secret."""

from __future__ import annotations

import copy
import inspect
import json
import pickle
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from fincard_async import (
    BearerToken,
    CallOptions,
    Limits,
    PasswordLogin,
    RequestContext,
    RetryPolicy,
    Sealed,
    Secret,
    SessionLogin,
    errors,
)
from fincard_async._crypto import sealing
from fincard_async._crypto.keys import PrivateKey
from fincard_async._crypto.opening import CardSecrets
from fincard_async._generated.models import auth, cards, transactions
from fincard_async._runtime.auth import FixedToken
from fincard_async._sansio.codec import encode, make_decoder
from fincard_async._sansio.messages import HttpRequest, HttpResponse
from fincard_async._sansio.requests import build_request
from fincard_async._sansio.token import make_token
from fincard_async.config import load_settings
from fincard_async.keys import Opened, Pan
from fincard_async.sandbox import Controls, Sandbox, SandboxSettings
from fincard_async.testing import sandbox_key
from tests.runtime.rig import client_of
from tests.sansio.samples import WRITE, Ask
from tests.thinning import thin

from .sinks import CANARIES, hits, leaks

PAN, CVV, PIN, CODE, TOKEN, PASSWORD, TENANT, KEY = CANARIES.values()
ALL = " ".join(CANARIES.values())
PEM = f"-----BEGIN PRIVATE KEY-----\n{KEY}\n-----END PRIVATE KEY-----"
LOGIN = SessionLogin(
    organization_id="o", user_id="u", username="n", password=PASSWORD, tenant_secret=TENANT
)
ENVIRONMENT = {
    "FINCARD_BASE_URL": "https://sandbox.example",
    "FINCARD_TENANT_ID": "acme",
    "FINCARD_EMAIL": "a@example.org",
    "FINCARD_PASSWORD": PASSWORD,
    "FINCARD_CARD_KEY_PASSWORD": PASSWORD,
}


def _read(kind: type, **fields: str) -> Any:
    return make_decoder(kind).decode(json.dumps(fields).encode())


def objects() -> Iterator[object]:
    """Everything public that has a secret somewhere inside."""
    yield from (Secret(ALL), Sealed(ALL), LOGIN, BearerToken(TOKEN))
    yield PasswordLogin(email="a@example.org", password=PASSWORD)
    yield client_of(None, auth=LOGIN, card_key=sandbox_key())
    yield client_of(None, auth=BearerToken(TOKEN))
    yield load_settings(ENVIRONMENT)
    yield from (FixedToken(Secret(TOKEN)), make_token(TOKEN, None, 0.0))
    yield LOGIN.request("acme")
    yield HttpRequest("/x", {"Authorization": f"Bearer {TOKEN}"}, ALL.encode())
    yield HttpResponse(200, {"set-cookie": ALL}, ALL.encode())
    yield build_request(
        WRITE,
        Ask(card_no="C1", merchant_order_no="A" * 32, pin=Secret("135792")),
        money_as="number",
    )
    yield cards.UpdatePinRequest(card_no="C1", pin=Secret(PIN))
    yield cards.ActivateCardRequest(card_no="C1", pin=Secret(PIN), active_code=Secret(CODE))
    yield cards.OpenCardRequest(card_type_id=1, amount=Decimal(50), card_number=Secret(PAN))
    yield _read(cards.SensitiveCard, cardNumber=PAN, cvv=CVV, expireDate=CODE)
    yield _read(transactions.ThreeDsRecord, cardNo="C1", type="new", values=CODE)
    yield _read(auth.LoginReply, token=TOKEN, accessToken=TOKEN)
    yield CardSecrets(
        card_number=Pan(PAN), cvv=Opened(CVV), expire_date=None, activate_url=Opened(CODE)
    )
    yield SandboxSettings(password=PASSWORD, merchant_key=KEY)
    sandbox = Sandbox(SandboxSettings(password=PASSWORD))
    yield from (sandbox, sandbox.controls, sandbox_key())
    yield from (RetryPolicy(), Limits(), CallOptions(), RequestContext())


OBJECTS = list(objects())
WAYS_OUT: dict[str, Callable[[Any], object]] = {
    "repr": repr,
    "str": str,
    "format": lambda value: f"{value}{value!r}{value!s}{value:}",
    "old format": lambda value: "%s %r" % (value, value),  # noqa: UP031 - people write it
    "inside": lambda value: repr([value, {"key": value}, (value,)]),
    "ascii": ascii,
    "pickle": pickle.dumps,
    "json": json.dumps,
    "json with repr": lambda value: json.dumps(value, default=repr),
    "msgspec": msgspec.json.encode,
    "msgpack": msgspec.msgpack.encode,
    "builtins": msgspec.to_builtins,
    "copy": lambda value: repr(copy.copy(value)),
    "deepcopy": lambda value: repr(copy.deepcopy(value)),
    "join": "".join,
    "bytes": lambda value: bytes(value, "utf-8"),
    "sorted": sorted,
}

PRINTING = {"repr", "str", "format", "old format", "inside", "ascii", "json", "json with repr"}


@pytest.mark.parametrize("way", thin(WAYS_OUT, 5))
@pytest.mark.parametrize("value", OBJECTS, ids=lambda value: type(value).__name__)
def test_no_object_shows_a_secret(value: object, way: str) -> None:
    """By any way out: either it works and shows nothing, or it fails and shows nothing."""
    try:
        out = WAYS_OUT[way](value)
    except Exception as error:  # noqa: BLE001 - whatever it is, it must not tell
        found = leaks(error)
    else:
        found = hits(out.decode("latin-1") if isinstance(out, bytes) else str(out))
    # Records of raw HTTP are private, and a sandbox's password is make-believe: of these, only
    # that they do not print is promised.
    raw = isinstance(value, HttpRequest | HttpResponse | SandboxSettings | Sandbox | Controls)
    assert found == [] or (raw and way not in PRINTING)


@pytest.mark.parametrize("value", [LOGIN, BearerToken(TOKEN)], ids=["session", "token"])
def test_a_login_is_neither_pickled_nor_copied_apart(value: object) -> None:
    """A plain password is a secret from the moment the record is made."""
    for way in (pickle.dumps, copy.deepcopy):
        with pytest.raises(TypeError, match="cannot be copied or pickled"):
            way(value)
    assert isinstance(getattr(value, "password", None) or getattr(value, "token", None), Secret)


ERRORS = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, errors.FincardError)
]


@pytest.mark.parametrize("kind", ERRORS)
def test_every_error_may_be_pickled_and_shows_facts_only(
    kind: type[errors.FincardError],
) -> None:
    """It has no room for a body, a header or an object of a library, and survives a process."""
    error = kind("what happened")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert str(again) == str(error)
    assert str(error).startswith("what happened")
    assert set(vars(error)) <= {
        *("operation", "order_no", "maybe_applied", "retry_after", "code", "status", "attempts"),
        *("final", "seen", "total", "first", "then"),
    }


BAD_KEYS: dict[str, tuple[bytes | str, str | None]] = {
    "no key": (PEM, None),
    "no key, as bytes": (PEM.encode(), None),
    "bare": (KEY, None),
    "with a password": (PEM, PASSWORD),
    "encrypted": (PEM.replace("PRIVATE", "ENCRYPTED PRIVATE"), None),
    "encrypted, with a password": (PEM.replace("PRIVATE", "ENCRYPTED PRIVATE"), PASSWORD),
}


@pytest.mark.parametrize("name", BAD_KEYS)
def test_a_key_that_cannot_be_read_is_not_shown(name: str, tmp_path: Any) -> None:
    """Neither the file, nor the password, in no frame."""
    data, password = BAD_KEYS[name]
    with pytest.raises(errors.ConfigError) as caught:
        PrivateKey.parse(data, password)
    assert leaks(caught.value) == []
    path = tmp_path / "key.pem"
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    path.chmod(0o600)
    with pytest.raises(errors.ConfigError) as caught:
        PrivateKey.from_file(path, password)
    assert leaks(caught.value) == []


@pytest.mark.parametrize("text", [PAN, CVV, CODE, PIN, ALL])
@pytest.mark.parametrize("content", ["card_number", "cvv", "expire_date", "url"])
def test_what_opens_and_is_something_else_is_not_shown(content: sealing.Content, text: str) -> None:
    """A value that is opened in the wrong place stays in no variable of a traceback."""
    key = sandbox_key()
    sealed = Sealed(sealing.seal(key.public_key(), text))
    if sealing.SHAPES[content](text):
        assert sealing.unseal(key, sealed, content) == Secret(text)
        return
    with pytest.raises(errors.UnsealError) as caught:
        sealing.unseal(key, sealed, content)
    assert leaks(caught.value) == []


@pytest.mark.parametrize(
    "auth_of",
    [
        lambda: BearerToken(f"{TOKEN}\r\nX: y"),
        lambda: BearerToken(TOKEN.encode()),  # type: ignore[arg-type]  # what a caller may give
    ],
)
def test_a_token_that_cannot_be_sent_is_not_shown(auth_of: Callable[[], BearerToken]) -> None:
    """The client refuses it by name."""
    with pytest.raises(errors.ConfigError) as caught:
        client_of(None, auth=auth_of())
    assert leaks(caught.value) == []


def test_a_request_on_the_wire_does_hold_them() -> None:
    """The canaries are real: what is sent has them, and only there."""
    assert PIN.encode() in encode(cards.UpdatePinRequest(card_no="C1", pin=Secret(PIN)))
    assert hits(ALL) == list(CANARIES)
