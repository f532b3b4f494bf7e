"""What the client of a faulty call gets to see: one function per reply, in one table.

A reply is a complete answer, or one with a flaw of the wire. Both edges play the same ``Shown``:
the transport in this process by ``FAILURES``, the HTTP edge with real bytes (``wire``).
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Final, Literal, TypeAlias

from msgspec import structs

from fincard_async._sansio.envelope import render_envelope
from fincard_async._sansio.messages import HttpResponse, Reason, TransportFailure
from fincard_async._sansio.sizes import MAX_BODY_BYTES

from .altered import another_value, huge_number, no_value, unknown_value
from .exchange import HEADERS
from .faults import Fault
from .refusal import GENERIC

Flaw = Literal[
    "refused",
    "unread",
    "drop",
    "reset",
    "half-line",
    "garbage",
    "hang",
    "cut",
    "cut-chunks",
    "no-length",
    "short",
    "gzip",
    "dribble",
    "oversized",
]


@dataclass(frozen=True, slots=True)
class Shown:
    """What the client sees of a call."""

    response: HttpResponse
    """The answer that a flaw spoils, or the answer itself."""
    flaw: Flaw | None = None
    lasts: float = 0.0
    """Seconds until it is complete."""
    late_ms: int | None = None
    """When the call is carried out, in milliseconds after the client saw this; None: not late."""


FAILURES: Final[Mapping[Flaw, tuple[Reason, bool, str]]] = {
    "refused": ("connect", False, "the connection was refused"),
    "unread": ("lost", True, "the connection broke"),
    "drop": ("lost", True, "the connection broke"),
    "reset": ("lost", True, "the connection broke"),
    "half-line": ("lost", True, "the connection broke"),
    "garbage": ("malformed", True, "the reply is not HTTP"),
    "cut": ("lost", True, "the reply was cut short"),
    "cut-chunks": ("lost", True, "the reply was cut short"),
    "short": ("malformed", True, "the reply is not HTTP"),
    "gzip": ("malformed", True, "the reply has a content encoding"),
    "oversized": ("too-large", True, f"the reply is longer than {MAX_BODY_BYTES} bytes"),
}
"""How the client's transport reports a flaw; the others end in a reply or a time-out."""

Reply: TypeAlias = Callable[[Fault, HttpResponse], Shown | None]
"""From a fault and the real answer to what is shown; None if this answer cannot be spoiled so."""

NOTHING: Final = HttpResponse(200, HEADERS, b"")
"""In place of the real answer of a call that was not carried out."""
_HTML: Final = {**HEADERS, "content-type": "text/html"}
_DEPTH: Final = 200_000


def failure(flaw: Flaw) -> TransportFailure | None:
    """How the client's transport reports a flaw; None if it does not notice."""
    if flaw not in FAILURES:
        return None
    reason, sent, detail = FAILURES[flaw]
    return TransportFailure(reason, sent=sent, detail=detail)


def show(fault: Fault, real: HttpResponse) -> Shown | None:
    """What the client sees in place of the real answer."""
    shown = REPLIES[fault.reply](fault, real)
    return replace(shown, late_ms=fault.late_ms) if shown and fault.effect == "late" else shown


def _whole(fault: Fault, real: HttpResponse) -> Shown:
    """The real answer, at once or late."""
    return Shown(real, lasts=fault.lasts)


def _flawed(flaw: Flaw) -> Reply:
    return lambda fault, real: Shown(real, flaw, fault.lasts)


def _answer(status: int, body: bytes, headers: Mapping[str, str] = HEADERS) -> Reply:
    response = HttpResponse(status, headers, body)
    return lambda fault, real: Shown(response)


def _page(status: int) -> Reply:
    """A page of a proxy that knows nothing of the call."""
    title = f"{status} {HTTPStatus(status).phrase}"
    body = f"<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>\r\n"
    return _answer(status, body.encode(), _HTML)


def _envelope(status: int, code: int, msg: str) -> Reply:
    return _answer(status, render_envelope(success=False, code=code, msg=msg, data=None))


def _too_many(fault: Fault, real: HttpResponse) -> Shown:
    hint = {} if fault.retry_after is None else {"retry-after": fault.retry_after}
    body = render_envelope(success=False, code=429, msg="Too many requests", data=None)
    return Shown(HttpResponse(429, {**HEADERS, **hint}, body))


def _redirect(status: int) -> Reply:
    def reply(fault: Fault, real: HttpResponse) -> Shown:
        return Shown(HttpResponse(status, {**_HTML, "location": fault.location}, b""))

    return reply


def _bomb(fault: Fault, real: HttpResponse) -> Shown:
    nested = b"[" * _DEPTH + b"]" * _DEPTH
    body = b'{"success":true,"code":200,"msg":"Success","data":%b}' % nested
    return Shown(HttpResponse(200, HEADERS, body))


def _cut_unnoticed(fault: Fault, real: HttpResponse) -> Shown:
    """Without a length, the end of the connection is the end of the body."""
    return Shown(structs.replace(real, body=real.body[: len(real.body) // 2]), "no-length")


def _gzip(fault: Fault, real: HttpResponse) -> Shown:
    headers = {**real.headers, "content-encoding": "gzip"}
    return Shown(HttpResponse(real.status, headers, gzip.compress(real.body, mtime=0)), "gzip")


def _altered(alter: Callable[[bytes, str], bytes | None]) -> Reply:
    """The real answer with other content; None if it has nothing to alter."""

    def reply(fault: Fault, real: HttpResponse) -> Shown | None:
        body = alter(real.body, fault.field or "")
        return None if body is None else Shown(structs.replace(real, body=body))

    return reply


REPLIES: Final[Mapping[str, Reply]] = {
    "real": _whole,
    "refused": _flawed("refused"),
    "unread": _flawed("unread"),
    "drop": _flawed("drop"),
    "reset": _flawed("reset"),
    "half-status-line": _flawed("half-line"),
    "garbage": _flawed("garbage"),
    "hang": _flawed("hang"),
    "401": _envelope(401, 401, "Unauthorized"),
    "403": _page(403),
    "404": _page(404),
    "408": _page(408),
    "409": _envelope(409, 409, "The order is in progress"),
    "429": _too_many,
    "429-without-hint": _too_many,
    **{f"{status}": _page(status) for status in (500, 502, 503, 504)},
    **{
        f"{status}-envelope": _envelope(status, status, HTTPStatus(status).phrase)
        for status in (500, 502, 503, 504)
    },
    "html-200": _page(200),
    "empty-200": _answer(200, b""),
    "204": _answer(204, b""),
    "302": _redirect(302),
    "307": _redirect(307),
    "nesting-bomb": _bomb,
    "system-error": _envelope(200, GENERIC, "System error"),
    "duplicate": _envelope(200, GENERIC, "Duplicate order number"),
    "truncated": _flawed("cut"),
    "truncated-chunks": _flawed("cut-chunks"),
    "cut-unnoticed": _cut_unnoticed,
    "short-length": _flawed("short"),
    "gzip": _gzip,
    "slow": _whole,
    "dribble": _flawed("dribble"),
    "oversized": _flawed("oversized"),
    "huge-number": _altered(huge_number),
    "wrong-order-no": _altered(another_value),
    "wrong-card-no": _altered(another_value),
    "unknown-status": _altered(unknown_value),
    "missing-order-no": _altered(no_value),
    "missing-card-no": _altered(no_value),
    "missing-status": _altered(no_value),
}
"""Every reply by the name that faults use."""
