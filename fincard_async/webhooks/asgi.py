"""An ASGI application that receives webhooks; FastAPI, Starlette and Litestar mount it.

It keeps the raw bytes of the body, which frameworks' own JSON parsing would lose.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

import anyio

from fincard_async._sansio.messages import HttpResponse
from fincard_async._sansio.webhook import MAX_EVENT_BYTES

from .inbox import Inbox
from .replies import READ_SECONDS, TOO_LARGE, TOO_SLOW, Admit, bare, early_refusal

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
ReceiveMessage: TypeAlias = Callable[[], Awaitable[Message]]
SendMessage: TypeAlias = Callable[[Message], Awaitable[None]]


class _Gone(Exception):
    """The sender hung up."""


class WebhookApp:
    """Mount it where the platform posts to: ``app.mount("/webhooks", WebhookApp(inbox))``.

    Args:
        inbox: Takes the deliveries; it stays open.
        read_timeout: Seconds that a body may take.
        admit: Called with the headers before the body is read; False is answered with 429.
    """

    def __init__(
        self, inbox: Inbox, *, read_timeout: float = READ_SECONDS, admit: Admit | None = None
    ) -> None:
        self._inbox = inbox
        self._read_timeout = read_timeout
        self._admit = admit

    async def __call__(self, scope: Scope, receive: ReceiveMessage, send: SendMessage) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await _live(receive, send)
        elif scope["type"] == "http":
            try:
                await _answer(send, await self._reply(scope, receive))
            except _Gone:
                return  # nobody is there to be answered
        else:
            await send({"type": "websocket.close", "code": 1008})

    async def _reply(self, scope: Scope, receive: ReceiveMessage) -> HttpResponse:
        pairs: list[tuple[bytes, bytes]] = [
            (bytes(name), bytes(text)) for name, text in scope["headers"]
        ]
        headers = {name.decode("latin-1").lower(): text.decode("latin-1") for name, text in pairs}
        if (status := early_refusal(scope["method"], headers, self._admit)) is not None:
            return bare(status)
        try:
            with anyio.fail_after(self._read_timeout):
                body = await _body(receive)
        except TimeoutError:
            return bare(TOO_SLOW)
        if body is None:
            return bare(TOO_LARGE)
        return (await self._inbox.receive(pairs, body)).reply


async def _body(receive: ReceiveMessage) -> bytes | None:
    """The whole body, or None as soon as it is too long."""
    parts, size, more = list[bytes](), 0, True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            raise _Gone
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        more = message.get("more_body", False)
        if size > MAX_EVENT_BYTES:
            return None
    return b"".join(parts)


async def _answer(send: SendMessage, response: HttpResponse) -> None:
    length = str(len(response.body)).encode()
    headers = [(name.encode(), text.encode()) for name, text in response.headers.items()]
    await send(
        {
            "type": "http.response.start",
            "status": response.status,
            "headers": [*headers, (b"content-length", length)],
        }
    )
    await send({"type": "http.response.body", "body": response.body})


async def _live(receive: ReceiveMessage, send: SendMessage) -> None:
    """Start and stop with the server; there is nothing to do."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
