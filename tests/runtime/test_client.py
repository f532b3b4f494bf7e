"""The client as the place where everything meets."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fincard_async import FincardClient, RequestContext, RetryPolicy, Sealed, Secret
from fincard_async._crypto.keys import PrivateKey
from fincard_async._crypto.sealing import seal
from fincard_async._generated.models.cards import SensitiveCard
from fincard_async._generated.models.transactions import ThreeDsRecord
from fincard_async._sansio.codec import encode, make_decoder
from fincard_async._transports.home import Home
from fincard_async.client import Core
from fincard_async.errors import ConfigError, ConnectFailed, ValidationError
from fincard_async.testing import reply, sandbox_key

from .rig import BEARER, UNSENT, Server, client_of

pytestmark = pytest.mark.anyio

CONTEXT = RequestContext(
    forwarded_for="203.0.113.7",
    forwarded_from="shop",
    platform="ios",
    device_id="till-1",
    user_agent="shop/1.0",
)


def _server() -> Server:
    return Server(call=lambda header: reply([]))


async def test_every_call_carries_its_context() -> None:
    """Tenant, context, token and content type are on every call, and nothing else."""
    server = _server()
    await client_of(server, auth=BEARER, context=CONTEXT).cards.list_types()
    assert dict(server.calls[0].headers) == {
        "Content-Type": "application/json",
        "Accept-Encoding": "identity",
        "X-Tenant-ID": "acme",
        "X-Forwarded-For": "203.0.113.7",
        "X-Forwarded-From": "shop",
        "platform": "ios",
        "deviceId": "till-1",
        "User-Agent": "shop/1.0",
        "Authorization": "Bearer fixed-token",
    }
    assert server.calls[0].body == b"{}"


async def test_a_view_has_other_settings_on_the_same_client() -> None:
    """Context and retries differ, login and wire are shared; closing the view closes nothing."""
    server = _server()
    client = client_of(server)
    view = client.with_options(context=CONTEXT, timeout=5.0, retry=RetryPolicy(read_attempts=1))
    async with view:
        await view.cards.list_types()
    await client.cards.list_types()
    assert [request.headers["deviceId"] for request in server.calls] == ["till-1", "fincard-async"]
    assert server.logins == 1
    assert (view.origin, view.tenant_id) == (client.origin, client.tenant_id)


async def test_a_view_of_a_view_keeps_what_it_does_not_name() -> None:
    """Settings add up."""
    server = Server(call=lambda header: UNSENT)
    view = client_of(server, auth=BEARER).with_options(context=CONTEXT)
    view = view.with_options(retry=RetryPolicy(read_attempts=2))
    with pytest.raises(ConnectFailed) as caught:
        await view.cards.list_types()
    assert caught.value.attempts == 2
    assert server.calls[0].headers["deviceId"] == "till-1"


async def test_the_owner_closes_the_wire() -> None:
    """``async with`` ends with a closed transport."""
    wire = _server().transport
    async with client_of(None, transport=wire) as client:
        assert not wire.closed
    assert wire.closed
    assert repr(client) == "FincardClient(ScriptedTransport)"


def test_what_views_share_shows_no_key() -> None:
    """Tools that report crashes take the repr of every variable."""
    core = Core("https://x.example", "t1", _server().transport, Home(), (sandbox_key(),))
    assert repr(core) == "Core(origin='https://x.example')"


@pytest.mark.parametrize("way_out", [copy.copy, copy.deepcopy, pickle.dumps])
async def test_a_client_cannot_be_copied(way_out: Callable[[Any], object]) -> None:
    """It holds connections and credentials."""
    with pytest.raises(TypeError, match="cannot be copied or pickled"):
        way_out(client_of(None))


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"timeout": 0}, "timeout must be more than 0"),
        ({"timeout": -1.0}, "timeout must be more than 0"),
        ({"timeout": float("nan")}, "timeout must be more than 0"),
        ({"money_as": "float"}, "money_as must be"),
        ({"tenant_id": ""}, "tenant_id must be"),
        ({"tenant_id": "a\r\nX: y"}, "tenant_id must be"),
        ({"base_url": "http://example.com"}, "base_url must use https"),
        ({"context": RequestContext(platform="")}, "platform must be"),
    ],
)
async def test_settings_that_cannot_be_used(settings: dict[str, Any], message: str) -> None:
    """They are told when the client is made, before anything is sent."""
    with pytest.raises(ConfigError, match=message):
        client_of(None, **settings)


@pytest.mark.parametrize(
    "money_as, body", [("number", b'"amount":5.10'), ("string", b'"amount":"5.10"')]
)
async def test_amounts_are_written_as_asked(money_as: str, body: bytes) -> None:
    """As a JSON number or as text, exactly as given."""
    server = Server(call=lambda header: UNSENT)
    with pytest.raises(ConnectFailed):
        await client_of(server, auth=BEARER, money_as=money_as).cards.deposit("C1", amount="5.10")
    assert body in server.calls[0].body


@pytest.mark.parametrize("amount, sent", [(5, b'"amount":5,'), (10**15 + 1, b":1000000000000001,")])
async def test_a_whole_amount_is_sent_whole(amount: int, sent: bytes) -> None:
    """An int gains no decimal places on its way."""
    server = Server(call=lambda header: UNSENT)
    with pytest.raises(ConnectFailed):
        await client_of(server, auth=BEARER).cards.deposit(
            "C1", amount=amount, client_remark="after the amount"
        )
    assert sent in server.calls[0].body


async def test_a_query_is_read_page_by_page() -> None:
    """A query sends nothing until it is read; then each page is a call with its number."""
    server = Server(call=lambda header: reply({"total": 0, "records": []}))
    query = client_of(server, auth=BEARER).transactions.operations(page_size=7)
    assert server.calls == []
    assert await query.collect() == []
    assert (await query.page(3)).number == 3
    assert [json.loads(request.body) for request in server.calls] == [
        {"pageNum": 1, "pageSize": 7},
        {"pageNum": 3, "pageSize": 7},
    ]
    with pytest.raises(ValidationError):
        client_of(server, auth=BEARER).transactions.operations(page_size=101)


async def test_sealed_values_are_opened_with_the_clients_key() -> None:
    """A card, a 3DS record and a single value."""
    key = sandbox_key()
    public = key.public_key()
    client = client_of(None, card_key=key)
    card = make_decoder(SensitiveCard).decode(encode({"cvv": seal(public, "123")}))
    opened = await client.unseal(card)
    assert opened.cvv == Secret("123")
    record = make_decoder(ThreeDsRecord).decode(
        encode({"cardNo": "C1", "type": "new", "values": seal(public, "123456")})
    )
    assert await client.unseal(record) == Secret("123456")
    assert await client.unseal(Sealed(seal(public, "12345678"))) == Secret("12345678")


async def test_without_a_key_nothing_is_opened() -> None:
    """The message names the setting."""
    with pytest.raises(ConfigError, match="FINCARD_CARD_KEY"):
        await client_of(None).unseal(Sealed("QUJD"))


async def test_a_client_from_the_environment(tmp_path: Path) -> None:
    """Variables are enough; the key file is read at once."""
    path = tmp_path / "merchant.pem"
    path.write_text(sandbox_key().pem().reveal())
    path.chmod(0o600)
    environ = {
        "FINCARD_BASE_URL": "https://sandbox.example",
        "FINCARD_TENANT_ID": "acme",
        "FINCARD_TOKEN": "t",
        "FINCARD_CARD_KEY": str(path),
    }
    async with FincardClient.from_env(environ) as client:
        assert (client.origin, client.tenant_id) == ("https://sandbox.example", "acme")
        sealed = Sealed(seal(PrivateKey.from_file(path).public_key(), "12345678"))
        assert await client.unseal(sealed) == Secret("12345678")
    del environ["FINCARD_CARD_KEY"]
    async with FincardClient.from_env(environ) as client:
        with pytest.raises(ConfigError):
            await client.unseal(sealed)


async def test_the_process_environment_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing variable is named."""
    monkeypatch.delenv("FINCARD_BASE_URL", raising=False)
    monkeypatch.delenv("FINCARD_PROFILE", raising=False)
    with pytest.raises(ConfigError, match="FINCARD_BASE_URL is not set"):
        FincardClient.from_env()


async def test_a_machine_has_a_clock_and_chance() -> None:
    """The real ports work: time goes on, numbers differ, jitter is a fraction."""
    from fincard_async._runtime.ports import SystemClock, SystemEntropy

    clock, entropy = SystemClock(), SystemEntropy()
    before = clock.monotonic()
    await clock.sleep(0)
    assert clock.monotonic() >= before
    assert clock.wall() > 1_700_000_000
    assert entropy.token_bytes(20) != entropy.token_bytes(20)
    assert all(0 <= entropy.fraction() < 1 for _ in range(100))
