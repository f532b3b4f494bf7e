"""What the FastAPI and the Litestar example share: three deliveries, posted without a socket."""

# ruff: noqa: T201 - an example prints
from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from fincard_async.testing import sign_webhook

App = Callable[[Any, Any, Any], Awaitable[None]]
"""An ASGI application."""


async def deliver_three(app: App, path: str, handled: Sequence[str]) -> None:
    """A good one, the same again and a forged one; say what they were answered."""
    headers, body = sign_webhook({"orderNo": "1", "type": "create", "status": "success"})
    statuses = [await _post(app, path, headers, each) for each in (body, body, body + b" ")]
    print(f"answers: {statuses}")
    print(f"handled: {len(handled)} of {len(statuses)} deliveries")


async def _post(app: App, path: str, headers: dict[str, str], body: bytes) -> int:
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": body}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(name.lower().encode(), text.encode()) for name, text in headers.items()],
        "client": ("127.0.0.1", 1),
        "state": {},
    }
    await app(scope, receive, send)
    status: int = sent[0]["status"]
    return status
