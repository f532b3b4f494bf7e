"""Webhooks over sockets: an aiohttp application, and a sandbox that posts to it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import anyio
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from fincard_async.errors import ConfigError
from fincard_async.sandbox import sending
from fincard_async.sandbox.posting import post_to
from fincard_async.testing import platform_key, sign_webhook
from fincard_async.webhooks import MAX_EVENT_BYTES, ack, serve_webhooks, webhook_handler
from tests.sandbox.kit import Api
from tests.webhooks.kit import OPERATION, Desk, sample

pytestmark = pytest.mark.anyio

Http = TestClient[web.Request, web.Application]


@pytest.fixture
def desk() -> Desk:
    """An inbox that remembers what its handler saw."""
    return Desk()


@pytest.fixture
async def http(desk: Desk) -> AsyncIterator[Http]:
    """An aiohttp application with a route for webhooks."""
    app = web.Application()
    app.router.add_route("*", "/webhooks", webhook_handler(desk.inbox, read_timeout=0.3))
    async with TestClient(TestServer(app)) as client:
        yield client


async def test_a_signed_event_is_acknowledged(http: Http, desk: Desk) -> None:
    """With the exact body; a repeat as well, without being handled twice."""
    headers, body = sign_webhook(sample(OPERATION), category=OPERATION)
    for _ in range(2):
        async with http.post("/webhooks", data=body, headers=headers) as answer:
            assert (answer.status, await answer.read()) == (200, ack().body)
            assert answer.headers["Content-Type"].startswith("application/json")
    assert len(desk.seen) == 1


@pytest.mark.parametrize(
    "method, headers, body, status",
    [
        ("GET", {}, b"", 405),
        ("POST", {}, b"{}", 401),
        ("POST", {"Content-Encoding": "gzip"}, b"{}", 415),
        ("POST", {"Content-Encoding": "x-rot13"}, b"{}", 415),
        ("POST", {}, b"x" * (MAX_EVENT_BYTES + 1), 413),
    ],
)
async def test_what_is_refused_hears_no_reason(
    http: Http, desk: Desk, method: str, headers: dict[str, str], body: bytes, status: int
) -> None:
    """A bare status."""
    async with http.request(
        method, "/webhooks", data=body, headers=headers, skip_auto_headers=["Accept-Encoding"]
    ) as answer:
        assert (answer.status, await answer.read()) == (status, b"")
    assert desk.seen == []


async def test_an_endless_or_slow_body_is_cut_off(http: Http) -> None:
    """In chunks without a length: 413 with the one that is too much, 408 when none comes."""

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(10_000):
            yield b"x" * 4096

    async def slow() -> AsyncIterator[bytes]:
        yield b"{"
        await anyio.sleep(60)

    for body, status in ((endless(), 413), (slow(), 408)):
        with anyio.fail_after(20):
            try:
                async with http.post("/webhooks", data=body) as answer:
                    assert answer.status == status
                    assert answer.headers["Connection"] == "close"
            except aiohttp.ClientError:
                assert status == 413  # the server hung up on the sender in mid-sentence


async def test_a_header_twice_is_not_merged(http: Http, desk: Desk) -> None:
    """Two values of the signature header are ambiguous, also if the first is good."""
    headers, body = sign_webhook(sample(OPERATION))
    pairs = [*headers.items(), (next(iter(headers)), "AAAA")]
    async with http.post("/webhooks", data=body, headers=pairs) as answer:
        assert answer.status == 401


async def test_the_application_may_limit_what_comes_in(desk: Desk) -> None:
    """Before a byte of the body is read."""
    app = web.Application()
    app.router.add_post("/", webhook_handler(desk.inbox, admit=lambda headers: "ok" in headers))
    headers, body = sign_webhook(sample(OPERATION))
    async with TestClient(TestServer(app)) as client:
        for more, status in (({}, 429), ({"OK": "1"}, 200)):
            async with client.post("/", data=body, headers={**headers, **more}) as answer:
                assert answer.status == status


async def test_a_small_server(desk: Desk) -> None:
    """One path, this machine only."""
    headers, body = sign_webhook(sample(OPERATION))
    async with serve_webhooks(desk.inbox, path="/hook") as url, aiohttp.ClientSession() as session:
        for target, status in ((url, 200), (url + "x", 404)):
            async with session.post(target, data=body, headers=headers) as answer:
                assert answer.status == status
    with pytest.raises(ConfigError):
        async with serve_webhooks(desk.inbox, host="0.0.0.0"):
            pass


@pytest.mark.parametrize(
    "url", ["http://192.0.2.1/", "https://example.com/", "ftp://127.0.0.1/", "127.0.0.1", ""]
)
async def test_the_sandbox_posts_to_this_machine(url: str) -> None:
    """Unless it is told otherwise, and to http or https only."""
    with pytest.raises(ConfigError):
        async with post_to(url):
            pass


async def test_a_sandbox_and_an_inbox_over_http(desk: Desk) -> None:
    """A merchant that is down at first, bad signatures, duplicates: every event is handled once."""
    api = Api()
    api.controls.disturb_webhooks(duplicate=2, bad_signature=2)
    async with serve_webhooks(desk.inbox) as url:
        pass  # gone before the first delivery
    async with post_to(url) as deliver:
        hooks = api.sandbox.webhooks(platform_key(), deliver, speed=60_000.0)
        card = api.card()
        await hooks.deliver_due()
        assert (hooks.tally.refused, desk.seen) == (2, [])
        port = int(url.rpartition(":")[2].strip("/"))
        async with serve_webhooks(desk.inbox, port=port), sending(hooks):
            api.controls.simulate_purchase(card, "5", settle_after_ms=0)
            with anyio.fail_after(30):
                while hooks.waiting or hooks.tally.acknowledged < 5:
                    api.time.pass_ms(5)
                    await anyio.lowlevel.checkpoint()
    shown = [(event.category, status_of(event)) for event in desk.seen]
    assert sorted(shown) == [
        ("card_auth_transaction", "authorized"),
        ("card_auth_transaction", "succeed"),
        (OPERATION, "success"),
    ]


def status_of(event: Any) -> str | None:
    """How far it is."""
    status: str | None = event.status
    return status
