"""The least that a call can cost on this machine: the event loop, the kernel, and nothing else.

One protocol writes the same bytes again and again, and takes whatever comes for the answer. No
client can be so careless; what it costs is in the cost of every other.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import cast

import msgspec
from yarl import URL


class Careless(asyncio.BufferedProtocol):
    """One connection that looks at nothing."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[bytes] | None = None
        self._buffer = memoryview(bytearray(65536))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep it."""
        self._transport = cast("asyncio.Transport", transport)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where to read to; the bytes object that asyncio would make has 256 KiB, for each read."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """The answer, or a part of it."""
        waiter, self._waiter = self._waiter, None
        if waiter is not None:
            waiter.set_result(self._buffer[:nbytes].tobytes())

    def exchange(self, request: bytes) -> asyncio.Future[bytes]:
        """Write, and wait."""
        assert self._transport is not None
        waiter = self._waiter = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return waiter

    def close(self) -> None:
        """End it."""
        assert self._transport is not None
        self._transport.close()


class Floor:
    """A stack of careless connections."""

    def __init__(self, origin: str, path: str, body: object, trust: ssl.SSLContext | None) -> None:
        self._url, self._trust = URL(origin), trust
        data = msgspec.json.encode(body)
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(data)}\r\n"
        head += "Authorization: Bearer token\r\nContent-Type: application/json\r\n\r\n"
        self._request = head.encode() + data
        self._idle: list[Careless] = []

    async def call(self) -> object:
        """One exchange."""
        connection = self._idle.pop() if self._idle else await self._dial()
        answer = await connection.exchange(self._request)
        self._idle.append(connection)
        return answer

    async def _dial(self) -> Careless:
        loop, host = asyncio.get_running_loop(), self._url.host
        _, made = await loop.create_connection(
            Careless, host, self._url.port, ssl=self._trust, server_hostname=self._trust and host
        )
        return made

    def close(self) -> None:
        """Close all."""
        for connection in self._idle:
            connection.close()
