"""A pipeline over fakes, and a client over a server that is one function."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import anyio

from fincard_async import BearerToken, FincardClient, SessionLogin
from fincard_async._generated.wire import REFUSALS
from fincard_async._runtime.auth import Authorization
from fincard_async._runtime.doubts import Doubts
from fincard_async._runtime.hooks import CallEvent, Observer, Observers
from fincard_async._runtime.limiter import Limiter
from fincard_async._runtime.mutations import Mutations
from fincard_async._runtime.pipeline import Pipeline, Settings
from fincard_async._sansio.budget import RetryBudget
from fincard_async._sansio.messages import HttpRequest, HttpResponse, Reason, TransportFailure
from fincard_async._sansio.options import Limits, RetryPolicy
from fincard_async._transports.home import Home
from fincard_async.testing import FakeClock, ScriptedTransport, reply
from tests.sansio.samples import Ask

ASK = Ask(card_no="C1")
DONE = reply({"cardNo": "C1"})
HEADERS = {"X-Tenant-ID": "acme"}


class Dice:
    """Entropy without chance: numbered order numbers, and jitter of one half."""

    def __init__(self) -> None:
        self.minted = 0

    def token_bytes(self, count: int) -> bytes:
        """The next number."""
        self.minted += 1
        return self.minted.to_bytes(count, "big")

    def fraction(self) -> float:
        """One half."""
        return 0.5


class HandClock(FakeClock):
    """A clock that only the test moves: who sleeps, sleeps until ``advance`` reaches the time."""

    def __init__(self) -> None:
        super().__init__()
        self._sleepers: list[tuple[float, anyio.Event]] = []

    async def sleep(self, seconds: float) -> None:
        """Wait for the test."""
        self.slept.append(seconds)
        awake = anyio.Event()
        self._sleepers.append((self.monotonic() + seconds, awake))
        await awake.wait()

    def advance(self, seconds: float) -> None:
        """Move the clock, and wake those whose time has come."""
        super().advance(seconds)
        for due, awake in self._sleepers:
            if due <= self.monotonic():
                awake.set()
        self._sleepers = [item for item in self._sleepers if not item[1].is_set()]

    @property
    def sleeping(self) -> int:
        """How many sleep, or were cancelled in their sleep."""
        return len(self._sleepers)


@dataclass
class Rig:
    """One pipeline and everything around it."""

    steps: Iterable[Any]
    auth: Authorization | None = None
    limits: Limits = field(default_factory=Limits)
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    timeout: float = 30.0
    extra: list[Observer] = field(default_factory=list)
    transport: Any = None
    clock: FakeClock = field(default_factory=FakeClock)
    watched: bool = True

    def __post_init__(self) -> None:
        self.dice = Dice()
        self.wire = ScriptedTransport(self.steps)
        self.events: list[CallEvent] = []
        self.limiter = Limiter(self.limits, self.clock)
        self.budget = RetryBudget()
        self.doubts = Doubts()
        self.pipeline = Pipeline(
            transport=self.transport or self.wire,
            home=Home(),
            auth=self.auth,
            limiter=self.limiter,
            budget=self.budget,
            doubts=self.doubts,
            mutations=Mutations(),
            clock=self.clock,
            entropy=self.dice,
            observers=Observers([*self.extra, *([self.events.append] if self.watched else [])]),
            refusals=REFUSALS,
            settings=Settings(headers=HEADERS, timeout=self.timeout, retry=self.retry),
        )

    @property
    def points(self) -> list[str]:
        """What the observers were told, in short."""
        return [
            f"{event.point} {event.attempt}" + (f" {event.error}" if event.error else "")
            for event in self.events
        ]


def failure(reason: Reason, *, sent: bool) -> TransportFailure:
    """An exchange without an answer."""
    return TransportFailure(reason, sent=sent, detail=f"{reason} in a test")


UNSENT = failure("connect", sent=False)
LOST = failure("lost", sent=True)
LOGIN = SessionLogin(organization_id="o1", user_id="u1", username="name", password="word")
Answer = HttpResponse | TransportFailure


class Server:
    """Counts logins and calls; ``login`` and ``call`` may be replaced by a test."""

    def __init__(
        self,
        *,
        login: Callable[[int], Answer] | None = None,
        call: Callable[[str], Answer] | None = None,
    ) -> None:
        self.logins = 0
        self.calls: list[HttpRequest] = []
        self._login = login or (lambda number: reply({"token": f"token-{number}"}))
        self._call = call or (lambda header: DONE)

    def __call__(self, request: HttpRequest) -> Answer:
        """Answer one request."""
        if request.path.endswith("/sessions"):
            self.logins += 1
            return self._login(self.logins)
        self.calls.append(request)
        return self._call(request.headers["Authorization"])

    @property
    def transport(self) -> ScriptedTransport:
        """A wire to this server that never ends."""
        return ScriptedTransport(itertools.repeat(self))


def client_of(
    server: Server | None, clock: FakeClock | None = None, **settings: Any
) -> FincardClient:
    """A client of a server that is one function."""
    chosen: dict[str, Any] = {
        "base_url": "http://127.0.0.1",
        "auth": LOGIN,
        "tenant_id": "acme",
        "clock": clock or FakeClock(),
        "entropy": Dice(),
        "transport": (server or Server()).transport,
        **settings,
    }
    return FincardClient(**chosen)


BEARER = BearerToken("fixed-token")
