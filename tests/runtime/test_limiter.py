"""How much is asked of the server at once, and that nothing of it is lost on the way."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from hypothesis import given, settings, strategies as st

from fincard_async._runtime.limiter import Limiter
from fincard_async._sansio.concurrency import AdaptiveLimit
from fincard_async._sansio.messages import HttpRequest, HttpResponse
from fincard_async._sansio.options import NO_RETRY, Lane, Limits
from fincard_async.errors import ConfigError, ConnectFailed, FincardError, LocalOverload
from fincard_async.testing import FakeClock, reply
from tests.sansio.samples import READ, WRITE

from .rig import ASK, DONE, HandClock, Rig, failure

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
        (Limits(max_waiting=-1), "max_waiting must not be negative"),
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


class House:
    """Callers of a limiter, by number: who waits, and who is inside, in order."""

    def __init__(self, limits: Limits) -> None:
        self.clock = HandClock()
        self.limiter = Limiter(limits, self.clock)
        self.inside: list[int] = []
        self.order: list[int] = []
        self.refused: list[int] = []
        self._scopes: dict[int, anyio.CancelScope] = {}
        self._leave: dict[int, anyio.Event] = {}

    async def call(self, number: int, lane: Lane, patience: float = 1e6) -> None:
        """Wait for a place and keep it until told to leave."""
        self._leave[number] = anyio.Event()
        with anyio.CancelScope() as self._scopes[number]:
            try:
                async with self.limiter.permit(self.clock.monotonic() + patience, lane):
                    self.inside.append(number)
                    self.order.append(number)
                    try:
                        await self._leave[number].wait()
                    finally:
                        self.inside.remove(number)
            except ConnectFailed:
                self.refused.append(number)

    def leave(self, number: int) -> None:
        """Go out in the usual way."""
        self._leave[number].set()

    def cancel(self, number: int) -> None:
        """Be cancelled, inside or waiting."""
        self._scopes[number].cancel()


MONEY, READS, SWEEP = Lane.MONEY, Lane.READ, Lane.BACKGROUND


async def test_money_goes_first_then_reads_then_sweeps() -> None:
    """Lanes by rank, and first come first served inside each of them."""
    house = House(Limits(max_concurrency=1))
    async with anyio.create_task_group() as group:
        lanes = [SWEEP, SWEEP, READS, MONEY, SWEEP, READS, MONEY]
        for number, lane in enumerate(lanes):
            group.start_soon(house.call, number, lane)
            await anyio.wait_all_tasks_blocked()
        for _ in lanes:
            house.leave(house.inside[0])
            await anyio.wait_all_tasks_blocked()
    assert house.order == [0, 3, 6, 2, 5, 1, 4]
    assert house.limiter.in_flight == 0


async def test_a_pause_stops_everybody() -> None:
    """Those who wait and those who come later; a shorter pause does not end a longer one."""
    house = House(Limits(max_concurrency=5))
    async with anyio.create_task_group() as group:
        house.limiter.pause(10.0)
        house.limiter.pause(3.0)
        for number, lane in enumerate([SWEEP, READS, MONEY]):
            group.start_soon(house.call, number, lane)
        await anyio.wait_all_tasks_blocked()
        house.clock.advance(9.5)
        await anyio.wait_all_tasks_blocked()
        assert house.inside == []
        house.clock.advance(0.5)
        await anyio.wait_all_tasks_blocked()
        assert sorted(house.inside) == [0, 1, 2]
        for number in range(3):
            house.leave(number)


async def test_a_pause_that_grows_is_kept() -> None:
    """Who sleeps for the first pause sleeps on for the second."""
    house = House(Limits())
    async with anyio.create_task_group() as group:
        house.limiter.pause(1.0)
        group.start_soon(house.call, 0, MONEY)
        await anyio.wait_all_tasks_blocked()
        house.limiter.pause(5.0)
        house.clock.advance(1.0)
        await anyio.wait_all_tasks_blocked()
        assert house.inside == []
        house.clock.advance(4.0)
        await anyio.wait_all_tasks_blocked()
        assert house.inside == [0]
        house.leave(0)


async def test_a_pause_beyond_the_deadline_refuses_at_once() -> None:
    """Nobody waits for what cannot come in time."""
    house = House(Limits())
    house.limiter.pause(10.0)
    await house.call(0, MONEY, patience=9.9)
    assert (house.refused, house.clock.slept) == ([0], [])


async def test_a_place_in_a_long_line_is_foretold() -> None:
    """At one call a second, the sixth of the line is refused at once if it has five seconds."""
    house = House(Limits(rate=1.0))
    async with anyio.create_task_group() as group:
        for number in range(6):
            group.start_soon(house.call, number, READS, 60.0)
            await anyio.wait_all_tasks_blocked()
        await house.call(6, READS, patience=5.5)
        assert house.refused == [6]
        group.start_soon(house.call, 7, MONEY, 1.5)
        for _ in range(6):
            await anyio.wait_all_tasks_blocked()
            house.clock.advance(1.0)
        await anyio.wait_all_tasks_blocked()
        for number in list(house.inside):
            house.leave(number)
    assert house.order == [0, 7, 1, 2, 3, 4, 5]


@pytest.mark.slow
async def test_only_the_first_in_line_watches_the_clock() -> None:
    """A thousand calls that wait for the rate are one sleeper, not a thousand."""
    house = House(Limits(max_concurrency=2000, rate=10.0))
    async with anyio.create_task_group() as group:
        for number in range(1000):
            group.start_soon(house.call, number, READS)
        await anyio.wait_all_tasks_blocked()
        assert house.clock.sleeping == 1
        for _ in range(20):
            house.clock.advance(0.1)
            await anyio.wait_all_tasks_blocked()
        assert len(house.order) == 21
        assert len(house.clock.slept) < 50
        group.cancel_scope.cancel()
    assert house.limiter.in_flight == 0


async def test_the_next_takes_over_the_watch() -> None:
    """The one who sleeps for all is cancelled; the next in line sleeps in its stead."""
    house = House(Limits())
    async with anyio.create_task_group() as group:
        house.limiter.pause(1.0)
        for number in range(3):
            group.start_soon(house.call, number, READS)
            await anyio.wait_all_tasks_blocked()
        house.cancel(0)
        await anyio.wait_all_tasks_blocked()
        house.clock.advance(1.0)
        await anyio.wait_all_tasks_blocked()
        assert house.inside == [1, 2]
        house.leave(1)
        house.leave(2)


async def test_a_place_is_refused_when_its_time_is_over() -> None:
    """A call that waits in a full house leaves at its own deadline, by the client's clock."""
    house = House(Limits(max_concurrency=1))
    async with anyio.create_task_group() as group:
        group.start_soon(house.call, 0, READS)
        await anyio.wait_all_tasks_blocked()
        group.start_soon(house.call, 1, READS, 5.0)
        group.start_soon(house.call, 2, READS, 60.0)
        await anyio.wait_all_tasks_blocked()
        house.clock.advance(4.9)
        await anyio.wait_all_tasks_blocked()
        assert house.refused == []
        house.clock.advance(0.2)
        await anyio.wait_all_tasks_blocked()
        assert house.refused == [1]
        house.leave(0)
        await anyio.wait_all_tasks_blocked()
        assert house.inside == [2]
        house.leave(2)


