"""Per-call settings, and what a generated stub needs to know of its client."""

from __future__ import annotations

import enum
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, TypeVar

from .model import Model
from .operation import Operation

if TYPE_CHECKING:
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


Dedupe = Literal["error", "none", "replay"]
"""What the server does with a repeated order number; see ``retry``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often, and how patiently, a failed attempt is repeated, and how an outcome is settled.

    A framework that repeats whole calls by itself (Temporal, Celery) wants ``NO_RETRY`` here, and
    the same order number for every repetition.

    Attributes:
        read_attempts: Most attempts of a read, the first included.
        write_attempts: Most attempts of a mutation; all carry the same order number and bytes.
        dedupe: What the server does with a repeated order number. ``"error"``, the default: it
            refuses it (contract 6), so a mutation whose answer was lost is sent again, and a
            duplicate answer is looked up. ``"replay"``: it gives the first result. ``"none"``: a
            mutation that may have been sent is never sent again.
        settle: Look up a mutation whose outcome is unknown, or whose number is a duplicate, within
            the call's own deadline.
        base_delay: Seconds; upper end of the first random delay after a passing fault.
        throttle_delay: Seconds; the same after HTTP 429.
        max_delay: Seconds; no delay is longer, unless the server asks for more.
        attempt_timeout: Seconds for one attempt, so that a hanging one leaves time for the rest.
    """

    read_attempts: int = 4
    write_attempts: int = 3
    dedupe: Dedupe = "error"
    settle: bool = True
    base_delay: float = 0.05
    throttle_delay: float = 1.0
    max_delay: float = 5.0
    attempt_timeout: float = 15.0


NO_RETRY = RetryPolicy(read_attempts=1, write_attempts=1, settle=False)
"""Each call is sent once, and its error raised as it is."""


class Lane(enum.IntEnum):
    """Who goes first when calls wait for a place; inside a lane, first come first served."""

    MONEY = 0
    """Mutations, logins and the look-ups that settle an outcome."""
    READ = 1
    """Reads that somebody waits for."""
    BACKGROUND = 2
    """Sweeps, such as polling many balances."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much the client asks of the server at once.

    Attributes:
        max_concurrency: Most calls in flight. Trouble (429, 503, time-outs) lowers the number in
            force, and clean answers raise it again, up to this.
        rate: Calls per second; None for no limit.
        burst: Calls that may start at once after a pause, when ``rate`` is set.
        max_waiting: Most calls of one lane that wait for a place; one more is refused at once as
            ``LocalOverload``. The default lets many thousand reads be gathered on one client: 30 s,
            the usual time of a call, serve about as many. Each lane has a line of its own, so reads
            that fill theirs never keep a mutation out.
    """

    max_concurrency: int = 100
    rate: float | None = None
    burst: int = 1
    max_waiting: int = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOptions:
    """Settings of one call; None means "as the client"."""

    timeout: float | None = None
    """Seconds for the whole call: login, limits, every attempt and every pause."""
    context: RequestContext | None = None
    retry: RetryPolicy | None = None
    lane: Lane | None = None
    """``Lane.BACKGROUND`` for a sweep; a mutation is always ``Lane.MONEY``."""


class Caller(Protocol):
    """The one thing a stub holds: something that carries out an operation."""

    def call(
        self, operation: Operation[I, O], request: I, options: CallOptions | None
    ) -> Awaitable[O]: ...

    def call_list(
        self, operation: Operation[I, O], request: I, options: CallOptions | None
    ) -> Awaitable[list[O]]: ...

    def paginate(
        self, operation: Operation[I, O], request: I, options: CallOptions | None, prefetch: int
    ) -> Paginator[O]: ...
