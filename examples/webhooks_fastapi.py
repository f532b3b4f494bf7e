"""Receive webhooks in FastAPI. With uvicorn: ``uvicorn examples.webhooks_fastapi:app``.

python examples/webhooks_fastapi.py

posts three deliveries to the application in this process: a good one, the same again, a forged one.
"""

# ruff: noqa: T201 - an example prints
from __future__ import annotations

import asyncio
from typing import Any

from fastapi import FastAPI

from fincard_async.testing import platform_key, sign_webhook
from fincard_async.webhooks import Inbox, OperationEvent, SqliteStore, WebhookApp, WebhookVerifier

# A real service: WebhookVerifier.from_env(), a file for the store, and client=... instead of
# confirm=False, so that money events are confirmed by a query.
inbox = Inbox(WebhookVerifier(platform_key().public_key()), SqliteStore(None), confirm=False)
app = FastAPI()
app.mount("/webhooks", WebhookApp(inbox))
handled: list[str] = []


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
    scope = {"type": "http", "method": "POST", "path": "/webhooks/", "headers": pairs}
    await app({**scope, "query_string": b"", "root_path": ""}, receive, send)
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
