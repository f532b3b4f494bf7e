"""Receive webhooks in Litestar. With uvicorn: ``uvicorn examples.webhooks_litestar:app``.

python examples/webhooks_litestar.py

posts three deliveries to the application in this process: a good one, the same again, a forged one.
"""

# No `from __future__ import annotations`: Litestar reads the types of the handler below.

import asyncio

from litestar import Litestar, asgi
from litestar.types import Receive, Scope, Send

from fincard_async.testing import platform_key
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


async def main() -> None:
    """Three deliveries."""
    from deliveries import deliver_three  # beside this file

    await deliver_three(app, "/webhooks", handled)
    await inbox.aclose()


if __name__ == "__main__":
    asyncio.run(main())
