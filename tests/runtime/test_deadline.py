"""One deadline for a call: its own setting, or the cancel scope around it."""

from __future__ import annotations

import anyio
import pytest

from fincard_async._runtime.deadline import MARGIN
from fincard_async._sansio.messages import HttpRequest, HttpResponse, TransportFailure
from fincard_async._sansio.options import CallOptions
from fincard_async._sansio.retry import SETTLING_MOST, SETTLING_SHARE
from fincard_async.errors import ConnectFailed, OutcomeUnknown
from fincard_async.testing import FakeClock, reply
from tests.sansio.samples import READ, WRITE

from .rig import ASK, BEARER, DONE, Rig, client_of

pytestmark = pytest.mark.anyio


async def test_without_a_scope_the_setting_counts() -> None:
    """The call's own time-out, or the client's."""
    rig = Rig([DONE] * 2, timeout=9.0)
    await rig.pipeline.run(READ, ASK, None)
    await rig.pipeline.run(READ, ASK, CallOptions(timeout=12.0))
    assert rig.wire.timeouts == [9.0, 12.0]


@pytest.mark.parametrize("operation", [READ, WRITE], ids=["read", "mutation"])
async def test_a_scope_shortens_a_call(operation: object) -> None:
    """An attempt ends before the scope around it does, so that the call can say how it ended."""
    rig = Rig([DONE] * 3)
    with anyio.fail_after(60), anyio.fail_after(5):
        await rig.pipeline.run(operation, ASK, None)  # type: ignore[arg-type]  # either of two
    with anyio.fail_after(600):
        await rig.pipeline.run(operation, ASK, CallOptions(timeout=3.0))  # type: ignore[arg-type]  # likewise
    with anyio.CancelScope():
        await rig.pipeline.run(operation, ASK, CallOptions(timeout=3.0))  # type: ignore[arg-type]  # likewise
    assert 4.0 < rig.wire.timeouts[0] <= 5 - MARGIN
    assert rig.wire.timeouts[1:] == [3.0, 3.0]


async def test_a_scope_that_is_over_lets_nothing_out() -> None:
    """With a moment left nothing is sent, and a cancelled scope cancels as ever."""
    rig = Rig([DONE])
    with anyio.move_on_after(MARGIN / 2) as scope, pytest.raises(ConnectFailed):
        await rig.pipeline.run(WRITE, ASK, None)
    assert not scope.cancel_called
    with anyio.CancelScope() as scope:
        scope.cancel()
        await rig.pipeline.run(WRITE, ASK, None)
    assert scope.cancelled_caught
    assert rig.wire.requests == []


async def test_a_mutation_in_a_scope_ends_as_unknown() -> None:
    """A hanging attempt is given up in time for a look-up, and all of it before the scope ends."""

    class Hangs:
        asked: tuple[tuple[str, float], ...] = ()

        async def send(self, request: HttpRequest, timeout: float) -> HttpResponse:
            self.asked += ((request.path.rsplit("/", 1)[-1], timeout),)
            clock.advance(timeout)
            if "freeze" in request.path:
                raise TransportFailure("timeout", sent=True, detail="no reply in time")
            return reply({"total": 0, "records": []})

        async def aclose(self) -> None: ...

    clock, wire = FakeClock(), Hangs()
    client = client_of(None, transport=wire, auth=BEARER, clock=clock)
    with anyio.fail_after(10), pytest.raises(OutcomeUnknown) as caught:
        await client.cards.freeze("C1")
    (_, first), *_ = wire.asked
    assert first == pytest.approx((10 - MARGIN) * (1 - SETTLING_SHARE), abs=0.5)
    assert len(wire.asked) > 1
    assert [doubt.order_no for doubt in client.in_doubt()] == [caught.value.order_no]


def test_what_is_kept_for_settling() -> None:
    """A fifth of a short call, and never more than a look-up needs."""
    assert (SETTLING_SHARE, SETTLING_MOST) == (0.2, 5.0)
