"""A server that answers with exactly the bytes it is told, and keeps what it got."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

from fincard_async._runtime.ports import Transport
from fincard_async._sansio.messages import HttpRequest, HttpResponse, TransportFailure

from .ways import open_transport

Answer = Callable[["Line"], Awaitable[None]]
BODY = b'{"success":true,"code":200,"msg":"Success","data":{}}'
REQUEST = HttpRequest("/api/x", {"Content-Type": "application/json", "deviceId": "d1"}, b'{"a":1}')


class Line:
    """One connection, after its request was read."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def say(self, text: bytes) -> None:
        """Send bytes."""
        self.writer.write(text)
        await self.writer.drain()

    def reset(self) -> None:
        """Break the connection with a RST."""
        raw: socket.socket = self.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def until_gone(self) -> bytes:
        """Wait until the client closes; what it still sent."""
        return await self.reader.read()


class Wire:
    """What a server saw."""

    def __init__(self) -> None:
        self.origin = ""
        self.connections = 0
        self.requests: list[bytes] = []
        self.arrived = asyncio.Event()


def http(
    body: bytes = BODY, *headers: str, status: str = "200 OK", length: int | None = None
) -> bytes:
    """An HTTP answer; ``length`` may lie."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}"]
    return "\r\n".join([*lines, *headers, "", ""]).encode() + body


def says(text: bytes) -> Answer:
    """Answer with these bytes; the connection stays open for the next request."""

    async def answer(line: Line) -> None:
        await line.say(text)

    return answer


def hangs_up(text: bytes = b"") -> Answer:
    """Answer with these bytes and close."""

    async def answer(line: Line) -> None:
        await line.say(text)
        line.writer.close()

    return answer


@asynccontextmanager
async def serving(
    answer: Answer, context: ssl.SSLContext | None = None
) -> AsyncGenerator[Wire, None]:
    """A server on loopback; the connections still open at the end are closed."""
    wire = Wire()
    writers: set[asyncio.StreamWriter] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        wire.connections += 1
        writers.add(writer)
        try:
            while not writer.is_closing() and (request := await _request(reader)):
                wire.requests.append(request)
                wire.arrived.set()
                await answer(Line(reader, writer))
        except ConnectionError:
            pass
        finally:
            writers.discard(writer)
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    port: int = server.sockets[0].getsockname()[1]
    wire.origin = f"{'http' if context is None else 'https'}://127.0.0.1:{port}"
    try:
        yield wire
    finally:
        server.close()
        for writer in tuple(writers):
            writer.transport.abort()
        await server.wait_closed()


async def _request(reader: asyncio.StreamReader) -> bytes:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return b""
    length = next(
        int(line.split(b":")[1])
        for line in head.split(b"\r\n")
        if line.lower().startswith(b"content-length:")
    )
    return head + await reader.readexactly(length)


@asynccontextmanager
async def transport_to(
    origin: str, context: ssl.SSLContext | None = None
) -> AsyncGenerator[Transport, None]:
    """A transport that is closed at the end."""
    transport = open_transport(origin, context)
    try:
        yield transport
    finally:
        await transport.aclose()


async def exchange(answer: Answer, timeout: float = 5.0) -> HttpResponse | TransportFailure:
    """One request to a server that answers like this."""
    async with serving(answer) as wire, transport_to(wire.origin) as transport:
        try:
            return await transport.send(REQUEST, timeout)
        except TransportFailure as failure:
            return failure


def free_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
