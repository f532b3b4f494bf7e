"""How much is asked of the server at once, and that nothing of it is lost on the way."""

from __future__ import annotations

import anyio
import pytest

from fincard_async._runtime.limiter import Limiter
from fincard_async._sansio.messages import HttpRequest, HttpResponse
from fincard_async._sansio.options import Lane, Limits
from fincard_async.errors import ConfigError, ConnectFailed, FincardError
from fincard_async.testing import FakeClock
from tests.sansio.samples import READ

from .rig import ASK, DONE, Rig

pytestmark = pytest.mark.anyio


class Gate:
    """A wire on which every request waits until the test opens it."""

    def __init__(self) -> None:
        self.open = anyio.Event()
        self.inside = 0
        self.most = 0

    async def send(self, request: HttpRequest, timeout: float) -> HttpResponse:
        """Count who is inside."""
        self.inside += 1
        self.most = max(self.most, self.inside)
        try:
            await self.open.wait()
        finally:
            self.inside -= 1
        return DONE

    async def aclose(self) -> None:
        """Nothing to close."""


@pytest.mark.parametrize("most", [1, 3, 10])
async def test_no_more_calls_than_places(most: int) -> None:
    """All the places are used, and none more."""
    gate = Gate()
    rig = Rig([], transport=gate, limits=Limits(max_concurrency=most))
    async with anyio.create_task_group() as group:
        for _ in range(20):
            group.start_soon(rig.pipeline.run, READ, ASK, None)
        await anyio.wait_all_tasks_blocked()
        assert gate.inside == most
        gate.open.set()
    assert gate.most == most
    assert len(rig.events) == 20 * 4


async def _places(rig: Rig, gate: Gate) -> int:
    """How many calls get in at once."""
    gate.open = anyio.Event()
    gate.most = 0
    async with anyio.create_task_group() as group:
        for _ in range(20):
            group.start_soon(rig.pipeline.run, READ, ASK, None)
        await anyio.wait_all_tasks_blocked()
        gate.open.set()
    return gate.most


async def test_cancelled_calls_give_their_places_back() -> None:
    """Calls on the wire and calls that wait are cancelled together; every place is free again."""
    gate = Gate()
    rig = Rig([], transport=gate, limits=Limits(max_concurrency=3))
    for _ in range(5):
        async with anyio.create_task_group() as group:
            for _ in range(10):
                group.start_soon(rig.pipeline.run, READ, ASK, None)
            await anyio.wait_all_tasks_blocked()
            group.cancel_scope.cancel()
    assert gate.inside == 0
    assert await _places(rig, gate) == 3


async def test_a_cancel_while_a_place_is_handed_over() -> None:
    """A call that is cancelled in the moment it gets a place passes it on."""
    gate = Gate()
    rig = Rig([], transport=gate, limits=Limits(max_concurrency=1))
    async with anyio.create_task_group() as group:
        group.start_soon(rig.pipeline.run, READ, ASK, None)
        await anyio.wait_all_tasks_blocked()
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as waiting:
                waiting.start_soon(rig.pipeline.run, READ, ASK, None)
                await anyio.wait_all_tasks_blocked()
                gate.open.set()
                scope.cancel()
    assert await _places(rig, gate) == 1


async def test_errors_give_their_places_back() -> None:
    """A call that fails in any way frees its place."""

    def broken(request: HttpRequest) -> HttpResponse:
        raise RuntimeError

    rig = Rig([broken] * 5 + [DONE], limits=Limits(max_concurrency=1))
    for _ in range(5):
        with pytest.raises(RuntimeError):
            await rig.pipeline.run(READ, ASK, None)
    await rig.pipeline.run(READ, ASK, None)


async def test_calls_start_at_the_rate() -> None:
    """After the burst, one call every tenth of a second."""
    rig = Rig([DONE] * 6, limits=Limits(rate=10.0, burst=3))
    for _ in range(6):
        await rig.pipeline.run(READ, ASK, None)
    assert rig.clock.slept == pytest.approx([0.1, 0.1, 0.1])


