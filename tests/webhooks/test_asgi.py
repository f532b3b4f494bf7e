"""The ASGI application, bare and under real frameworks, without a socket."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pytest

from fincard_async.testing import sign_webhook
from fincard_async.webhooks import MAX_EVENT_BYTES, WebhookApp

from .kit import OPERATION, Desk, sample

pytestmark = pytest.mark.anyio

ACK = b'{"success":true,"code":200,"msg":"Success","data":null}'


class Answer:
    """What an application sent."""

    def __init__(self, messages: list[Any]) -> None:
        self.messages = messages
        self.status = messages[0]["status"] if messages else 0
        self.headers = dict(messages[0].get("headers", ())) if messages else {}
        self.body = b"".join(message.get("body", b"") for message in messages[1:])


async def call(
    app: Any,
    parts: Iterable[bytes],
    headers: dict[str, str],
    method: str = "POST",
    path: str = "/webhooks/",
) -> Answer:
    """One request to an application, its body in parts."""
    messages = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
    if messages:
        messages[-1]["more_body"] = False
    waiting, sent = iter(messages), list[Any]()

    async def receive() -> Any:
        return next(waiting, {"type": "http.disconnect"})

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(name.lower().encode(), text.encode()) for name, text in headers.items()],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
        "state": {},
    }
    await app(scope, receive, send)
    return Answer(sent)


async def test_a_signed_event_is_acknowledged() -> None:
    """In one part or in many; the answer is exact."""
    desk = Desk()
    for number in range(2):
        headers, body = sign_webhook(sample(OPERATION, orderNo=str(number)))
        parts = [body] if number else [body[at : at + 7] for at in range(0, len(body), 7)]
        answer = await call(WebhookApp(desk.inbox), parts, headers)
        assert (answer.status, answer.body) == (200, ACK)
        assert answer.headers[b"content-type"] == b"application/json"
        assert answer.headers[b"content-length"] == str(len(ACK)).encode()
    assert len(desk.seen) == 2


@pytest.mark.parametrize(
    "changes, method, parts, status",
    [
        ({}, "GET", [b""], 405),
        ({}, "PUT", [b"{}"], 405),
        ({"Content-Encoding": "gzip"}, "POST", [b"{}"], 415),
        ({"Content-Length": str(MAX_EVENT_BYTES + 1)}, "POST", [b"{}"], 413),
        ({"Content-Length": "9" * 30}, "POST", [b"{}"], 413),
        ({"Content-Length": "-1"}, "POST", [b"{}"], 400),
        ({}, "POST", [b"x" * 1000] * 66, 413),
        ({}, "POST", [b"{}"], 401),
        ({}, "POST", [b""], 401),
    ],
)
async def test_what_is_refused_hears_no_reason(
    changes: dict[str, str], method: str, parts: list[bytes], status: int
) -> None:
    """A bare status: nothing of the request comes back."""
    desk = Desk()
    answer = await call(WebhookApp(desk.inbox), parts, changes, method)
    assert (answer.status, answer.body) == (status, b"")
    assert desk.seen == []


async def test_the_application_may_limit_what_comes_in() -> None:
    """It decides from the headers alone, before a byte of the body is read."""
    desk, asked = Desk(), list[str]()

    def admit(headers: Mapping[str, str]) -> bool:
        asked.append(headers["x-client"])
        return headers["x-client"] == "good"

    app = WebhookApp(desk.inbox, admit=admit)
    headers, body = sign_webhook(sample(OPERATION))
    assert (await call(app, [], {**headers, "X-Client": "bad"})).status == 429
    assert (await call(app, [body], {**headers, "X-Client": "good"})).status == 200
    assert asked == ["bad", "good"]


async def test_an_endless_body_is_not_read_to_its_end() -> None:
    """Reading stops with the part that is too much."""
    taken = 0

    def endless() -> Iterable[bytes]:
        nonlocal taken
        for _ in range(1000):
            taken += 1
            yield b"x" * 4096

    messages = ({"type": "http.request", "body": b, "more_body": True} for b in endless())
    sent: list[Any] = []

    async def receive() -> Any:
        return next(messages)

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "headers": [], "path": "/"}
    await WebhookApp(Desk().inbox)(scope, receive, send)
    assert sent[0]["status"] == 413
    assert taken == 17


async def test_a_slow_body_is_not_waited_for() -> None:
    """After ten seconds, or what the caller says, the answer is 408."""
    import anyio

    sent: list[Any] = []

    async def receive() -> Any:
        await anyio.sleep_forever()

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "headers": [], "path": "/"}
    await WebhookApp(Desk().inbox, read_timeout=0.01)(scope, receive, send)
    assert sent[0]["status"] == 408


async def test_a_sender_that_hangs_up_gets_no_answer() -> None:
    """Half a body is not an event."""
    desk = Desk()
    answer = await call(WebhookApp(desk.inbox), [], {})
    assert (answer.status, desk.seen) == (0, [])


async def test_a_failure_asks_for_a_repeat() -> None:
    """500 for a handler that raised; its words stay inside."""
    desk = Desk()
    desk.failures = 1
    headers, body = sign_webhook(sample(OPERATION))
    answer = await call(WebhookApp(desk.inbox), [body], headers)
    assert (answer.status, answer.body) == (500, b"")
    assert (await call(WebhookApp(desk.inbox), [body], headers)).status == 200


async def test_other_protocols() -> None:
    """It lives with its server, and takes no web socket."""
    app, sent = WebhookApp(Desk().inbox), list[str]()
    stages = iter(["lifespan.startup", "lifespan.shutdown"])

    async def receive() -> Any:
        return {"type": next(stages)}

    async def send(message: Any) -> None:
        sent.append(message["type"])

    await app({"type": "lifespan"}, receive, send)
    await app({"type": "websocket"}, receive, send)
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete", "websocket.close"]


def fastapi_app(hook: WebhookApp) -> Any:
    """FastAPI mounts it."""
    fastapi = pytest.importorskip("fastapi")
    app = fastapi.FastAPI()
    app.mount("/webhooks", hook)
    return app


def starlette_app(hook: WebhookApp) -> Any:
    """Starlette mounts it."""
    applications = pytest.importorskip("starlette.applications")
    routing = pytest.importorskip("starlette.routing")
    return applications.Starlette(routes=[routing.Mount("/webhooks", app=hook)])


def litestar_app(hook: WebhookApp) -> Any:
    """Litestar mounts it."""
    litestar = pytest.importorskip("litestar")

    async def webhooks(scope: Any, receive: Any, send: Any) -> None:
        await hook(scope, receive, send)

    types = litestar.types
    webhooks.__annotations__ = {
        "scope": types.Scope,
        "receive": types.Receive,
        "send": types.Send,
        "return": None,
    }
    mount = litestar.asgi("/webhooks", is_mount=True, copy_scope=True)
    return litestar.Litestar([mount(webhooks)])


@pytest.mark.slow
@pytest.mark.parametrize("make", [fastapi_app, starlette_app, litestar_app])
async def test_frameworks_mount_it(make: Any) -> None:
    """Signed: acknowledged. Unsigned: refused. Twice: handled once."""
    desk = Desk()
    app = make(WebhookApp(desk.inbox))
    headers, body = sign_webhook(sample(OPERATION), category=OPERATION)
    for _ in range(2):
        answer = await call(app, [body[:50], body[50:]], headers)
        assert (answer.status, answer.body) == (200, ACK)
    assert (await call(app, [body + b" "], headers)).status == 401
    assert (await call(app, [b""], headers, "GET")).status == 405
    assert len(desk.seen) == 1