async def test_a_full_lane_refuses_at_once() -> None:
    """One more than ``max_waiting`` is local overload: nothing was sent, and it is not repeated."""
    gate = Gate()
    rig = Rig([], transport=gate, limits=Limits(max_concurrency=2, max_waiting=3))
    async with anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(rig.pipeline.run, READ, ASK, None)
        await anyio.wait_all_tasks_blocked()
        with pytest.raises(LocalOverload, match="local overload: 3 calls") as caught:
            await rig.pipeline.run(READ, ASK, None)
        assert (caught.value.attempts, caught.value.maybe_applied) == (1, False)
        gate.open.set()
    assert rig.clock.slept == []
    assert rig.limiter.allowed == 2
    await rig.pipeline.run(READ, ASK, None)


async def test_reads_that_fill_their_line_keep_no_money_out() -> None:
    """Each lane has a line of its own; a mutation still waits, and goes first."""
    house = House(Limits(max_concurrency=1, max_waiting=2))
    async with anyio.create_task_group() as group:
        for number, lane in enumerate([READS] * 4 + [SWEEP] * 3 + [MONEY] * 3):
            group.start_soon(house.call, number, lane)
            await anyio.wait_all_tasks_blocked()
        assert house.refused == [3, 6, 9]
        for _ in range(7):
            house.leave(house.inside[0])
            await anyio.wait_all_tasks_blocked()
    assert house.order == [0, 7, 8, 1, 2, 4, 5]


async def test_nobody_may_wait() -> None:
    """``max_waiting=0`` takes a free place, or none."""
    house = House(Limits(max_concurrency=1, max_waiting=0))
    async with anyio.create_task_group() as group:
        group.start_soon(house.call, 0, MONEY)
        await anyio.wait_all_tasks_blocked()
        await house.call(1, MONEY)
        assert (house.inside, house.refused) == ([0], [1])
        house.leave(0)


