"""Carries out one case and compares everything that can be seen with what must be."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Final, Protocol

import anyio

from fincard_async import BearerToken, CallOptions, FincardClient, Limits, PasswordLogin
from fincard_async._generated.operations import load
from fincard_async._runtime.ports import Clock, Transport
from fincard_async._transports.choice import missing
from fincard_async._transports.session import SessionTransport
from fincard_async.errors import DuplicateOrder, FincardError, OutcomeUnknown
from fincard_async.settle import settle
from fincard_async.testing import FakeClock

from .books import Memory
from .calls import CALLS
from .places import trusting
from .rows import Row
from .server import Server, always, at_first, doubled
from .verdicts import POLICIES, Column, Ending, expected

Connect = Callable[[str, ssl.SSLContext | None], Transport]
"""Makes a transport to an origin."""


def _ways() -> dict[str, Connect]:
    """Without the extra ``speedups`` there is one."""
    ways: dict[str, Connect] = {
        "session": lambda origin, context: SessionTransport(origin, ssl_context=context),
        # As with a proxy, or with an aiohttp that changed: it writes and times the requests.
        "by aiohttp": lambda origin, context: SessionTransport(
            origin, ssl_context=context, direct=False
        ),
    }
    if missing() is None:
        from fincard_async._transports.lean import LeanTransport

        ways["lean"] = lambda origin, context: LeanTransport(origin, ssl_context=context)
    return ways


TRANSPORTS: Final[Mapping[str, Connect]] = _ways()
"""Every way over the wire that the client has; another one is another line."""

TOKEN: Final = "canary-7f3a91c2"
BASE_URL: Final = "http://127.0.0.1"
"""The transport knows better."""
MEMORIES: Final[Mapping[Column, Memory]] = {"none": "none", "replay": "replay"}
"""A server that forgets carries a repeated request out again: then a resend would show."""
WATCHDOG: Final = 60.0
LONGEST_PAUSE: Final = 301.0
"""Seconds after which no pause that a server asked for is in force."""


@dataclass
class Tally:
    """What was really done, for the summary."""

    cases: int = 0
    faults: int = 0
    requests: int = 0

    def add(self, server: Server) -> None:
        """One more case."""
        self.cases += 1
        self.faults += server.spoilt
        self.requests += len(server.requests)


@dataclass(frozen=True)
class Case:
    """One call that meets one fault."""

    row: Row
    operation: str
    column: Column
    kept: bool = False
    """Over a connection that has carried another call before."""
    lasting: bool = True
    """Every attempt meets the fault; else only the first."""

    @property
    def mutates(self) -> bool:
        """True if the call moves something."""
        return load(self.operation).mutates

    @property
    def ending(self) -> Ending:
        """How it must end."""
        verdict = self.row.write if self.mutates else self.row.read
        return expected(verdict, self.column, lasting=self.lasting, commits=self.row.commits)

    def __str__(self) -> str:
        wire = "kept" if self.kept else "fresh"
        times = "always" if self.lasting else "first"
        return f"{self.row.name}: {self.operation} {self.column} {wire} {times}"


@dataclass
class Seen:
    """How the call ended."""

    result: object = None
    error: FincardError | None = None
    clock: FakeClock = field(default_factory=FakeClock)


class Reachable(Protocol):
    """Whatever has an origin."""

    origin: str


def client_of(
    server: Reachable,
    connect: Connect,
    clock: Clock | None = None,
    *,
    login: bool = False,
    most: int = 200,
) -> FincardClient:
    """A client of one server; it logs in, or it has a token that is good for all."""
    return FincardClient(
        base_url=BASE_URL,
        auth=PasswordLogin(email="ops@merchant.example", password=TOKEN)
        if login
        else BearerToken(TOKEN),
        tenant_id="acme",
        limits=Limits(max_concurrency=most),
        transport=connect(server.origin, trusting()),
        clock=clock,
    )


async def run(case: Case, connect: Connect, tally: Tally) -> list[str]:
    """Carry it out; what is wrong."""
    row, seen = case.row, Seen()
    place: AbstractAsyncContextManager[Server] = row.place(MEMORIES.get(case.column, "error"))
    with anyio.fail_after(WATCHDOG):
        async with place as server, client_of(server, connect, seen.clock) as client:
            if case.kept:
                await client.cards.list_types()
            server.commits = row.commits
            plan = always if case.lasting else at_first
            server.plan = plan(case.operation, row.spoil)
            options = CallOptions(retry=row.patience(POLICIES[case.column]))
            try:
                seen.result = await CALLS[case.operation](client, options, None)
            except FincardError as error:
                seen.error = error
            server.plan = lambda request: None
            wrong = _judge(case, seen, server, client)
            if row.counted:
                wrong += await _afterwards(seen, server, client)
        tally.add(server)
    return [f"{case}: {fault}" for fault in wrong]


def _judge(case: Case, seen: Seen, server: Server, client: FincardClient) -> list[str]:
    """Everything that is not as it must be."""
    must, error = case.ending, seen.error
    requests = server.of(case.operation)
    wrong = [f"carried out twice: {number}" for number in doubled(server.books.carried_out)]
    if type(error) not in (must.error or (type(None),)):
        wrong.append(f"ended as {error!r}, not as {must.error or 'result'}")
    if must.cause and (error is None or type(error.__cause__) not in must.cause):
        wrong.append(f"the cause is {error and error.__cause__!r}, not {must.cause}")
    if case.row.counted and len(requests) != must.requests:
        wrong.append(f"{len(requests)} requests, not {must.requests}")
    if error is not None and error.attempts != must.attempts:
        wrong.append(f"{error.attempts} attempts, not {must.attempts}")
    if len({request.body for request in requests}) > 1:
        wrong.append("the attempts do not carry the same bytes")
    if case.mutates:
        wrong += _judge_mutation(seen, server, client)
    return wrong + _leaks(error)


def _judge_mutation(seen: Seen, server: Server, client: FincardClient) -> list[str]:
    """The ledger against what the caller was told."""
    error, done = seen.error, sum(server.books.carried_out.values())
    doubts = [doubt.order_no for doubt in client.in_doubt()]
    if error is None:
        return [] if (done, doubts) == (1, []) else [f"a result: {done} on the books, {doubts=}"]
    if isinstance(error, OutcomeUnknown):
        numbers = [error.order_no] if error.maybe_applied else []
        return [] if doubts == numbers else [f"unknown, but {doubts=} and {numbers=}"]
    if isinstance(error, DuplicateOrder):  # another call with this number was registered
        return [] if error.maybe_applied and not done else [f"{error!r}: {done} on the books"]
    if error.maybe_applied or doubts or done:
        return [f"{error!r}: {done} on the books, {doubts=}"]
    return []


def _leaks(error: BaseException | None) -> list[str]:
    """The chain of an error holds errors of this package only, and no secret."""
    wrong: list[str] = []
    while error is not None:
        if not type(error).__module__.startswith("fincard_async"):
            wrong.append(f"{type(error)} is in the chain")
        if TOKEN in f"{error!r}{error}{vars(error)}":
            wrong.append(f"{type(error)} holds the token")
        error = error.__cause__ or error.__context__
    return wrong


async def _afterwards(seen: Seen, server: Server, client: FincardClient) -> list[str]:
    """An unknown outcome is settled, once the server is well: found if it is there."""
    error = seen.error
    if not isinstance(error, OutcomeUnknown):
        return []
    assert error.order_no is not None
    kind = (error.operation or "").removeprefix("cards.")
    there = error.order_no in server.books.carried_out
    seen.clock.advance(LONGEST_PAUSE)
    found = await settle(client, error.order_no, kind=kind, timeout=1.5)
    wrong = [f"carried out twice: {number}" for number in doubled(server.books.carried_out)]
    if (found.record is not None) != there:
        wrong.append(f"settled as {found.state}, and the books say {there}")
    if there and client.in_doubt():
        wrong.append("settled, and still in doubt")
    return wrong
