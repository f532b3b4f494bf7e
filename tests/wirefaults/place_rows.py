"""Faults before a request: nothing was sent, and that is proven."""

from __future__ import annotations

from typing import Any, Final

import trustme

from fincard_async.errors import ConnectionLost, NotAnEnvelope

from .places import (
    Place,
    certified,
    closed_port,
    full_backlog,
    nowhere,
    old_tls,
    raw,
    tls,
)
from .rows import Row, again, fine
from .spoils import resets, sends
from .verdicts import Kind, Verdict


def _unsent(name: str, place: Place, kind: Kind = Kind.NOT_SENT, **facts: Any) -> Row:
    verdict = Verdict(kind)
    return Row(name, resets, verdict, verdict, commits=False, wired=False, place=place, **facts)


PLACES: Final = (
    _unsent("a name that does not resolve", nowhere),
    _unsent("a connection refused", closed_port),
    _unsent("a listener with a full backlog", full_backlog, hangs=True),
    _unsent("TLS: an expired certificate", tls(lambda: certified(days=-1)), Kind.HOPELESS),
    _unsent("TLS: another host's", tls(lambda: certified("other.example")), Kind.HOPELESS),
    _unsent("TLS: an unknown authority", tls(lambda: certified(by=trustme.CA())), Kind.HOPELESS),
    _unsent("TLS 1.1 at most", tls(old_tls)),
    _unsent("TLS: reset in the handshake", raw("https", b"", reads=1)),
    _unsent(
        "TLS: plain HTTP in answer", raw("https", b"HTTP/1.1 400 Bad Request\r\n\r\n", reads=1)
    ),
    _unsent("TLS: no answer to the greeting", raw("https", None, reads=1), hangs=True),
    again(
        "plain HTTP to a port that speaks TLS",
        (ConnectionLost, NotAnEnvelope),
        resets,
        place=raw("http", b"\x15\x03\x01\x00\x02\x02\x46", reads=1),
        commits=False,
        counted=False,
        keeps=False,
        passes=False,
    ),
    again(
        "reset before a byte was read",
        ConnectionLost,
        resets,
        place=raw("http", b""),
        commits=False,
        counted=False,
        keeps=False,
        passes=False,
    ),
    again("TLS: reset after the request", ConnectionLost, resets, place=tls(certified)),
    again("TLS: hung up after the request", ConnectionLost, sends(b""), place=tls(certified)),
    fine(
        "TLS as it should be",
        sends(lambda body: b"HTTP/1.1 200 OK\r\n\r\n" + body),
        place=tls(certified),
    ),
)
