"""One order number, one request: what is in doubt is not forgotten, and not sent as another."""

from __future__ import annotations

import pickle
from typing import Any

import anyio
import pytest
from msgspec.structs import replace

from fincard_async._runtime.doubts import MOST, Doubts
from fincard_async._sansio.options import NO_RETRY
from fincard_async._sansio.requests import Prepared, build_request
from fincard_async._sansio.secret import Secret
from fincard_async.errors import IdempotencyConflict, OutcomeUnknown, UsageError
from fincard_async.testing import reply
from tests.sansio.samples import WRITE, Ask

from .rig import DONE, LOST, Rig

pytestmark = pytest.mark.anyio

NUMBER = "MY-NUMBER-0000000000000"
OPEN = Ask(card_no="C1", merchant_order_no=NUMBER)
OTHER = Ask(card_no="C2", merchant_order_no=NUMBER)
ELSEWHERE = replace(WRITE, name="things.other", path="/things/other")


def call(pin: str = "482913") -> Prepared:
    """A call that is about to be sent."""
    ask = Ask(card_no="C1", merchant_order_no=NUMBER, pin=Secret(pin))
    return build_request(WRITE, ask, money_as="number")


def with_number(prepared: Prepared, number: str | None) -> Prepared:
    """The same call under another number."""
    return replace(prepared, order_no=number)


@pytest.mark.parametrize("operation, ask", [(WRITE, OTHER), (ELSEWHERE, OPEN)])
async def test_a_number_in_doubt_belongs_to_its_request(operation: Any, ask: Ask) -> None:
    """Other bytes, or the same for another operation: refused before anything is sent."""
    rig = Rig([LOST, DONE], retry=NO_RETRY)
    with pytest.raises(OutcomeUnknown):
        await rig.pipeline.run(WRITE, OPEN, None)
    with pytest.raises(IdempotencyConflict, match="belongs to another things") as caught:
        await rig.pipeline.run(operation, ask, None)
    assert isinstance(caught.value, UsageError)
    assert (caught.value.operation, caught.value.order_no) == (operation.name, NUMBER)
    assert not caught.value.maybe_applied
    assert len(rig.wire.requests) == 1
    assert [doubt.order_no for doubt in rig.doubts.all()] == [NUMBER]


async def test_the_same_request_may_be_repeated() -> None:
    """Then the answer ends the doubt, and the number is the server's business again."""
    rig = Rig([LOST, DONE, reply({"cardNo": "C2"})], retry=NO_RETRY)
    with pytest.raises(OutcomeUnknown):
        await rig.pipeline.run(WRITE, OPEN, None)
    await rig.pipeline.run(WRITE, OPEN, None)
    await rig.pipeline.run(WRITE, OTHER, None)
    assert len(rig.wire.requests) == 3


class Gate:
    """An authorization that lets nobody through before two have come."""

    def __init__(self) -> None:
        self.waiting = 0
        self.open = anyio.Event()

    def current(self) -> str:
        """None without waiting."""
        return ""

    async def header(self, deadline: float) -> str:
        """Wait for the other."""
        self.waiting += 1
        if self.waiting == 2:
            self.open.set()
        await self.open.wait()
        return "Bearer t"

    def refuse(self, header: str) -> bool:
        """There is no other token."""
        return False


async def test_two_at_once() -> None:
    """Neither was sent when they were looked at; the later one is refused, the first stays open."""
    rig = Rig([LOST, DONE], auth=Gate(), retry=NO_RETRY)
    caught: list[str] = []

    async def run(ask: Ask) -> None:
        try:
            await rig.pipeline.run(WRITE, ask, None)
        except (IdempotencyConflict, OutcomeUnknown) as error:
            caught.append(type(error).__name__)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run, OPEN)
        tasks.start_soon(run, OTHER)
    assert sorted(caught) == ["IdempotencyConflict", "OutcomeUnknown"]
    assert len(rig.wire.requests) == 1
    assert [doubt.order_no for doubt in rig.doubts.all()] == [NUMBER]


def test_a_digest_tells_nothing() -> None:
    """Another client has another digest of the same PIN, and what is in doubt shows none at all."""
    one, two = Doubts(), Doubts()
    pin = call("482913")
    one.add(pin)
    two.add(pin)
    kept, other = (next(iter(vars(doubts)["_open"].values()))[1] for doubts in (one, two))
    assert kept != other
    assert len(kept) == 16
    for shown in (repr(one.all()).encode(), pickle.dumps(one.all())):
        assert not any(text in shown for text in (kept, kept.hex().encode(), b"482913"))


def test_doubts_keep_to_a_bound() -> None:
    """The oldest goes first, a number stands once, and a read is none of its business."""
    doubts = Doubts()
    first = call()
    for number in range(MOST + 5):
        for _ in range(2):
            doubts.add(with_number(first, f"N{number}"))
    doubts.add(with_number(first, None))
    doubts.clear(None)
    assert len(doubts.all()) == MOST
    assert doubts.all()[0].order_no == "N5"
    doubts.clear("N5")
    doubts.clear("never heard of")
    assert not doubts.check(with_number(first, "N5"))
    assert doubts.check(with_number(first, "N6"))
