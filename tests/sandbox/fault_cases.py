"""Which fault shows what: one table for both edges, and a caller that tells what it saw."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import anyio.lowlevel

from fincard_async._generated.operations import load
from fincard_async._generated.wire import REFUSALS
from fincard_async._runtime.ports import Transport
from fincard_async._sansio.codec import encode
from fincard_async._sansio.messages import HttpRequest, TransportFailure
from fincard_async._sansio.requests import parse_request
from fincard_async._sansio.responses import interpret
from fincard_async.errors import FincardError
from fincard_async.testing import Fault

from .kit import Api

LOST: Final = ("lost", True)
MALFORMED: Final = ("malformed", True)
TIMEOUT: Final = ("timeout", True)
Seen = tuple[str, bool] | tuple[int, str]
"""What a failure says, or the status of a reply and what the client makes of it."""

ANY_EFFECT: Final[dict[str, Seen]] = {
    "drop": LOST,
    "reset": LOST,
    "half-status-line": LOST,
    "garbage": MALFORMED,
    "hang": TIMEOUT,
    "403": (403, "PermissionDenied"),
    "404": (404, "NotFound"),
    "408": (408, "UnknownApiError"),
    "409": (409, "InvalidRequest"),
    "429": (429, "RateLimited"),
    "429-without-hint": (429, "RateLimited"),
    **{f"{status}": (status, "ServerError") for status in (500, 502, 503, 504)},
    **{f"{status}-envelope": (status, "ServerError") for status in (500, 502, 503, 504)},
    "html-200": (200, "NotAnEnvelope"),
    "empty-200": (200, "NotAnEnvelope"),
    "204": (204, "NotAnEnvelope"),
    "302": (302, "UnexpectedRedirect"),
    "307": (307, "UnexpectedRedirect"),
    "nesting-bomb": (200, "NotAnEnvelope"),
    "system-error": (200, "ServerError"),
    "duplicate": (200, "DuplicateOrder"),
}
"""Replies that go with every effect."""

SEEN: Final[dict[str, Seen]] = {
    "connect-refused": ("connect", False),
    "drop-before-reading": LOST,
    "401-once": (401, "Unauthenticated"),
    **{f"{name}-before-commit": seen for name, seen in ANY_EFFECT.items()},
    **{f"commit-then-{name}": seen for name, seen in ANY_EFFECT.items()},
    **{f"{name}-then-commit": seen for name, seen in ANY_EFFECT.items()},
    "commit-then-truncated": LOST,
    "commit-then-truncated-chunks": LOST,
    "commit-then-cut-unnoticed": (200, "NotAnEnvelope"),
    "commit-then-short-length": MALFORMED,
    "commit-then-gzip": MALFORMED,
    "commit-then-slow": TIMEOUT,
    "commit-then-dribble": TIMEOUT,
    "commit-then-oversized": ("too-large", True),
    "commit-then-huge-number": (200, "DecodeError"),
    "commit-then-wrong-order-no": (200, "ResponseMismatch"),
    "commit-then-wrong-card-no": (200, "CardOperation"),
    "commit-then-unknown-status": (200, "CardOperation"),
    "commit-then-missing-order-no": (200, "DecodeError"),
    "commit-then-missing-card-no": (200, "CardOperation"),
    "commit-then-missing-status": (200, "DecodeError"),
    "stuck-in-processing": (200, "CardOperation"),
}
"""What a client sees that orders a card."""

OVER_HTTP: Final[dict[str, Seen]] = {**SEEN, "connect-refused": LOST}
"""The same over a socket, where a request that is there cannot be refused any more."""

QUERIES: Final = frozenset({"stale-query", "query-without-newest", "query-ignores-filter"})


def opening(api: Api, number: str | None = None) -> HttpRequest:
    """A request that orders a card."""
    body = {"merchantOrderNo": number or api.number(), "cardTypeId": 111001, "amount": 50}
    return HttpRequest(load("cards.open").path, api.headers, encode(body))


def commits(fault: Fault) -> Iterator[int]:
    """How many orders there are at once, and in the end."""
    yield int(fault.effect in {"done", "stuck"})
    yield int(fault.effect != "never")


async def look(transport: Transport, request: HttpRequest, timeout: float = 30.0) -> Seen:
    """Send an order for a card and tell what the client sees."""
    operation = load("cards.open")
    try:
        response = await transport.send(request, timeout)
    except TransportFailure as failure:
        return failure.reason, failure.sent
    try:
        asked = parse_request(operation, request.body)
        result = interpret(operation, asked, response, REFUSALS)
    except FincardError as error:
        return response.status, type(error).__name__
    return response.status, type(result).__name__


class Waiting:
    """Waits by moving the clock of a sandbox."""

    def __init__(self, api: Api) -> None:
        self._time = api.time
        self.waited: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.waited.append(seconds)
        self._time.pass_ms(round(seconds * 1000))
        await anyio.lowlevel.checkpoint()
