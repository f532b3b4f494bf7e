"""What a sender is answered: the exact acknowledgement, or a bare status without a reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from fincard_async._generated.events import ACK
from fincard_async._sansio.messages import HttpResponse
from fincard_async._sansio.webhook import MAX_EVENT_BYTES

_STATUS: Final[Mapping[str, int]] = {
    "refused": 401,
    "unreadable": 400,
    "busy": 503,
    "unconfirmed": 503,
    "failed": 500,
}
READ_SECONDS: Final = 10.0
"""A body that takes longer is not waited for. Source: correctness 2.5."""
TOO_LARGE: Final = 413
TOO_SLOW: Final = 408


def ack() -> HttpResponse:
    """The answer that ends the retries of an event. Source: contract 9, row 13."""
    return HttpResponse(200, {"content-type": "application/json"}, ACK.encode("ascii"))


def reply_for(outcome: str) -> HttpResponse:
    """The answer for what became of a delivery: ``ack()``, or a status that asks for a repeat."""
    status = _STATUS.get(outcome)
    return ack() if status is None else bare(status)


def bare(status: int) -> HttpResponse:
    """A status without a body."""
    return HttpResponse(status, {}, b"")


Admit: TypeAlias = Callable[[Mapping[str, str]], bool]
"""Says, from the headers (names in lower case), whether a delivery may come in: the place for a
limit of requests per second or a list of addresses. False is answered with 429."""


def early_refusal(method: str, headers: Mapping[str, str], admit: Admit | None) -> int | None:
    """The status for a request that is refused before its body is read; None for a good one.

    Args:
        method: Of the request.
        headers: Its headers, names in lower case.
        admit: What the application says to it.
    """
    if method != "POST":
        return 405
    if admit is not None and not admit(headers):
        return 429
    if headers.get("content-encoding", "identity").lower() not in ("", "identity"):
        return 415
    length = headers.get("content-length", "0")
    if not (length.isascii() and length.isdigit()):
        return 400
    return TOO_LARGE if len(length) > 18 or int(length) > MAX_EVENT_BYTES else None
