"""The sandbox over HTTP: the same answers as in process, on this machine only."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import anyio
import msgspec
import pytest

from fincard_async._generated.operations import load
from fincard_async._sansio.codec import encode
from fincard_async._sansio.messages import HttpRequest
from fincard_async.errors import ConfigError
from fincard_async.sandbox import Sandbox
from fincard_async.sandbox.app import is_loopback, serve
from tests.sandbox.kit import Api

pytestmark = pytest.mark.anyio


@dataclass
class Web:
    """A served sandbox, and a session that talks to it."""

    api: Api
    url: str
    session: aiohttp.ClientSession

    async def post(self, path: str, body: object, **headers: str) -> tuple[int, Any]:
        """Status and decoded body of one POST."""
        raw = body if isinstance(body, bytes) else encode(body)
        merged = {"Content-Type": "application/json", **self.api.headers, **headers}
        async with self.session.post(self.url + path, data=raw, headers=merged) as response:
            assert response.headers["x-fincard-sandbox"] == "1"
            return response.status, msgspec.json.decode(await response.read())


@pytest.fixture
async def web(api: Api) -> AsyncIterator[Web]:
    """A sandbox behind a socket."""
    async with serve(api.sandbox) as url, aiohttp.ClientSession() as session:
        yield Web(api, url, session)


@pytest.fixture
def api() -> Api:
    """A sandbox and a caller that is logged in."""
    return Api()


@pytest.mark.parametrize(
    ("path", "body", "drop"),
    [
        (load("cards.list_types").path, {}, None),
        (load("cards.get").path, {"cardNo": "nobody"}, None),
        (load("cards.get").path, {}, "deviceId"),
        (load("cards.get").path, {}, "Authorization"),
        (load("cards.get").path, b"[", None),
        ("/api/nothing", {}, None),
        ("/api/auth/login", {"email": "x"}, None),
    ],
)
async def test_same_as_in_process(web: Web, path: str, body: object, drop: str | None) -> None:
    """Status and body over HTTP are those of the exchange in process."""
    if drop is not None:
        del web.api.headers[drop]
    raw = body if isinstance(body, bytes) else encode(body)
    direct = web.api.sandbox.handle(HttpRequest(path, web.api.headers, raw))
    assert await web.post(path, body) == (direct.status, msgspec.json.decode(direct.body))


async def test_life_of_a_card(web: Web) -> None:
    """A card is ordered, found and used over HTTP."""
    body = {"merchantOrderNo": web.api.number(), "cardTypeId": 111001, "amount": 50}
    _, answer = await web.post(load("cards.open").path, body)
    web.api.settle()
    card_no = answer["data"]["cardNo"]
    status, bought = await web.post(
        "/_sandbox/simulate_purchase", {"card_no": card_no, "amount": "12.50"}
    )
    assert (status, bought["data"]["status"]) == (200, "authorized")
    _, balance = await web.post(load("cards.get_balance").path, {"cardNo": card_no})
    assert balance["data"]["amount"] == 37.5
    _, ledger = await web.post("/_sandbox/ledger", b"")
    assert ledger["data"]["cards"] == 1


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("/_sandbox/nothing", {}, 200, -1),
        ("/_sandbox/add_funds", {}, 200, 40002),
        ("/_sandbox/add_funds", {"amount": "-1"}, 200, 40002),
        ("/_sandbox/add_funds", {"amount": 1e-9}, 200, 40002),
        ("/_sandbox/simulate_refund", {"trade_no": "x"}, 200, -1),
    ],
)
async def test_control_refused(web: Web, path: str, body: object, status: int, code: int) -> None:
    """A control call that is refused answers like the API."""
    seen, answer = await web.post(path, body)
    assert (seen, answer["success"], answer["code"]) == (status, False, code)


async def test_control_needs_json(web: Web) -> None:
    """A web page's form cannot make a control call."""
    status, _ = await web.post("/_sandbox/expire_tokens", {}, **{"Content-Type": "text/plain"})
    assert status == 415
    assert web.api.state.token_epoch == 0


async def test_only_post(web: Web) -> None:
    """Every other method is refused."""
    async with web.session.get(web.url + load("cards.list_types").path) as response:
        assert response.status == 405


async def test_only_loopback_names(web: Web) -> None:
    """A request that names another host is refused, wherever it comes from."""
    status, _ = await web.post("/_sandbox/ledger", {}, Host="evil.example")
    assert status == 403
    status, _ = await web.post("/_sandbox/ledger", {}, Host="localhost:1")
    assert status == 200


async def test_long_body(web: Web) -> None:
    """A body of more than a mebibyte is refused."""
    body = io.BytesIO(b" " * (1024 * 1024 + 1))
    url = web.url + load("cards.open").path
    async with web.session.post(url, data=body, headers=web.api.headers) as response:
        assert response.status == 413


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.com", ""])
async def test_other_hosts(api: Api, host: str) -> None:
    """The server refuses to listen on anything but this machine."""
    with pytest.raises(ConfigError, match="loopback"):
        async with serve(api.sandbox, host):
            pytest.fail("it listens")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_loopback_names(host: str) -> None:
    """These names never leave this machine."""
    assert is_loopback(host)


async def test_port_is_free_afterwards(api: Api) -> None:
    """When the block ends the port is closed and the sandbox is still usable."""
    async with serve(api.sandbox) as url:
        pass
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientConnectorError):
            await session.post(url)
    assert api.order()


async def test_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A control call that cannot be kept is answered with 500."""
    api = Api(state=tmp_path / "state")

    def full(fd: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    async with serve(api.sandbox) as url, aiohttp.ClientSession() as session:
        monkeypatch.setattr(os, "write", full)
        status, _ = await Web(api, url, session).post("/_sandbox/add_holder", {"holder_id": 5})
    assert status == 500


SERVER = """
import sys
from pathlib import Path

import anyio

from fincard_async.sandbox import Sandbox
from fincard_async.sandbox.app import serve


async def main() -> None:
    async with serve(Sandbox(state=Path(sys.argv[1]))) as url:
        print(url, flush=True)
        await anyio.sleep_forever()


anyio.run(main)
"""


@pytest.mark.slow
async def test_kill_loses_nothing_that_was_answered(tmp_path: Path) -> None:
    """After kill -9 a new process knows every order that was answered."""
    state = tmp_path / "state"
    answered: set[str] = set()
    api = Api()
    for _ in range(2):
        command = [sys.executable, "-c", SERVER, str(state)]
        async with await anyio.open_process(command, cwd=Path(__file__).parents[2]) as process:
            assert process.stdout is not None
            url = (await process.stdout.receive()).decode().strip()
            async with aiohttp.ClientSession() as session:
                answered |= await issue(Web(api, url, session))
            process.kill()
    with Sandbox(state=state) as sandbox:
        rows = sandbox._engine.state.operations.rows
        assert {row.merchant_order_no for row in rows} == answered
        assert sandbox.controls.ledger().created_amount == 50 * len(answered)


async def issue(web: Web) -> set[str]:
    """Order cards; the numbers of those that were answered."""
    login = "/api/v2.1/admin/organization/sandbox-organization/users/sandbox-user/sessions"
    _, reply = await web.post(login, {"username": "sandbox", "password": "sandbox-password"})
    web.api.headers["Authorization"] = f"Bearer {reply['data']['token']}"
    numbers = {web.api.number() for _ in range(10)}
    for number in numbers:
        body = {"merchantOrderNo": number, "cardTypeId": 111001, "amount": 50}
        _, answer = await web.post(load("cards.open").path, body)
        assert answer["data"]["merchantOrderNo"] == number
    return numbers
