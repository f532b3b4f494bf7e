"""Receive webhooks in aiohttp, from a sandbox that posts them; a waiting task wakes at once.

python examples/webhooks_aiohttp.py
"""

# ruff: noqa: T201 - an example prints
from __future__ import annotations

import asyncio

from aiohttp import web
from aiohttp.test_utils import TestServer

from fincard_async.sandbox import Sandbox, SandboxSettings, sending
from fincard_async.sandbox.posting import post_to
from fincard_async.testing import platform_key, sandbox_client
from fincard_async.waiters import wait_until_final
from fincard_async.webhooks import Event, Inbox, WebhookVerifier, webhook_handler


async def main() -> None:
    """Order a card, and wait for the webhook that says that it is there."""
    sandbox = Sandbox(SandboxSettings(latency_ms=50))
    async with sandbox_client(sandbox=sandbox) as client:
        inbox = Inbox(WebhookVerifier(platform_key().public_key()), client=client)

        @inbox.on(Event)
        async def show(event: Event) -> None:
            print(event)

        app = web.Application()
        app.router.add_post("/webhooks", webhook_handler(inbox))
        async with (
            TestServer(app) as server,
            post_to(str(server.make_url("/webhooks"))) as deliver,
            sending(sandbox.webhooks(platform_key(), deliver)),
        ):
            order = await client.cards.open(card_type_id=111001, amount="50")
            record = await wait_until_final(client, order, timeout=30, inbox=inbox)
            print(f"webhooks first: {record.status}")


if __name__ == "__main__":
    asyncio.run(main())
