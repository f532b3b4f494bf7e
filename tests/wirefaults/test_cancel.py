"""A mutation cancelled at every step of the loop, and by every means there is.

Whatever the moment: ``CancelledError`` passes as it is, what the server may have stays readable in
``in_doubt``, the connection carries no other request, and a later call with the same number never
becomes a second order.
"""

from __future__ import annotations

import asyncio
import types
from collections.abc import Awaitable, Callable, Generator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from typing import Final, Literal

import anyio.lowlevel
import pytest

from fincard_async import NO_RETRY, CallOptions, FincardClient, RetryPolicy
from fincard_async.errors import OutcomeUnknown
from fincard_async.settle import settle
from fincard_async.testing import FakeClock
from tests.transport.wire import Line, http

from .books import QUERY
from .calls import ALL_MUTATIONS, CALLS
from .driver import Connect, client_of
from .server import Server, Spoil, always, serving
from .spoils import resets, stalls

pytestmark = [pytest.mark.anyio, pytest.mark.faults]


async def _piecemeal(line: Line, honest: bytes) -> None:
    """A good answer in nine pieces, so that the client reads step by step."""
    answer = http(honest)
    size = len(answer) // 8
    for start in range(0, len(answer), size):
        await anyio.lowlevel.checkpoint()
        await line.say(answer[start : start + size])


BEHAVIOURS: Final[dict[str, Spoil | None]] = {
    "answers": None,
    "answers in pieces": _piecemeal,
    "hangs after it carried it out": stalls(lambda body: b""),
    "hangs in the middle of the answer": stalls(lambda body: b"HTTP/1.1 200 OK\r\nContent-"),
    "drops": resets,
}
HANGING: Final = [spoil for name, spoil in BEHAVIOURS.items() if name.startswith("hangs")]
AFTER: Final = 6
"""Steps that are tried after the request arrived, and turns of the loop until all has arrived."""
MOST: Final = 300
MARK: Final = "the caller's own"


@types.coroutine
def next_step() -> Generator[None]:
    """One iteration of the event loop."""
    yield


Way = Literal["kept", "fresh", "login"]
WAYS: Final[tuple[Way, ...]] = ("kept", "fresh", "login")


@dataclass
class Ended:
    """How one cancelled call ended."""

    cancelled: asyncio.CancelledError | None = None
    whole: bool = False
    """The server had sent all of its answer by then."""
    finished: bool = False


async def _watched(call: Awaitable[object], ended: Ended) -> None:
    try:
        await call
    except asyncio.CancelledError as error:
        ended.cancelled = error
        raise
    except Exception:  # noqa: BLE001 - only a cancelled call is of interest here
        pass
    ended.finished = True


async def cancelled_after(steps: int, call: Awaitable[object], server: Server) -> Ended:
    """Let the loop turn so many times, then cancel."""
    ended = Ended()
    task = asyncio.ensure_future(_watched(call, ended))
    for _ in range(steps):
        await next_step()
    task.cancel(MARK)
    await asyncio.wait([task])
    ended.whole = server.answered == len(server.requests)
    return ended


@dataclass
class Sweep:
    """One kind of call, cancelled at step after step until it ends by itself."""

    connect: Connect
    operation: str
    spoil: Spoil | None
    way: Way
    """Over a connection that is open, over a new one, and with a login before it."""
    wrong: list[str] = field(default_factory=list)
    before: int = 0
    """Runs in which the server never got the request."""
    after: int = 0
    """Runs in which it did."""

    async def run(self) -> None:
        """Every step."""
        for step in count(1):
            if await self._at(step) or (self.spoil in HANGING and self.after > AFTER):
                return
            assert step < MOST, "it never ends"

    async def _at(self, step: int) -> bool:
        """Cancel at one step, see what is left of it; True if the call had ended before."""
        clock = FakeClock()
        login = self.way == "login"
        async with (
            serving() as server,
            client_of(server, self.connect, clock, login=login) as client,
        ):
            if self.way == "kept":
                await client.cards.list_types()
            if self.spoil is not None:
                server.plan = always(self.operation, self.spoil)
            number = f"SWEEP{step:020}"
            call = CALLS[self.operation](client, CallOptions(retry=NO_RETRY), number)
            ended = await cancelled_after(step, call, server)
            for _ in range(AFTER):  # what is on its way arrives
                await next_step()
            if ended.cancelled is not None:
                self._judge(step, ended.cancelled, server, client)
            server.plan = lambda request: None
            await self._again(step, number, ended, server, client)
        return ended.finished

    def _judge(
        self, step: int, error: asyncio.CancelledError, server: Server, client: FincardClient
    ) -> None:
        had_it = bool(server.of(self.operation))
        self.after += had_it
        self.before += not had_it
        if type(error) is not asyncio.CancelledError or error.args != (MARK,) or error.__cause__:
            self._note(step, f"{error!r} is not the caller's")
        if had_it and not client.in_doubt():
            self._note(step, "the server has it, and it is in no doubt")

    async def _again(
        self, step: int, number: str, ended: Ended, server: Server, client: FincardClient
    ) -> None:
        """Settle it, then call with the same number: one order, whatever came before."""
        met = [request.connection for request in server.of(self.operation)]
        there = number in server.books.carried_out
        kind = self.operation.removeprefix("cards.")
        found = await settle(client, number, kind=kind, timeout=1.5)
        if (found.record is not None) != there:
            self._note(step, f"settled as {found.state}, and the books say {there}")
        await CALLS[self.operation](client, None, number)
        if server.books.carried_out != {number: 1}:
            self._note(step, f"the books say {server.books.carried_out}")
        if client.in_doubt():
            self._note(step, "it ended well, and is in doubt")
        later = [request.connection for request in server.of(QUERY)]
        if not (ended.finished or ended.whole) and set(met) & set(later):
            self._note(step, "its connection was used again")

    def _note(self, step: int, fault: str) -> None:
        self.wrong.append(f"{self.operation} cancelled at step {step}: {fault}")


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
async def test_every_step_of_every_mutation(
    behaviour: str, connect: Connect, record_property: Callable[[str, object], None]
) -> None:
    """Nothing is hidden, nothing is lost, nothing is done twice; before sending and after."""
    sweeps = [
        Sweep(connect, operation, BEHAVIOURS[behaviour], way)
        for operation in ALL_MUTATIONS
        for way in (WAYS if operation in ("cards.open", "cards.freeze") else WAYS[:1])
    ]
    for sweep in sweeps:
        await sweep.run()
    record_property("cancelled calls", {"cases": sum(s.before + s.after for s in sweeps)})
    wrong = [fault for sweep in sweeps for fault in sweep.wrong]
    assert not wrong, "\n".join(wrong[:40])
    assert all(sweep.after for sweep in sweeps)
    assert all(sweep.before for sweep in sweeps if sweep.way != "kept")  # sent at its first step


