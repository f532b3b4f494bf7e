"""Receive webhooks in Litestar. With uvicorn: ``uvicorn examples.webhooks_litestar:app``.

python examples/webhooks_litestar.py

posts three deliveries to the application in this process: a good one, the same again, a forged one.
"""

# ruff: noqa: T201 - an example prints
# No `from __future__ import annotations`: Litestar reads the types of the handler below.

import asyncio
from typing import Any

from litestar import Litestar, asgi
from litestar.types import Receive, Scope, Send

from fincard_async.testing import platform_key, sign_webhook
from fincard_async.webhooks import Inbox, OperationEvent, SqliteStore, WebhookApp, WebhookVerifier

inbox = Inbox(WebhookVerifier(platform_key().public_key()), SqliteStore(None), confirm=False)
receiver = WebhookApp(inbox)
handled: list[str] = []


@asgi("/webhooks", is_mount=True, copy_scope=True)
async def webhooks(scope: Scope, receive: Receive, send: Send) -> None:
    """The raw body goes to the inbox; Litestar does not parse it."""
    await receiver(scope, receive, send)  # type: ignore[arg-type]  # Litestar's own names for ASGI


app = Litestar([webhooks])


@inbox.on(OperationEvent)
async def settled(event: OperationEvent) -> None:
    """Called once for each event; if it raises, the event comes again."""
    handled.append(event.data.order_no)


async def post(headers: dict[str, str], body: bytes) -> int:
    """One request to the application, without a socket; its status."""
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": body}

    async def send(message: Any) -> None:
        sent.append(message)

    pairs = [(name.lower().encode(), text.encode()) for name, text in headers.items()]
    scope: Any = {"type": "http", "method": "POST", "path": "/webhooks", "headers": pairs}
    scope |= {"query_string": b"", "root_path": "", "raw_path": b"/webhooks", "state": {}}
    await app({**scope, "client": ("127.0.0.1", 1)}, receive, send)
    status: int = sent[0]["status"]
    return status


async def main() -> None:
    """Three deliveries."""
    good = sign_webhook({"orderNo": "1", "type": "create", "status": "success"})
    statuses = [await post(*good), await post(*good), await post(good[0], good[1] + b" ")]
    print(f"answers: {statuses}")
    print(f"handled: {len(handled)} of {len(statuses)} deliveries")
    await inbox.aclose()


if __name__ == "__main__":
    asyncio.run(main())
