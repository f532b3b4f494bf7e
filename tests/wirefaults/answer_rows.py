"""Answers of the API and of what stands before it: statuses, 429 and refusals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from fincard_async._sansio.envelope import render_envelope
from fincard_async.errors import (
    DuplicateOrder,
    InsufficientFunds,
    InvalidRequest,
    NotFound,
    PermissionDenied,
    RateLimited,
    ServerError,
    Unauthenticated,
    UnknownApiError,
)

from .books import refusal
from .calls import MUTATIONS
from .rows import Row, again, means, once, refused
from .server import Spoil
from .spoils import answers, envelope
from .verdicts import Kind, Verdict


def _status(code: int, word: str, body: bytes = b"<html>proxy</html>", *headers: str) -> Spoil:
    return answers(body, *headers, status=f"{code} {word}")


STATUSES: Final = (
    *(
        again(f"{code} of a proxy", ServerError, _status(code, "Broken"), wired=False)
        for code in (500, 502, 503, 504)
    ),
    *(
        again(
            f"{code} with an envelope", ServerError, _status(code, "Broken", refusal(code, "busy"))
        )
        for code in (500, 502, 503, 504)
    ),
    again(
        "500 with an envelope of success",
        ServerError,
        answers(
            render_envelope(success=True, code=200, msg="Success", data={}), status="500 Broken"
        ),
        wired=False,
    ),
    *(
        once(f"{code} of a proxy", UnknownApiError, _status(code, "Odd"), wired=False)
        for code in (402, 405, 408, 410, 411, 413, 418, 421, 423, 425, 431, 451, 501, 505, 520, 599)
    ),
    refused(
        "401, and no login to try",
        Unauthenticated,
        _status(401, "Unauthorized", refusal(401, "Unauthorized")),
    ),
    refused("401 of a proxy", Unauthenticated, _status(401, "Unauthorized"), wired=False),
    once("400 of a proxy", InvalidRequest, _status(400, "Bad"), wired=False),
    once("403 of a proxy", PermissionDenied, _status(403, "No"), wired=False),
    once("404 of a proxy", NotFound, _status(404, "No"), wired=False),
    once("409 of a proxy", InvalidRequest, _status(409, "Conflict"), wired=False),
    once("422 of a proxy", InvalidRequest, _status(422, "Bad"), wired=False),
    once(
        "400 with another code",
        InvalidRequest,
        _status(400, "Bad", refusal(-7, "no")),
        wired=False,
    ),
    once(
        "404 with another code",
        NotFound,
        _status(404, "No", refusal(17, "no")),
        wired=False,
    ),
    once(
        "404 with an envelope of success",
        NotFound,
        answers(status="404 No"),
        wired=False,
    ),
    once(
        "409 in progress",
        InvalidRequest,
        _status(409, "Conflict", refusal(409, "in progress")),
        wired=False,
    ),
    once(
        "101 unasked",
        UnknownApiError,
        _status(101, "Switching", b""),
    ),
)
HINTS: Final[Mapping[str, tuple[str, ...]]] = {
    "without a hint": (),
    "Retry-After: 0": ("Retry-After: 0",),
    "Retry-After: 1": ("Retry-After: 1",),
    "Retry-After: 5": ("Retry-After: 5",),
    "Retry-After: -1": ("Retry-After: -1",),
    "Retry-After: 1.5": ("Retry-After: 1.5",),
    "Retry-After: abc": ("Retry-After: abc",),
    "Retry-After twice": ("Retry-After: 1", "Retry-After: 2"),
    "a date": (
        "Date: Thu, 01 Jan 2026 00:00:00 GMT",
        "Retry-After: Thu, 01 Jan 2026 00:00:02 GMT",
    ),
    "a date of RFC 850": (
        "Date: Thursday, 01-Jan-26 00:00:00 GMT",
        "Retry-After: Thursday, 01-Jan-26 00:00:02 GMT",
    ),
    "a date of asctime": (
        "Date: Thu Jan  1 00:00:00 2026",
        "Retry-After: Thu Jan  1 00:00:02 2026",
    ),
    "a date that is past": ("Retry-After: Thu, 01 Jan 1998 00:00:00 GMT",),
    "a date that is none": ("Retry-After: Thu, 32 Foo 2026 99:00:00 GMT",),
}
FAR: Final[Mapping[str, tuple[str, ...]]] = {
    "Retry-After: 3600": ("Retry-After: 3600",),
    "Retry-After: 10^30": (f"Retry-After: {10**30}",),
    "a date a year away": ("Retry-After: Fri, 01 Jan 2027 00:00:00 GMT",),
}
BUSY: Final = refusal(429, "Too many requests")


def _throttled(name: str, headers: tuple[str, ...], *, far: bool = False) -> Row:
    verdict = Verdict(Kind.AGAIN, (RateLimited,), far=far)
    spoil = _status(429, "Too Many Requests", BUSY, *headers)
    return Row(f"429, {name}", spoil, verdict, verdict, wired=False)


THROTTLES: Final = (
    *(_throttled(name, headers) for name, headers in HINTS.items()),
    *(_throttled(name, headers, far=True) for name, headers in FAR.items()),
    again("429 of a proxy", RateLimited, _status(429, "Too Many Requests"), wired=False),
    replace(_throttled("not carried out", ()), commits=False),
)


def _said(code: int | str | None, text: str | None, status: str = "200 OK") -> Spoil:
    return answers(refusal(code, text), status=status)


REFUSALS: Final = (
    refused("-1 insufficient balance", InsufficientFunds, _said(-1, "Insufficient balance")),
    refused("-1 balance not enough", InsufficientFunds, _said(-1, "The balance is not enough")),
    refused("-1 not found", NotFound, _said(-1, "Card not found")),
    refused("-1 does not exist", NotFound, _said(-1, "The card does not exist")),
    refused("-1 of another kind", InvalidRequest, _said(-1, "Amount out of range")),
    refused("-1 without a word", InvalidRequest, _said(-1, None)),
    refused("40002", InvalidRequest, _said(40002, "Parameter error")),
    refused(
        "400 missing header",
        InvalidRequest,
        _said(500, "Missing required header(s): deviceId", "400 Bad"),
    ),
    refused("403 with its code", PermissionDenied, _said(403, "Forbidden", "403 No")),
    refused("404 with its code", NotFound, _said(404, "Not found", "404 No")),
    refused("422 with its code", InvalidRequest, _said(422, "Unprocessable", "422 Bad")),
    again("200 with code 500", ServerError, _said(500, "Failed"), wired=False),
    *(
        again(f"-1 {text}", ServerError, _said(-1, text), wired=False)
        for text in (
            "System error",
            "system busy",
            "Internal failure",
            "Timed out",
            "Please try again",
            "The order is being processed",
            "Operation in progress",
        )
    ),
    again("-1 too many requests", RateLimited, _said(-1, "Too many requests"), wired=False),
    again("-1 rate limit", RateLimited, _said(-1, "Rate limit reached"), wired=False),
    *(
        once(f"an invented code: {code}", UnknownApiError, _said(code, "Oh"), wired=False)
        for code in (99999, 40001, -2, 1, 429, 401, 403, 404, 503, "E_17", None)
    ),
    once("success false with code 200", UnknownApiError, _said(200, "Success"), wired=False),
    once(
        "success false with data",
        UnknownApiError,
        answers(envelope(success=False)),
        wired=False,
    ),
    once(
        "a known refusal with 201",
        UnknownApiError,
        _said(-1, "Insufficient balance", "201 Created"),
        wired=False,
    ),
    *(
        Row(
            name,
            spoil,
            means(Kind.DUPLICATE, DuplicateOrder),
            means(Kind.DUPLICATE, DuplicateOrder),
            commits=False,
            wired=False,
            only=tuple(MUTATIONS),
        )
        for name, spoil in {
            "a duplicate": _said(-1, "Duplicate order number"),
            "a duplicate with 409": _said(409, "Duplicate", "409 Conflict"),
            "a duplicate with 400": _said(500, "duplicate order", "400 Bad"),
        }.items()
    ),
)
