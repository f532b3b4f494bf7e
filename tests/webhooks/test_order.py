"""Events of one subject in any order: the same state, and nothing older after something newer."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest

from fincard_async._sansio.webhook import Standing, WebhookEvent
from fincard_async.webhooks import MemoryStore

from .kit import AUTHORIZATION, OPERATION, Desk, sample

pytestmark = pytest.mark.anyio

FIVE: list[dict[str, Any]] = [
    {"status": "wait_process"},
    {"status": "processing"},
    {"status": "on_hold"},  # the schema does not know it
    {"status": "success", "receivedAmount": None},
    {"status": "success"},
]


async def test_five_events_in_any_order() -> None:
    """All 120 orders end in the same state, and no handler sees a status after a later one."""
    ends: set[tuple[str | None, Standing | None]] = set()
    for order in permutations(FIVE):
        desk = Desk(MemoryStore())
        outcomes = [await desk.send(OPERATION, **changes) for changes in order]
        assert set(outcomes) <= {"handled", "late"}
        shown = [event for event in desk.seen if isinstance(event, WebhookEvent)]
        steps = [event.standing.step for event in shown if event.standing is not None]
        assert steps == sorted(steps)
        subject = shown[-1].subject
        assert subject is not None
        ends.add((shown[-1].status, await desk.inbox.store.known(subject)))
    assert len(ends) == 1
    ((status, known),) = ends
    assert status == "success"
    assert known is not None
    assert known.status == "success"


@pytest.mark.parametrize("statuses", list(permutations(["authorized", "succeed", "failed"])))
async def test_a_contradiction_ends_the_same_way(statuses: tuple[str, ...]) -> None:
    """Both final states are handed over, because neither is proven to be older; the state that is
    kept does not depend on which came first.
    """
    desk = Desk()
    for status in statuses:
        await desk.send(AUTHORIZATION, status=status)
    shown = [event.status for event in desk.seen if isinstance(event, WebhookEvent)]
    assert {"succeed", "failed"} <= set(shown)
    event = desk.seen[-1]
    assert event.subject is not None
    known = await desk.inbox.store.known(event.subject)
    assert known is not None
    assert known.status == "failed"


async def test_the_same_trade_moves_on() -> None:
    """One trade number, four pushes: none of them is a duplicate of another."""
    desk = Desk()
    moves = [
        {"status": "authorized"},
        {"status": "authorized", "crossBoardFee": "0.25"},
        {"status": "succeed", "settleAmount": "12.5"},
        {"status": "succeed", "settleAmount": "12.75"},
    ]
    assert [await desk.send(AUTHORIZATION, **move) for move in moves] == ["handled"] * 4
    assert [await desk.send(AUTHORIZATION, **move) for move in moves] == ["duplicate"] * 4
    assert len(desk.seen) == 4


async def test_a_cardholder_may_be_rejected_first() -> None:
    """The review goes on after a rejection; two moves of one step are told apart by their time."""
    desk = Desk()
    moves = [("reject", 20), ("reject", 10), ("wait_audit", 5), ("reject", 30), ("pass_audit", 40)]
    outcomes = [
        await desk.send("card_holder", status=status, updateTime=time) for status, time in moves
    ]
    assert outcomes == ["handled", "late", "late", "handled", "handled"]


async def test_a_wallet_deposit_may_still_succeed() -> None:
    """In the first version of the wallet fail is not final (contract 7.2)."""
    desk = Desk()
    statuses = ["fail", "success", "fail"]
    outcomes = [
        await desk.send("wallet_transaction", status=s, remark=str(i))
        for i, s in enumerate(statuses)
    ]
    assert outcomes == ["handled", "handled", "late"]


async def test_subjects_do_not_mix() -> None:
    """Create and deposit of one order number are two subjects, and so are two cards."""
    desk = Desk()
    for kind in ("create", "deposit"):
        assert await desk.send(OPERATION, type=kind, status="success") == "handled"
    assert await desk.send(OPERATION, orderNo="2", status="processing") == "handled"


async def test_messages_have_no_state() -> None:
    """Each 3DS message is handed over once, whatever came before."""
    desk = Desk()
    kinds = ["activation_code", "third_3ds_otp", "activation_code"]
    outcomes = [await desk.send("card_3ds", type=kind) for kind in kinds]
    assert outcomes == ["handled", "handled", "duplicate"]


def test_standings_are_in_order() -> None:
    """The step decides, then the time; what has no time is not late for what has one."""
    low, high = Standing(2, 5, 1, "a", "x"), Standing(4, 1, 2, "a", "y")
    assert low < high
    assert low.is_late_for(high)
    assert not high.is_late_for(low)
    timeless = Standing(4, 0, 2, "b", "y")
    assert not timeless.is_late_for(high)
    assert not Standing(4, 2, 2, "b", "y").is_late_for(high)
    assert Standing(4, 1, 2, "b", "y").is_late_for(Standing(4, 2, 2, "a", "y"))
    assert not timeless.contradicts(high)
    assert timeless.contradicts(Standing(4, 0, 3, "c", "z"))
    assert sample(OPERATION)["status"] == "success"
