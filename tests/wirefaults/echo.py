"""A fast server whose answer about a card carries that card's number, and no other."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

from fincard_async._generated.operations import load
from fincard_async._sansio.envelope import render_envelope
from tests.transport.wire import http

from .books import LOGIN, PATHS, refusal, wire_names

BALANCE = "cards.get_balance"
_NAMES = wire_names(load(BALANCE).output)
_TOKEN = wire_names(load(LOGIN).output)["access_token"]


def amount_of(card_no: str) -> str:
    """The balance of a card: the digits of its number."""
    return card_no.lstrip("C") or "0"


def _balance(card_no: str) -> bytes:
    data = {"card_no": card_no, "amount": amount_of(card_no), "currency": "USD"}
    named = {_NAMES[name]: value for name, value in data.items()}
    return http(render_envelope(success=True, code=200, msg="Success", data=named))


REFUSED = http(refusal(401, "Unauthorized"), status="401 Unauthorized")


class EchoServer:
    """What it counts, and which token is good."""

    def __init__(self) -> None:
        self.origin = ""
        self.open: set[EchoLine] = set()
        self.connections = 0
        self.answered = 0
        self.refused = 0
        self.logins = 0
        self.token: str | None = None
        """None: any is good."""

    def answer(self, path: str, head: bytes, body: bytes) -> bytes:
        """The whole answer to one request."""
        if PATHS[path] == LOGIN:
            self.logins += 1
            self.token = f"token-{self.logins}"
            return http(json.dumps({_TOKEN: self.token}).encode())
        if self.token is not None and b"Bearer " + self.token.encode() + b"\r\n" not in head:
            self.refused += 1
            return REFUSED
        self.answered += 1
        return _balance(json.loads(body)[_NAMES["card_no"]])


class EchoLine(asyncio.Protocol):
    """One connection; a request is answered a few turns of the loop after it came."""

    def __init__(self, server: EchoServer, turns: Callable[[], int]) -> None:
        self._server = server
        self._turns = turns
        self._data = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count it."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._server.connections += 1
        self._server.open.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client left."""
        self._server.open.discard(self)

    def data_received(self, data: bytes) -> None:
        """Answer every request that is complete."""
        self._data += data
        while (end := self._data.find(b"\r\n\r\n")) >= 0:
            head = self._data[: end + 2]
            mark = head.lower().find(b"content-length:")
            size = int(head[mark + 15 : head.find(b"\r\n", mark)])
            if len(self._data) < end + 4 + size:
                return
            body = self._data[end + 4 : end + 4 + size]
            self._data = self._data[end + 4 + size :]
            path = head.split(b" ", 2)[1].decode()
            self._later(self._turns(), self._server.answer(path, head, body))

    def _later(self, turns: int, answer: bytes) -> None:
        if turns > 0:
            asyncio.get_running_loop().call_soon(self._later, turns - 1, answer)
        elif self._transport is not None and not self._transport.is_closing():
            self._transport.write(answer)

    def abort(self) -> None:
        """Break it."""
        if self._transport is not None:
            self._transport.abort()


@asynccontextmanager
async def echoing(turns: Callable[[], int] = lambda: 0) -> AsyncGenerator[EchoServer]:
    """Such a server on loopback."""
    server = EchoServer()
    loop = asyncio.get_running_loop()
    listener = await loop.create_server(
        lambda: EchoLine(server, turns), "127.0.0.1", 0, backlog=4096
    )
    server.origin = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    try:
        yield server
    finally:
        listener.close()
        for line in tuple(server.open):
            line.abort()
        await listener.wait_closed()
