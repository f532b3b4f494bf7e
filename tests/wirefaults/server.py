"""A server on raw sockets: it reads requests, and spoils the answers that it is told to spoil."""

from __future__ import annotations

import asyncio
import ssl
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

from tests.transport.wire import Line, http

from .books import LOGIN, PATHS, Books, Memory, Request, refusal

Spoil = Callable[[Line, bytes], Awaitable[None]]
"""Answers one request in place of the honest answer, whose body it is given."""
Plan = Callable[[Request], "Spoil | None"]
"""Which request is spoilt, and how; None: none."""


class Server:
    """One server, its ledger, and everything it saw."""

    def __init__(self, memory: Memory = "error") -> None:
        self.books = Books(memory)
        self.origin = ""
        self.connections = 0
        self.requests: list[Request] = []
        self.on_request: Callable[[], None] = lambda: None
        """Called with every request."""
        self.commits = True
        """False: a spoilt request is not carried out."""
        self.plan: Plan = lambda request: None
        self.tokens: set[str] | None = None
        """Tokens that are valid; None: all."""
        self.spoilt = 0
        self.answered = 0
        """Requests that nothing more will be said to."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()

    def of(self, operation: str) -> list[Request]:
        """The requests for one operation."""
        return [request for request in self.requests if request.operation == operation]

    @property
    def open_connections(self) -> int:
        """Connections that neither side has closed."""
        return len(self._writers)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self.connections += 1
        number = self.connections
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        try:
            while not writer.is_closing() and (request := await read_request(reader, number)):
                self.requests.append(request)
                self.on_request()
                await self._answer(Line(reader, writer), request)
                self.answered += 1
        except ConnectionError:
            pass  # the client may leave whenever it likes
        finally:
            self._tasks.discard(task)
            self._writers.discard(writer)
            writer.close()

    async def _answer(self, line: Line, request: Request) -> None:
        if (said := self._login(request)) is not None:
            return await line.say(said)
        spoil = self.plan(request)
        if spoil is None:
            return await line.say(http(self.books.answer(request)))
        self.spoilt += 1
        books = self.books if self.commits else Books()
        return await spoil(line, books.answer(request))

    def _login(self, request: Request) -> bytes | None:
        """The answer to a login, or to a call whose token is not valid."""
        if request.operation == LOGIN:
            token = f"token-{len(self.of(LOGIN))}"
            if self.tokens is not None:
                self.tokens = {token}
            return http(self.books.login(token))
        given = request.headers["authorization"].removeprefix("Bearer ")
        if self.tokens is not None and given not in self.tokens:
            return http(refusal(401, "Unauthorized"), status="401 Unauthorized")
        return None

    async def close(self) -> None:
        """Abort what is open, and wait for it."""
        for writer in tuple(self._writers):
            writer.transport.abort()
        while self._tasks:
            await asyncio.wait(self._tasks, timeout=1.0)
            for task in self._tasks:
                task.cancel()


async def read_request(reader: asyncio.StreamReader, connection: int) -> Request | None:
    """The next request; None if the client left."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.rstrip("\r\n").split("\r\n")
        headers = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines)
        }
        body = await reader.readexactly(int(headers["content-length"]))
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    return Request(PATHS[first.split(" ")[1]], headers, body, connection)


@asynccontextmanager
async def serving(
    memory: Memory = "error", context: ssl.SSLContext | None = None
) -> AsyncGenerator[Server]:
    """A server on loopback, gone at the end."""
    server = Server(memory)
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=context)
    port: int = listener.sockets[0].getsockname()[1]
    server.origin = f"{'http' if context is None else 'https'}://127.0.0.1:{port}"
    try:
        yield server
    finally:
        listener.close()
        await server.close()
        await listener.wait_closed()


def always(operation: str, spoil: Spoil) -> Plan:
    """Spoil every answer of one operation."""
    return lambda request: spoil if request.operation == operation else None


def at_first(operation: str, *spoils: Spoil | None) -> Plan:
    """Spoil the first answers of one operation, each in its own way; None leaves one honest."""
    left = iter(spoils)
    return lambda request: next(left, None) if request.operation == operation else None


def doubled(ledger: Mapping[str, int]) -> list[str]:
    """Order numbers that were carried out more than once."""
    return [number for number, times in Counter(ledger).items() if times > 1]