async def test_a_wait_that_cannot_end_in_time_is_refused_at_once() -> None:
    """Nothing is slept, nothing is sent, and no turn of another call is used up."""
    clock = FakeClock()
    limiter = Limiter(Limits(rate=1.0, burst=1), clock)
    soon = clock.monotonic() + 0.5
    await limiter.acquire(soon, Lane.READ)
    for _ in range(3):
        with pytest.raises(ConnectFailed) as caught:
            await limiter.acquire(soon, Lane.READ)
        assert not caught.value.passing
    assert clock.slept == []
    await limiter.acquire(clock.monotonic() + 5, Lane.READ)
    assert clock.slept == pytest.approx([1.0])


async def test_no_place_before_the_deadline() -> None:
    """A full house refuses a call whose time is over, and says that nothing was sent."""
    clock = FakeClock()
    limiter = Limiter(Limits(max_concurrency=1), clock)
    async with limiter.permit(clock.monotonic() + 5, Lane.READ):
        with pytest.raises(ConnectFailed, match="no place under the client's limits"):
            await limiter.acquire(clock.monotonic(), Lane.READ)
    async with limiter.permit(clock.monotonic() + 5, Lane.READ):
        pass


async def test_a_place_that_comes_in_time_is_taken() -> None:
    """The next in line goes in when the first comes out, in order of arrival."""
    clock = FakeClock()
    limiter = Limiter(Limits(max_concurrency=1), clock)
    order: list[int] = []

    async def take(number: int) -> None:
        async with limiter.permit(clock.monotonic() + 60, Lane.READ):
            order.append(number)

    async with (
        anyio.create_task_group() as group,
        limiter.permit(clock.monotonic() + 60, Lane.READ),
    ):
        for number in range(5):
            group.start_soon(take, number)
            await anyio.wait_all_tasks_blocked()
        assert order == []
    assert order == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    "limits, message",
    [
        (Limits(max_concurrency=0), "max_concurrency must be at least 1"),
        (Limits(rate=0.0), "rate must be more than 0"),
        (Limits(rate=-1.0), "rate must be more than 0"),
        (Limits(rate=1.0, burst=0), "burst at least 1"),
    ],
)
async def test_limits_that_would_stop_everything(limits: Limits, message: str) -> None:
    """They are a mistake, told when the client is made."""
    with pytest.raises(ConfigError, match=message):
        Limiter(limits, FakeClock())


class Sweep:
    """Counts the awaits of a call and cancels it at one of them."""

    def __init__(self, at: int) -> None:
        self.at = at
        self.count = 0
        self.scope = anyio.CancelScope()

    async def point(self) -> None:
        """One await."""
        self.count += 1
        if self.count == self.at:
            self.scope.cancel()
        await anyio.lowlevel.checkpoint()


@pytest.mark.parametrize("at", range(1, 9))
async def test_a_cancel_at_any_await_loses_nothing(at: int) -> None:
    """Sending, waiting for the answer, pausing: the cancel passes, and every place is free."""
    sweep = Sweep(at)
    gate = Gate()

    class Slow(FakeClock):
        async def sleep(self, seconds: float) -> None:
            await sweep.point()
            await super().sleep(seconds)

    class Wire:
        async def send(self, request: HttpRequest, timeout: float) -> HttpResponse:
            await sweep.point()
            await sweep.point()
            if sweep.count < 8:
                return HttpResponse(500, {}, b"")
            return await gate.send(request, timeout)

        async def aclose(self) -> None: ...

    rig = Rig([], transport=Wire(), limits=Limits(max_concurrency=2, rate=1e6), clock=Slow())
    gate.open.set()
    ended: list[str] = []
    with sweep.scope:
        try:
            await rig.pipeline.run(READ, ASK, None)
        except FincardError as error:
            ended.append(type(error).__name__)
    assert ended == []
    assert sweep.scope.cancelled_caught
    sweep.at, sweep.count = 0, 100
    assert await _places(rig, gate) == 2


def test_a_limiter_needs_no_event_loop() -> None:
    """A client may be made before the loop runs."""
    assert isinstance(Limiter(Limits(), FakeClock()), Limiter)
