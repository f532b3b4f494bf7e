"""Servers that cannot be reached, or only in part: what is behind the origin of a call."""

from __future__ import annotations

import asyncio
import datetime
import socket
import ssl
import warnings
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager
from functools import lru_cache
from typing import Final

import trustme

from tests.transport.wire import Line

from .books import Memory
from .server import Server, serving

Place = Callable[[Memory], AbstractAsyncContextManager[Server]]
HERE: Final = "127.0.0.1"


@lru_cache(maxsize=1)
def authority() -> trustme.CA:
    """The one authority that the client trusts here."""
    return trustme.CA()


@lru_cache(maxsize=1)
def trusting() -> ssl.SSLContext:
    """The client's context."""
    context = ssl.create_default_context()
    authority().configure_trust(context)
    return context


def certified(name: str = HERE, by: trustme.CA | None = None, days: int = 1) -> ssl.SSLContext:
    """The server's context: for which name, by whom, for how many days from now."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    end = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days)
    start = end - datetime.timedelta(days=30)
    certificate = (by or authority()).issue_cert(name, not_before=start, not_after=end)
    certificate.configure_cert(context)
    return context


def old_tls() -> ssl.SSLContext:
    """A server that speaks TLS 1.1 at most."""
    context = certified()
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # that is the point
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    return context


def tls(context: Callable[[], ssl.SSLContext]) -> Place:
    """A server behind TLS."""
    return lambda memory: serving(memory, context())


@asynccontextmanager
async def _at(origin: str) -> AsyncGenerator[Server]:
    server = Server()
    server.origin = origin
    yield server


def nowhere(memory: Memory) -> AbstractAsyncContextManager[Server]:
    """A name that does not resolve: its first label is too long for any resolver to ask about."""
    return _at(f"https://{'n' * 64}.invalid")


@asynccontextmanager
async def closed_port(memory: Memory) -> AsyncGenerator[Server]:
    """A port that is taken, and on which nobody listens."""
    with socket.socket() as taken:
        taken.bind((HERE, 0))
        async with _at(f"http://{HERE}:{taken.getsockname()[1]}") as server:
            yield server


@asynccontextmanager
async def full_backlog(memory: Memory) -> AsyncGenerator[Server]:
    """A listener whose queue is full: the kernel answers nobody."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind((HERE, 0))
        listener.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        async with _at(f"http://{HERE}:{listener.getsockname()[1]}") as server:
            yield server


def raw(scheme: str, said: bytes | None, *, reads: int = 0) -> Place:
    """A port that reads some bytes, says some and hangs up.

    With ``b""`` it breaks the connection instead, and with None it waits.
    """

    async def meet(line: Line) -> None:
        if reads:
            await line.reader.read(reads)
        if said is None:
            await line.until_gone()
        elif said:
            await line.say(said)
        else:
            line.reset()

    @asynccontextmanager
    async def place(memory: Memory) -> AsyncGenerator[Server]:
        server, writers = Server(), set[asyncio.StreamWriter]()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writers.add(writer)
            server.connections += 1
            try:
                await meet(Line(reader, writer))
            except ConnectionError:
                pass  # the client may leave whenever it likes
            finally:
                writer.close()

        listener = await asyncio.start_server(serve, HERE, 0)
        server.origin = f"{scheme}://{HERE}:{listener.sockets[0].getsockname()[1]}"
        try:
            yield server
        finally:
            listener.close()
            for writer in writers:
                writer.transport.abort()
            await listener.wait_closed()

    return place
