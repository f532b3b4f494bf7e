"""Flaws of the wire, done for real: bytes on a socket that is then closed, reset or kept open."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Final

import anyio

from fincard_async._sansio.messages import HttpResponse
from fincard_async._sansio.sizes import MAX_BODY_BYTES

from .replies import Flaw, Shown

_RESET_ON_CLOSE: Final = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)
_MISSING: Final = 10
"""Bytes by which a body is shorter than its length says."""
_SHORT: Final = 10
"""The length of a body that is longer."""
WHOLE: Final = frozenset[Flaw]({"gzip"})
"""Flaws of a complete answer, which need no socket of their own."""


async def play(transport: asyncio.Transport, shown: Shown) -> None:
    """Show an answer with a flaw, then close the connection."""
    flaw, response = shown.flaw, shown.response
    if flaw == "hang":
        await anyio.sleep_forever()  # ends when the client hangs up
    elif flaw == "dribble":
        await _dribble(transport, response, shown.lasts)
    elif flaw is not None and flaw in _BYTES:
        transport.write(_BYTES[flaw](response))
    elif flaw == "drop":
        transport.close()
    else:
        _reset(transport)
    transport.close()


def _reset(transport: asyncio.Transport) -> None:
    """Close with RST, so that not even the operating system says goodbye."""
    connection = transport.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    transport.abort()


async def _dribble(transport: asyncio.Transport, response: HttpResponse, lasts: float) -> None:
    """The head at once, then byte after byte: never silent for long, and never done in time."""
    body = response.body
    transport.write(_head(response, length=len(body)))
    for index in range(len(body)):
        await anyio.sleep(lasts / len(body))
        transport.write(body[index : index + 1])


def _head(response: HttpResponse, *, length: int | None = None, chunked: bool = False) -> bytes:
    lines = [f"HTTP/1.1 {response.status} {HTTPStatus(response.status).phrase}"]
    lines += [f"{name}: {value}" for name, value in response.headers.items()]
    lines += [] if length is None else [f"content-length: {length}"]
    lines += ["transfer-encoding: chunked"] if chunked else []
    return "\r\n".join([*lines, "connection: close", "", ""]).encode("latin-1")


def _half_line(response: HttpResponse) -> bytes:
    return b"HTTP/1.1 20"


def _garbage(response: HttpResponse) -> bytes:
    """The beginning of a TLS record, then every byte there is."""
    return b"\x16\x03\x01\x00\xff" + bytes(range(256)) + b"\r\n\r\n"


def _cut(response: HttpResponse) -> bytes:
    """All of the JSON, but not all of the length: that the bytes parse proves nothing."""
    return _head(response, length=len(response.body) + _MISSING) + response.body


def _cut_chunks(response: HttpResponse) -> bytes:
    """One chunk with all of the JSON, and no last chunk."""
    chunk = b"%x\r\n%b\r\n" % (len(response.body), response.body)
    return _head(response, chunked=True) + chunk


def _no_length(response: HttpResponse) -> bytes:
    return _head(response) + response.body


def _short(response: HttpResponse) -> bytes:
    return _head(response, length=_SHORT) + response.body


def _oversized(response: HttpResponse) -> bytes:
    """The answer and spaces, which JSON allows, up to more than anybody should read."""
    body = response.body.ljust(MAX_BODY_BYTES + 1)
    return _head(response, length=len(body)) + body


_BYTES: Final[Mapping[Flaw, Callable[[HttpResponse], bytes]]] = {
    "half-line": _half_line,
    "garbage": _garbage,
    "cut": _cut,
    "cut-chunks": _cut_chunks,
    "no-length": _no_length,
    "short": _short,
    "oversized": _oversized,
}
"""What is written before the connection is closed."""
