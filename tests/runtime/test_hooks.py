"""Observers see everything and can break nothing."""

from __future__ import annotations

import logging

import pytest

from fincard_async.hooks import CallEvent
from tests.sansio.samples import READ

from .rig import ASK, DONE, LOST, Rig

pytestmark = pytest.mark.anyio


async def test_an_observer_that_fails_is_dropped(caplog: pytest.LogCaptureFixture) -> None:
    """It is logged once, by class only; the call and the other observers go on."""
    calls: list[CallEvent] = []

    def broken(event: CallEvent) -> None:
        calls.append(event)
        raise RuntimeError("canary")

    rig = Rig([DONE, DONE], extra=[broken])
    with caplog.at_level(logging.DEBUG, "fincard_async"):
        await rig.pipeline.run(READ, ASK, None)
        await rig.pipeline.run(READ, ASK, None)
    assert len(calls) == 1
    assert len(rig.events) == 8
    assert [record.getMessage() for record in caplog.records] == [
        "observer dropped after RuntimeError"
    ]


async def test_a_call_without_observers_works() -> None:
    """The last observer may be dropped too."""

    def broken(event: CallEvent) -> None:
        raise RuntimeError

    rig = Rig([DONE, DONE], extra=[broken], watched=False)
    for _ in range(2):
        await rig.pipeline.run(READ, ASK, None)
    assert not rig.pipeline.observers


async def test_a_pause_is_logged_without_secrets(caplog: pytest.LogCaptureFixture) -> None:
    """The log names operation, error and seconds; never a card, a header or a body."""
    rig = Rig([LOST, DONE])
    with caplog.at_level(logging.DEBUG, "fincard_async"):
        await rig.pipeline.run(READ, ASK, None)
    assert [record.getMessage() for record in caplog.records] == [
        "things.get: ConnectionLost; again in 0.025 s"
    ]