async def _by_move_on(call: Awaitable[object], arrived: asyncio.Event) -> None:
    with anyio.move_on_after(MOMENT), suppress(OutcomeUnknown):
        await call  # which may heed the deadline of the scope by itself


async def _by_fail_after(call: Awaitable[object], arrived: asyncio.Event) -> None:
    with pytest.raises((TimeoutError, OutcomeUnknown)), anyio.fail_after(MOMENT):
        await call


async def _by_timeout(call: Awaitable[object], arrived: asyncio.Event) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(MOMENT):
            await call


async def _by_wait_for(call: Awaitable[object], arrived: asyncio.Event) -> None:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(call, MOMENT)


async def _by_asyncio_group(call: Awaitable[object], arrived: asyncio.Event) -> None:
    async def run() -> None:
        await call

    async def fail() -> None:
        await arrived.wait()
        raise LookupError

    async def together() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(run())
            group.create_task(fail())

    with pytest.raises(ExceptionGroup) as caught:
        await together()
    assert [type(error) for error in caught.value.exceptions] == [LookupError]


async def _by_anyio_group(call: Awaitable[object], arrived: asyncio.Event) -> None:
    async def run() -> None:
        await call

    async def fail() -> None:
        await arrived.wait()
        raise LookupError

    async def together() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(run)
            group.start_soon(fail)

    with pytest.raises(ExceptionGroup) as caught:
        await together()
    assert [type(error) for error in caught.value.exceptions] == [LookupError]


async def _by_scope(call: Awaitable[object], arrived: asyncio.Event) -> None:
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as group:

            async def cancel() -> None:
                await arrived.wait()
                scope.cancel()

            group.start_soon(cancel)
            await call
    assert scope.cancelled_caught


MEANS: Final[Mapping[str, Callable[[Awaitable[object], asyncio.Event], Awaitable[None]]]] = {
    "move_on_after": _by_move_on,
    "fail_after": _by_fail_after,
    "asyncio.timeout": _by_timeout,
    "asyncio.wait_for": _by_wait_for,
    "asyncio.TaskGroup": _by_asyncio_group,
    "anyio task group": _by_anyio_group,
    "an outer scope": _by_scope,
}
MOMENT: Final = 0.6


@pytest.mark.parametrize("means", MEANS)
async def test_every_means_of_cancelling(means: str, connect: Connect) -> None:
    """The means sees its own cancellation come back, and the order number stays readable."""
    async with serving() as server, client_of(server, connect) as client:
        await client.cards.list_types()
        server.plan = always("cards.open", stalls(lambda body: b""))
        arrived = asyncio.Event()
        server.on_request = arrived.set
        # With a look-up the client would be done before the deadline of a scope that it sees.
        blind = CallOptions(retry=RetryPolicy(settle=False))
        await MEANS[means](CALLS["cards.open"](client, blind, None), arrived)
        (request,) = server.of("cards.open")
        assert [doubt.order_no for doubt in client.in_doubt()] == [request.order_no]
        server.plan = lambda request: None
        found = await settle(client, request.order_no or "", timeout=5.0)
        assert (found.state, client.in_doubt()) == ("pending", ())
        assert server.of(QUERY)[0].connection != request.connection