@pytest.mark.slow
async def test_thousands_may_be_gathered_on_one_client() -> None:
    """With the settings that a client has by itself, all of them are answered."""
    rig = Rig([DONE] * 10_000, watched=False)
    async with anyio.create_task_group() as group:
        for _ in range(10_000):
            group.start_soon(rig.pipeline.run, READ, ASK, None)
    assert len(rig.wire.requests) == 10_000


@pytest.mark.slow
async def test_a_crowd_may_leave_at_once() -> None:
    """Ten thousand waiting calls are cancelled together; the house is empty and goes on."""
    house = House(Limits(max_concurrency=1))
    async with anyio.create_task_group() as group:
        for number in range(10_000):
            group.start_soon(house.call, number, READS)
        await anyio.wait_all_tasks_blocked()
        group.cancel_scope.cancel()
    assert (house.limiter.in_flight, len(house.order)) == (0, 1)
    house.clock.advance(1.0)
    await house.limiter.acquire(house.clock.monotonic() + 1.0, READS)


async def test_trouble_lowers_what_is_allowed() -> None:
    """429, 503 and time-outs cut the places; a refusal or a lost connection does not."""
    for step, allowed in (
        (reply(status=429), 70),
        (reply(status=503), 70),
        (failure("timeout", sent=True), 70),
        (reply(status=500), 100),
        (reply(status=404, code=404), 100),
        (failure("lost", sent=True), 100),
        (failure("connect", sent=False), 100),
    ):
        rig = Rig([step], retry=NO_RETRY)
        with pytest.raises(FincardError):
            await rig.pipeline.run(READ, ASK, None)
        assert rig.limiter.allowed == allowed, step


async def test_the_servers_pause_holds_for_every_call() -> None:
    """One call is told to wait; another, which was told nothing, waits as well."""
    rig = Rig([reply(status=429, headers={"retry-after": "5"}), DONE], retry=NO_RETRY)
    with pytest.raises(FincardError):
        await rig.pipeline.run(READ, ASK, None)
    await rig.pipeline.run(WRITE, ASK, None)
    assert rig.clock.slept == [5.0]


ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("call"), st.sampled_from(Lane)),
        st.tuples(st.sampled_from(["leave", "well", "cancel"]), st.integers(0, 30)),
        st.tuples(st.just("pause"), st.sampled_from([0.5, 1.0, 3.0])),
        st.tuples(st.just("trouble"), st.none()),
        st.tuples(st.just("advance"), st.sampled_from([0.5, 1.0])),
    ),
    max_size=40,
)


@settings(deadline=None, max_examples=60)
@given(most=st.integers(1, 4), actions=ACTIONS)
async def test_a_limiter_is_its_model(most: int, actions: list[tuple[str, Any]]) -> None:
    """Whatever happens in whatever order: who is inside is who should be, never one too many."""
    house = House(Limits(max_concurrency=most))
    model = AdaptiveLimit(most)
    waiting: list[tuple[Lane, int]] = []
    inside: list[int] = []
    paused = 0.0
    async with anyio.create_task_group() as group:
        for count, (action, value) in enumerate(actions):
            now = house.clock.monotonic()
            if action == "call":
                waiting.append((value, count))
                group.start_soon(house.call, count, value)
            elif action == "pause":
                paused = max(paused, now + value)
                house.limiter.pause(value)
            elif action == "trouble":
                model.trouble(now)
                house.limiter.trouble()
            elif action == "advance":
                house.clock.advance(value)
            elif action == "cancel" and waiting:
                _, number = waiting.pop(value % len(waiting))
                house.cancel(number)
            elif inside:
                number = inside.pop(value % len(inside))
                if action == "well":
                    model.clean()
                    house.limiter.clean()
                house.cancel(number) if action == "cancel" else house.leave(number)
            await anyio.wait_all_tasks_blocked()
            while waiting and len(inside) < model.value and house.clock.monotonic() >= paused:
                first = min(waiting)
                waiting.remove(first)
                inside.append(first[1])
            assert sorted(house.inside) == sorted(inside)
            assert house.limiter.in_flight == len(inside) <= most
        group.cancel_scope.cancel()
    assert house.limiter.in_flight == 0
    house.clock.advance(1000.0)
    await house.limiter.acquire(house.clock.monotonic() + 1.0, MONEY)


def test_a_limiter_needs_no_event_loop() -> None:
    """A client may be made before the loop runs."""
    assert isinstance(Limiter(Limits(), FakeClock()), Limiter)
