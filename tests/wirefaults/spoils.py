"""The ways to spoil an answer, each a function of the connection and the honest body."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from typing import Any, Final

import anyio

from tests.transport.wire import Line, http

from .server import Spoil

HASTY: Final = 0.5
"""Seconds for an attempt that the server lets hang."""
STATUS: Final = b"HTTP/1.1 200 OK\r\n"
CHUNKED: Final = STATUS + b"Transfer-Encoding: chunked\r\n\r\n"


Change = Callable[[bytes], bytes]


def sends(change: Change | bytes, *, close: bool = True) -> Spoil:
    """These bytes, or bytes made from the honest body; then hang up."""

    async def spoil(line: Line, honest: bytes) -> None:
        await line.say(change if isinstance(change, bytes) else change(honest))
        if close:
            line.writer.close()

    return spoil


def stalls(change: Change) -> Spoil:
    """These bytes, and then nothing."""

    async def spoil(line: Line, honest: bytes) -> None:
        await line.say(change(honest))
        await line.until_gone()

    return spoil


async def resets(line: Line, honest: bytes) -> None:
    """Break the connection with a RST."""
    line.reset()


def resets_after(change: Change) -> Spoil:
    """These bytes, then a RST."""

    async def spoil(line: Line, honest: bytes) -> None:
        await line.say(change(honest))
        line.reset()

    return spoil


def drips(head: Change) -> Spoil:
    """One byte at a time, for ever slow: bytes keep coming, and no idle time-out ever ends it."""

    async def spoil(line: Line, honest: bytes) -> None:
        await line.say(head(honest))
        for byte in honest:
            await line.say(bytes([byte]))
            await anyio.sleep(HASTY / 8)
            if line.writer.is_closing():
                return

    return spoil


def floods(block: bytes, pause: float = 0.02) -> Spoil:
    """The same bytes again and again, until the client leaves."""

    async def spoil(line: Line, honest: bytes) -> None:
        while not line.writer.is_closing():
            await line.say(block)
            await anyio.sleep(pause)

    return spoil


def large(head: bytes, block: bytes, times: int) -> Spoil:
    """A body that would need much room."""

    async def spoil(line: Line, honest: bytes) -> None:
        await line.say(head)
        for _ in range(times):
            await line.say(block)
        line.writer.close()

    return spoil


def answers(change: Change | bytes | None = None, *headers: str, status: str = "200 OK") -> Spoil:
    """A whole answer, with another body; the connection stays open."""

    def made(honest: bytes) -> bytes:
        body = honest if change is None else change if isinstance(change, bytes) else change(honest)
        return http(body, *headers, status=status)

    return sends(made, close=False)


def edits(change: Callable[[dict[str, Any]], None]) -> Change:
    """Change what ``data`` says; of a page, its first row."""

    def edited(honest: bytes) -> bytes:
        answer = json.loads(honest)
        data = answer["data"]
        change(data["records"][0] if "records" in data else data)
        return json.dumps(answer).encode()

    return edited


def envelope(**members: object) -> Change:
    """Change members of the envelope; ``...`` takes one away."""

    def edited(honest: bytes) -> bytes:
        answer = {**json.loads(honest), **members}
        return json.dumps({k: v for k, v in answer.items() if v is not ...}).encode()

    return edited


def chunked(body: bytes) -> bytes:
    """A body in two chunks, the last one missing."""
    half = len(body) // 2
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:half], body[half:]))


def bomb(size: int = 1 << 30) -> bytes:
    """A gzip stream that would unpack to ``size`` bytes."""
    block = gzip.compress(b" " * (1 << 20), 9)
    return block * (size >> 20)
