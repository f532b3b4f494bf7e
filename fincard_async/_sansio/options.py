"""Per-call settings, and what a generated stub needs to know of its client."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeVar

from .model import Model
from .operation import Operation
from .paging import Paginator

I = TypeVar("I", bound=Model)  # noqa: E741 - input
O = TypeVar("O")  # noqa: E741 - output


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestContext:
    """Who is calling, for the context headers that the API demands on every call.

    Source: contract 1.4. The server answers HTTP 400 "Missing required header(s)" without them.

    Attributes:
        forwarded_for: IP address of the end user on whose behalf the call is made.
        forwarded_from: Name of the calling service.
        platform: ``web``, ``ios`` or ``android``.
        device_id: Id of the device or worker.
        user_agent: Sent as ``User-Agent``.
    """

    forwarded_for: str = "127.0.0.1"
    forwarded_from: str = "fincard-async"
    platform: str = "web"
    device_id: str = "fincard-async"
    user_agent: str = "fincard-async"


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often, and how patiently, a failed attempt is repeated.

    Attributes:
        read_attempts: Most attempts of a read, the first included.
        write_attempts: Most attempts of a mutation; only an attempt that was proven not sent, or
            answered by a complete 401, is ever repeated.
        base_delay: Seconds; upper end of the first random delay after a passing fault.
        throttle_delay: Seconds; the same after HTTP 429.
        max_delay: Seconds; no delay is longer, unless the server asks for more.
    """

    read_attempts: int = 4
    write_attempts: int = 3
    base_delay: float = 0.05
    throttle_delay: float = 1.0
    max_delay: float = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much the client asks of the server at once.

    Attributes:
        max_concurrency: Most calls in flight.
        rate: Calls per second; None for no limit.
        burst: Calls that may start at once after a pause, when ``rate`` is set.
    """

    max_concurrency: int = 100
    rate: float | None = None
    burst: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOptions:
    """Settings of one call; None means "as the client"."""

    timeout: float | None = None
    """Seconds for the whole call: login, limits, every attempt and every pause."""
    context: RequestContext | None = None
    retry: RetryPolicy | None = None


class Caller(Protocol):
    """The one thing a stub holds: something that carries out an operation."""

    async def call(
        self, operation: Operation[I, O], request: I, options: CallOptions | None
    ) -> O: ...

    async def call_list(
        self, operation: Operation[I, O], request: I, options: CallOptions | None
    ) -> list[O]: ...

    def paginate(
        self, operation: Operation[I, O], request: I, options: CallOptions | None, prefetch: int
    ) -> Paginator[O]: ...
