"""Orders that the server has accepted, and works on."""

from __future__ import annotations

from pathlib import Path

import pytest

from fincard_async.bulk import Reason, RowState
from fincard_async.errors import (
    PermissionDenied,
)
from fincard_async.testing import reply

from .kit import (
    number_of,
    rows_of,
    states,
    total,
    world_in,
)

pytestmark = pytest.mark.anyio

ROWS = rows_of(12)


@pytest.mark.parametrize("count", [12, 250])
async def test_accepted_orders_are_followed(tmp_path: Path, count: int) -> None:
    """Orders that take their time are followed to the end, and many of them by lists."""
    async with world_in(tmp_path, latency_ms=20_000) as world:
        report = await world.run(rows_of(count), concurrency=32)
        assert report.ok
        assert len(world.wire.orders) == count
        lists = [body for body in world.wire.look_ups if "merchantOrderNo" not in body]
        assert len(world.wire.look_ups) < count or not lists
        assert bool(lists) is (count > 20)
        world.assert_exact(rows_of(count))


async def test_orders_that_fail(tmp_path: Path) -> None:
    """An order that was accepted and then failed is a failed row, with the server's reason."""
    async with world_in(tmp_path, latency_ms=1000) as world:
        world.sandbox.controls.fail_next(description="The issuer declined", count=3)
        report = await world.run(ROWS, concurrency=1)
        assert states(report) == {RowState.FAILED: 3, RowState.ISSUED: 9}
        assert report.results[0].message == "The issuer declined"
        assert report.received == {"USD": total(ROWS[3:])}
        world.assert_exact(ROWS[3:])


@pytest.mark.parametrize("count", [3, 30])
async def test_orders_that_are_not_final_in_time(tmp_path: Path, count: int) -> None:
    """What is not final in the end stays accepted, and is followed by the next run."""
    rows = rows_of(count)
    async with world_in(tmp_path, latency_ms=None) as world:
        report = await world.run(rows, final_timeout=60.0)
        assert states(report) == {RowState.ACCEPTED: count}
        assert (report.complete, report.interrupted) == (False, False)
        assert {result.received_amount for result in report.results} == {None}
        world.sandbox.controls.settle_now()
        assert (await world.run(rows)).ok
        assert len(world.wire.orders) == count
        world.assert_exact(rows)


async def test_accepted_orders_that_the_list_does_not_show(tmp_path: Path) -> None:
    """Orders that are missing in the list of the newest are asked for one by one, in turns."""
    rows = rows_of(60)
    async with world_in(tmp_path, latency_ms=None) as world:
        await world.run(rows, final_timeout=0)
        world.sandbox.controls.settle_now()
        world.wire.answer_look_up = lambda response: (
            response
            if "merchantOrderNo" in world.wire.look_ups[-1]
            else reply({"total": 0, "records": []})
        )
        assert (await world.run(rows)).ok
        world.wire.look_ups.clear()


@pytest.mark.parametrize("count", [3, 30])
async def test_polling_survives_errors(tmp_path: Path, count: int) -> None:
    """A poll that fails is tried again, by number as well as by list; nothing follows from it."""
    async with world_in(tmp_path, latency_ms=None) as world:
        await world.run(rows_of(count), final_timeout=0)
        world.sandbox.controls.settle_now()
        errors = iter(range(count + 2))
        world.wire.answer_look_up = lambda response: (
            response if next(errors, None) is None else reply(status=400, msg="no")
        )
        assert (await world.run(rows_of(count))).ok
        assert list(errors) == []
        world.assert_exact(rows_of(count))


@pytest.mark.parametrize("count", [3, 30])
async def test_polling_without_a_right(tmp_path: Path, count: int) -> None:
    """A poll that may not ask, by number or by list, ends the run."""
    async with world_in(tmp_path, latency_ms=None) as world:
        await world.run(rows_of(count), final_timeout=0)
        world.wire.answer_look_up = lambda _: reply(status=403, msg="no")
        with pytest.raises(PermissionDenied):
            await world.run(rows_of(count))


def record_of_a_success(amount: int) -> dict[str, object]:
    """What a query says of the first row's order; without a card."""
    return {
        "orderNo": "1",
        "type": "create",
        "status": "success",
        "merchantOrderNo": number_of(ROWS[0]),
        "amount": amount,
    }


async def test_a_contradiction_while_polling(tmp_path: Path) -> None:
    """An accepted order that turns out to be another one is parked."""
    async with world_in(tmp_path, latency_ms=None) as world:
        await world.run(ROWS[:1], final_timeout=0)
        record = record_of_a_success(amount=49)
        world.wire.answer_look_up = lambda _: reply({"total": 1, "records": [record]})
        assert states(await world.run(ROWS[:1])) == {RowState.PARKED: 1}


async def test_a_success_that_is_taken_back(tmp_path: Path) -> None:
    """Success without a card in one run, and failure in the next: parked, and neither."""
    async with world_in(tmp_path, latency_ms=None) as world:
        record = record_of_a_success(amount=50)
        world.wire.answer_look_up = lambda _: reply({"total": 1, "records": [record]})
        assert states(await world.run(ROWS[:1], final_timeout=5)) == {RowState.ACCEPTED: 1}
        record["status"] = "fail"
        report = await world.run(ROWS[:1])
        assert states(report) == {RowState.PARKED: 1}
        assert report.results[0].reason is Reason.CONTRADICTION
