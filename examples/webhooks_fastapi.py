"""Receive webhooks in FastAPI. With uvicorn: ``uvicorn examples.webhooks_fastapi:app``.

python examples/webhooks_fastapi.py

posts three deliveries to the application in this process: a good one, the same again, a forged one.
"""

from __future__ import annotations

import asyncio

from fastapi import FastAPI

from fincard_async.testing import platform_key
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


async def main() -> None:
    """Three deliveries."""
    from deliveries import deliver_three  # beside this file

    await deliver_three(app, "/webhooks/", handled)
    await inbox.aclose()


if __name__ == "__main__":
    asyncio.run(main())
