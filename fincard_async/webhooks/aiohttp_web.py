"""Webhooks in an aiohttp application: a handler for a route, and a small server around it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio

from fincard_async._sansio.base_url import is_loopback
from fincard_async._sansio.messages import HttpResponse
from fincard_async._sansio.webhook import MAX_EVENT_BYTES
from fincard_async.errors import ConfigError

from .inbox import Inbox
from .replies import READ_SECONDS, TOO_LARGE, TOO_SLOW, Admit, bare, early_refusal

if TYPE_CHECKING:
    from aiohttp import web


def webhook_handler(
    inbox: Inbox, *, read_timeout: float = READ_SECONDS, admit: Admit | None = None
) -> Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]:
    """A handler: ``app.router.add_post("/webhooks", webhook_handler(inbox))``.

    Args:
        inbox: Takes the deliveries; it stays open.
        read_timeout: Seconds that a body may take.
        admit: Called with the headers before the body is read; False is answered with 429.
    """
    from aiohttp import web

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        reply = await _reply(inbox, request, read_timeout, admit)
        response = web.Response(status=reply.status, headers=reply.headers, body=reply.body)
        if reply.status in (TOO_LARGE, TOO_SLOW):
            response.force_close()  # the rest of the body is not read
        return response

    return handle


async def _reply(
    inbox: Inbox, request: web.BaseRequest, read_timeout: float, admit: Admit | None
) -> HttpResponse:
    headers = {name.lower(): text for name, text in request.headers.items()}
    if (status := early_refusal(request.method, headers, admit)) is not None:
        return bare(status)
    parts, size = list[bytes](), 0
    try:
        with anyio.fail_after(read_timeout):
            async for part in request.content.iter_any():
                parts.append(part)
                size += len(part)
                if size > MAX_EVENT_BYTES:
                    return bare(TOO_LARGE)
    except TimeoutError:
        return bare(TOO_SLOW)
    pairs = [
        (name.encode("utf-8", "surrogateescape"), text.encode("utf-8", "surrogateescape"))
        for name, text in request.headers.items()
    ]
    return (await inbox.receive(pairs, b"".join(parts))).reply


@asynccontextmanager
async def serve_webhooks(
    inbox: Inbox,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    path: str = "/",
    anywhere: bool = False,
) -> AsyncGenerator[str]:
    """Serve one path while the block runs; yields its URL. For tests and development.

    Raises:
        ConfigError: The host is not this machine, and ``anywhere`` is not set.
    """
    from aiohttp import web

    if not anywhere and not is_loopback(host):
        raise ConfigError("host must be a loopback address")
    answer = webhook_handler(inbox)

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        return await answer(request) if request.path == path else web.Response(status=404)

    runner = web.ServerRunner(web.Server(handle, access_log=None), shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        bound: int = runner.addresses[0][1]
        yield f"http://{f'[{host}]' if ':' in host else host}:{bound}{path}"
    finally:
        await runner.cleanup()
