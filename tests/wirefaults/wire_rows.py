"""Faults of the connection, of its timing and of HTTP itself."""

from __future__ import annotations

import gzip
from typing import Any, Final

from fincard_async.errors import (
    ConnectionLost,
    NotAnEnvelope,
    ResponseTooLarge,
    TimedOut,
    UnexpectedRedirect,
    UnknownApiError,
)
from tests.transport.wire import http

from .rows import Row, again, fine, once
from .server import Spoil
from .spoils import (
    CHUNKED,
    STATUS,
    answers,
    bomb,
    chunked,
    drips,
    floods,
    large,
    resets,
    resets_after,
    sends,
    stalls,
)

UNREADABLE: Final = (NotAnEnvelope, ConnectionLost)
"""What is no HTTP: two parsers may see the end of the connection or the broken text first."""
MANY_HEADERS: Final = STATUS + b"".join(b"X-%d: 1\r\n" % n for n in range(50_000)) + b"\r\n"

CONNECTION: Final = (
    again("reset after the request, carried out", ConnectionLost, resets),
    again("reset after the request, not carried out", ConnectionLost, resets, commits=False),
    again("hung up after the request, carried out", ConnectionLost, sends(b"")),
    again("hung up after the request, not carried out", ConnectionLost, sends(b""), commits=False),
    again("half a status line", ConnectionLost, sends(b"HTTP/1.1 20")),
    again("half the headers", ConnectionLost, sends(STATUS + b"Content-Le")),
    again("a body cut short", ConnectionLost, sends(lambda b: http(b[:-7], length=len(b)))),
    again(
        "a body cut short that is whole JSON",
        ConnectionLost,
        sends(lambda body: http(body, length=len(body) + 10)),
    ),
    again(
        "a body cut short by a reset",
        ConnectionLost,
        resets_after(lambda body: http(body[:20], length=len(body))),
    ),
    again("chunks without the last", ConnectionLost, sends(lambda b: CHUNKED + chunked(b))),
    again("no length, cut by the close", NotAnEnvelope, sends(lambda b: STATUS + b"\r\n" + b[:20])),
)


def hangs(name: str, spoil: Spoil, **facts: Any) -> Row:
    """The attempt ends by its time-out; each costs real time, so one call of a kind is enough."""
    only = ("cards.get_balance", "cards.get_sensitive", "cards.open", "cards.deposit")
    return again(name, TimedOut, spoil, hangs=True, only=only, **facts)


TIMEOUTS: Final = (
    hangs("no answer, carried out", stalls(lambda body: b"")),
    hangs("no answer, not carried out", stalls(lambda body: b""), commits=False),
    hangs("half a status line, then nothing", stalls(lambda body: STATUS[:9])),
    hangs("half the headers, then nothing", stalls(lambda body: STATUS)),
    hangs("half a body, then nothing", stalls(lambda body: http(body[:20], length=len(body)))),
    hangs("all chunks but the last, then nothing", stalls(lambda b: CHUNKED + chunked(b))),
    hangs("a body of one byte at a time", drips(lambda body: http(b"", length=len(body)))),
    hangs("103 again and again", floods(b"HTTP/1.1 103 E\r\n\r\n")),
)
HTTP: Final = (
    again("a length too small", UNREADABLE, sends(lambda body: http(body, length=10))),
    again(
        "two lengths",
        UNREADABLE,
        sends(lambda body: http(body, f"Content-Length: {len(body) - 1}")),
    ),
    again(
        "a length and chunks",
        UNREADABLE,
        sends(lambda body: http(body, "Transfer-Encoding: chunked")),
    ),
    again("a negative length", UNREADABLE, sends(lambda body: http(body, length=-1))),
    again("a length that is no number", UNREADABLE, sends(STATUS + b"Content-Length: x\r\n\r\n{}")),
    again("a bad chunk size", UNREADABLE, sends(lambda body: CHUNKED + b"zz\r\n" + body)),
    again("a chunk size of 2^70", UNREADABLE, sends(CHUNKED + b"%x\r\n{}\r\n" % (1 << 70))),
    again("garbage", UNREADABLE, sends(b"\x16\x03\x01\x02\x00garbage\r\n\r\n")),
    again("another protocol", UNREADABLE, sends(b"SSH-2.0-OpenSSH_9\r\n")),
    again("HTTP/2 unasked", UNREADABLE, sends(b"\x00\x00\x00\x04\x00\x00\x00\x00\x00")),
    again("a header with a NUL", UNREADABLE, sends(STATUS + b"X: \x00\r\n\r\n{}")),
    again("a header of 20 kB", UNREADABLE, sends(lambda b: http(b, "X: " + "x" * 20_000))),
    again("50,000 headers", UNREADABLE, sends(lambda body: MANY_HEADERS + body)),
    once("status 99", UnknownApiError, sends(b"HTTP/1.1 099 X\r\nContent-Length: 0\r\n\r\n")),
    again(
        "gzip unasked, cut short",
        NotAnEnvelope,
        sends(lambda body: http(gzip.compress(body)[:-12], "Content-Encoding: gzip")),
    ),
    again(
        "gzip unasked, whole",
        NotAnEnvelope,
        sends(lambda body: http(gzip.compress(body), "Content-Encoding: gzip")),
    ),
    again(
        "a gzip bomb of 1 GiB",
        NotAnEnvelope,
        sends(http(bomb(), "Content-Encoding: gzip")),
    ),
    again(
        "100,000 empty gzip members",
        NotAnEnvelope,
        sends(http(gzip.compress(b"") * 100_000, "Content-Encoding: gzip")),
    ),
    once(
        "9 MiB, told by its length",
        ResponseTooLarge,
        large(http(b"", length=9 << 20), b" " * (1 << 20), 9),
    ),
    once(
        "9 MiB in chunks",
        ResponseTooLarge,
        large(CHUNKED, b"100000\r\n" + b" " * (1 << 20) + b"\r\n", 9),
    ),
    fine("no length, ended by the close", sends(lambda body: STATUS + b"\r\n" + body)),
    fine("whole chunks", sends(lambda b: CHUNKED + chunked(b) + b"0\r\n\r\n", close=False)),
    fine("HTTP/1.0", sends(lambda b: http(b).replace(b"HTTP/1.1", b"HTTP/1.0"))),
    fine("closed after the answer", sends(lambda body: http(body, "Connection: close"))),
    fine("2,000 times 103 before it", sends(lambda b: b"HTTP/1.1 103 E\r\n\r\n" * 2000 + http(b))),
    fine("100 before it", sends(lambda b: b"HTTP/1.1 100 Continue\r\n\r\n" + http(b))),
    fine("a redirect's header without its status", answers(None, "Location: /elsewhere")),
    fine("cookies", answers(None, "Set-Cookie: a=b; Path=/")),
)
REDIRECTS: Final = (
    *(
        once(
            f"{code} to another place",
            UnexpectedRedirect,
            answers(None, "Location: http://127.0.0.1:9/elsewhere", status=f"{code} Elsewhere"),
        )
        for code in (300, 301, 302, 303, 305, 307, 308)
    ),
    once("304", UnexpectedRedirect, sends(b"HTTP/1.1 304 Not Modified\r\n\r\n", close=False)),
)
