"""What crosses the wire, as plain records, and the one way in which a transport may fail."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from .sizes import MAX_BODY_BYTES

Reason = Literal["connect", "certificate", "pool", "lost", "timeout", "too-large", "malformed"]


class HttpRequest(msgspec.Struct, frozen=True, gc=False):
    """One POST. ``path`` begins with a slash; the origin belongs to the transport."""

    path: str
    headers: Mapping[str, str]
    body: bytes
    most_bytes: int = MAX_BODY_BYTES
    """A longer answer is not read to its end."""

    def __repr__(self) -> str:
        return f"HttpRequest(path={self.path!r})"


class HttpResponse(msgspec.Struct, frozen=True, gc=False):
    """One complete answer; header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def __repr__(self) -> str:
        return f"HttpResponse(status={self.status})"


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
