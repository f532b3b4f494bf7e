"""What crosses the wire, as plain records, and the one way in which a transport may fail."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Reason = Literal["connect", "certificate", "pool", "lost", "timeout", "too-large", "malformed"]


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One POST. ``path`` begins with a slash; the origin belongs to the transport."""

    path: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """One complete answer; header names are lower case."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


class TransportFailure(Exception):
    """No complete answer. Carries facts only, and never the HTTP library's own exception.

    Attributes:
        reason: What went wrong, in one word.
        sent: False only if it is proven that no byte of the request was handed over.
        detail: A few words for the message, free of addresses, headers and bodies.
    """

    def __init__(self, reason: Reason, *, sent: bool, detail: str) -> None:
        super().__init__(detail)
        self.reason: Reason = reason
        self.sent = sent
        self.detail = detail
