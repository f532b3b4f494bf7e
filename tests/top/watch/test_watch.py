"""What a watch tells, when it reads, and what it throws away."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from decimal import Decimal

import anyio
import anyio.lowlevel
import pytest

from fincard_async._generated.models.cards import CardBalance
from fincard_async._sansio.messages import HttpResponse, TransportFailure
from fincard_async.errors import (
    ApiError,
    ClientClosed,
    ConnectionLost,
    Unauthenticated,
    ValidationError,
)
from fincard_async.testing import reply
from fincard_async.watch import BalanceChange, watch_balances

from .kit import BUSY, REFUSED, bank_of, gather, on_counted_time, watching


def amount_of(balance: CardBalance | None) -> Decimal | None:
    """The amount, if there is a balance."""
    return None if balance is None else balance.amount


LOST = TransportFailure("lost", sent=True, detail="the connection broke")


def test_first_all_then_only_changes() -> None:
    """Every card is told once, and then only those whose balance is another one."""

    async def story() -> None:
        bank = bank_of(5)
        async with watching(bank) as (_, watch):
            first = await gather(watch, 5)
            assert sorted(change.card_no for change in first) == sorted(bank.balances)
            assert {(change.kind, change.previous) for change in first} == {("changed", None)}
            bank.balances["card-000003"] = Decimal("12.5")
            [change] = await gather(watch, 15)
            assert change.card_no == "card-000003"
            assert amount_of(change.balance) == Decimal("12.5")
            assert amount_of(change.previous) == 100
            assert await gather(watch, 30) == []

    on_counted_time(story)


def test_many_changes_are_taken_in_few_turns_and_not_in_one() -> None:
    """A consumer keeps up with thousands of reads, and still nobody else waits for it."""

    async def story() -> int:
        turns = 0

        async def count() -> None:
            nonlocal turns
            while True:
                turns += 1
                await anyio.lowlevel.checkpoint()

        async with (
            watching(bank_of(320), concurrency=50) as (_, watch),
            anyio.create_task_group() as group,
        ):
            await anyio.sleep(15)
            assert watch.stats.waiting == 320
            group.start_soon(count)
            for _ in range(320):
                await anext(watch)
            group.cancel_scope.cancel()
        return turns

    assert 5 <= on_counted_time(story) <= 20


def test_a_consumer_who_is_cancelled_loses_no_change() -> None:
    """Whenever a time-out falls, what it did not hand out is told later."""

    async def story() -> None:
        bank = bank_of(100)
        async with watching(bank, concurrency=50) as (_, watch):
            await anyio.sleep(15)
            told: list[str] = []
            for _ in range(150):
                with anyio.CancelScope() as scope:
                    scope.cancel()
                    told.append((await anext(watch)).card_no)
            assert sorted(told) == sorted(bank.balances)

    on_counted_time(story)


def test_a_sweep_is_spread_and_keeps_its_interval() -> None:
    """After the first sweep, no second has much more than its share, and no card waits longer."""

    async def story() -> None:
        bank = bank_of(500)
        async with watching(bank, interval=20, concurrency=50) as (_, watch):
            await gather(watch, 85)
            stats = watch.stats
        second = [int(at) for at, _ in bank.reads if at >= 20]
        counts = [second.count(number) for number in range(20, 80)]
        assert max(counts) < 40
        assert min(counts) > 10
        for card_no in bank.balances:
            times = bank.times(card_no)[1:]
            gaps = [after - before for before, after in itertools.pairwise(times)]
            assert all(19.9 < gap < 20.1 for gap in gaps), gaps
        assert 19.9 < stats.achieved_interval < 20.1
        assert not stats.stretched

    on_counted_time(story)


def test_no_more_reads_in_flight_than_allowed() -> None:
    """The concurrency bounds what is under way, also while everything is due at once."""

    async def story() -> None:
        bank = bank_of(200)
        async with watching(bank, concurrency=7) as (_, watch):
            await gather(watch, 12)
        assert bank.most == 7

    on_counted_time(story)


def test_a_budget_stretches_the_interval_for_all_alike(caplog: pytest.LogCaptureFixture) -> None:
    """With half of the calls that the interval needs, every card is read half as often."""

    async def story() -> None:
        bank = bank_of(100)
        async with watching(bank, interval=10, rate=5) as (_, watch):
            await gather(watch, 200)
            stats = watch.stats
        reads = [len(bank.times(card_no)) for card_no in bank.balances]
        assert len(bank.reads) == pytest.approx(1000, rel=0.02)
        assert max(reads) - min(reads) <= 2
        assert stats.achieved_interval == pytest.approx(20, rel=0.1)
        assert stats.stretched

    on_counted_time(story)
    warnings = [record for record in caplog.records if "cannot keep" in record.message]
    assert len(warnings) == 1


def test_a_slow_consumer_sees_the_latest() -> None:
    """What was not taken is merged per card: from what was told last to what is true now."""

    async def story() -> None:
        bank = bank_of(3)
        async with watching(bank, interval=2) as (_, watch):
            assert len(await gather(watch, 1)) == 3
            for amount in (90, 80, 70):
                bank.balances["card-000001"] = Decimal(amount)
                await anyio.sleep(5)
            assert watch.stats.waiting == 1
            [change] = await gather(watch, 0.001)
            assert amount_of(change.balance) == 70
            assert amount_of(change.previous) == 100

    on_counted_time(story)


def test_a_read_that_overlaps_a_mutation_does_not_count() -> None:
    """An answer that left the server before the deposit is thrown away, and the card read again."""

    async def story() -> None:
        bank = bank_of(1, latency=0.1)
        async with watching(bank) as (client, watch):
            await gather(watch, 1)
            bank.latency = 2.0
            watch.hint("card-000000")
            await anyio.sleep(0.5)  # the read is under way, with the old balance in its answer
            bank.latency = 0.1
            await client.cards.deposit("card-000000", amount=50)
            changes = await gather(watch, 1)
            assert changes == []  # the old answer is not back yet
            changes = await gather(watch, 5)
            assert [change.balance.amount for change in changes if change.balance] == [150]
            assert watch.stats.discarded == 1

    on_counted_time(story)


def test_a_mutation_brings_the_next_read_forward() -> None:
    """Nobody waits an interval for the effect of what this client did itself."""

    async def story() -> None:
        bank = bank_of(1)
        async with watching(bank, interval=1000) as (client, watch):
            await gather(watch, 1)
            await client.cards.deposit("card-000000", amount=5)
            [change] = await gather(watch, 0.1)
            assert amount_of(change.balance) == 105

    on_counted_time(story)


def test_a_hint_is_an_early_read() -> None:
    """A webhook says that something has changed; a card that is not watched is passed over."""

    async def story() -> None:
        bank = bank_of(2)
        async with watching(bank, interval=1000) as (_, watch):
            await gather(watch, 1)
            bank.balances["card-000001"] = Decimal(1)
            watch.hint("card-000001")
            watch.hint("unknown")
            [change] = await gather(watch, 0.1)
            assert change.card_no == "card-000001"

    on_counted_time(story)


def test_a_hint_during_a_read_is_not_lost() -> None:
    """The answer on its way may be older than the hint, so one more read follows."""

    async def story() -> None:
        bank = bank_of(1, latency=1.0)
        async with watching(bank, interval=1000) as (_, watch):
            await anyio.sleep(0.5)
            bank.balances["card-000000"] = Decimal(1)
            watch.hint("card-000000")
            changes = await gather(watch, 5)
            assert [change.balance.amount for change in changes if change.balance] == [100, 1]

    on_counted_time(story)


def test_a_card_that_changed_is_read_sooner_for_a_while() -> None:
    """Five reads at a quarter of the interval, then the usual pace again."""

    async def story() -> None:
        bank = bank_of(1)
        async with watching(bank, interval=8) as (_, watch):
            await gather(watch, 9)
            bank.balances["card-000000"] = Decimal(1)
            await gather(watch, 60)
            times = bank.times("card-000000")
            gaps = [round(b - a, 1) for a, b in itertools.pairwise(times)]
            assert gaps.count(2.0) == 5
            assert gaps[-2:] == [8.0, 8.0]

    on_counted_time(story)


def test_direct_reads_share_what_is_known() -> None:
    """A young value is returned, a read under way is joined, an old value is read again."""

    async def story() -> None:
        bank = bank_of(1, latency=1.0)
        async with watching(bank, interval=1000) as (_, watch):
            await anyio.sleep(0.5)
            async with anyio.create_task_group() as group:
                for _ in range(10):
                    group.start_soon(lambda: watch.read("card-000000", max_age=60))
            assert len(bank.reads) == 1
            assert (await watch.read("card-000000", max_age=60)).amount == 100
            assert len(bank.reads) == 1
            bank.balances["card-000000"] = Decimal(7)
            assert (await watch.read("card-000000")).amount == 7
            assert len(bank.reads) == 2
            changes = await gather(watch, 1)
            assert [change.balance.amount for change in changes if change.balance] == [7]
            with pytest.raises(ValidationError, match="not watched"):
                await watch.read("unknown")

    on_counted_time(story)


def test_a_direct_read_never_returns_what_a_mutation_made_old() -> None:
    """However young it is."""

    async def story() -> None:
        bank = bank_of(1)
        async with watching(bank, interval=1000) as (client, watch):
            await gather(watch, 1)
            async with anyio.create_task_group() as group:
                bank.latency = 1.0
                group.start_soon(lambda: client.cards.deposit("card-000000", amount=1))
                await anyio.sleep(0.5)
                bank.latency = 0.01
                assert (await watch.read("card-000000", max_age=60)).amount == 101

    on_counted_time(story)


def test_a_failing_card_is_told_once_and_read_less_often() -> None:
    """The others are read as before, and the first good answer is told again."""

    async def story() -> None:
        bank = bank_of(3)
        bank.fate = lambda card_no, nth: LOST if card_no == "card-000001" and nth > 1 else None
        async with watching(bank, interval=1) as (_, watch):
            changes = await gather(watch, 100)
            failing = [change for change in changes if change.kind == "failing"]
            assert [change.card_no for change in failing] == ["card-000001"]
            assert isinstance(failing[0].error, ConnectionLost)
            assert amount_of(failing[0].balance) == 100
            assert len(bank.times("card-000001")) < 15
            assert len(bank.times("card-000002")) > 95
            assert watch.stats.failing == 1
            bank.fate = lambda card_no, nth: None
            [back] = await gather(watch, 40)
            assert (back.kind, back.card_no) == ("changed", "card-000001")
            assert watch.stats.failing == 0

    on_counted_time(story)


def test_a_card_that_is_refused_and_cancelled_leaves() -> None:
    """A refusal is looked into; a card that is there after all stays."""

    async def story() -> None:
        bank = bank_of(2)
        async with watching(bank, interval=5) as (_, watch):
            await gather(watch, 1)
            bank.fate = lambda card_no, nth: REFUSED
            bank.statuses["card-000000"] = "cancel"
            changes = await gather(watch, 6)
            [gone] = [change for change in changes if change.kind == "gone"]
            assert gone.card_no == "card-000000"
            assert isinstance(gone.error, ApiError)
            assert watch.stats.cards == 1

    on_counted_time(story)


def test_a_card_cancelled_by_this_client_leaves_although_its_balance_can_be_read() -> None:
    """The watch ends with its last card."""

    async def story() -> list[BalanceChange]:
        bank = bank_of(1)
        async with watching(bank, interval=5) as (client, watch):
            await gather(watch, 1)
            await client.cards.cancel("card-000000")
            return [change async for change in watch]

    [gone] = on_counted_time(story)
    assert (gone.kind, gone.card_no) == ("gone", "card-000000")


def test_an_emptied_card_is_looked_at() -> None:
    """A cancellation by somebody else returns the balance to the merchant."""

    async def story() -> None:
        bank = bank_of(1)
        async with watching(bank, interval=5) as (_, watch):
            await gather(watch, 1)
            bank.balances["card-000000"], bank.statuses["card-000000"] = Decimal(0), "cancel"
            changes = await gather(watch, 6)
            assert [change.kind for change in changes] == ["changed", "gone"]

    on_counted_time(story)


def test_cards_come_and_go() -> None:
    """Added ones are read at once, doubled ones once, removed ones no more."""

    async def story() -> None:
        bank = bank_of(3)
        async with watching(bank, ["card-000000", "card-000000"], interval=5) as (_, watch):
            assert len(await gather(watch, 1)) == 1
            await watch.add(["card-000001", "card-000002"])
            watch.remove("card-000000")
            watch.remove("card-000000")
            changes = await gather(watch, 1)
            assert {change.card_no for change in changes} == {"card-000001", "card-000002"}
            before = len(bank.times("card-000000"))
            await gather(watch, 20)
            assert len(bank.times("card-000000")) == before

    on_counted_time(story)


def test_cards_from_a_stream() -> None:
    """An async iterable will do."""

    async def story() -> None:
        bank = bank_of(3)

        async def stream() -> AsyncIterator[str]:
            for card_no in bank.balances:
                yield card_no

        async with watching(bank, []) as (client, _), watch_balances(client, stream()) as watch:
            assert len(await gather(watch, 1)) == 3

    on_counted_time(story)


def refused_login(card_no: str, nth: int) -> HttpResponse | None:
    """Every second read is answered as if the token were gone."""
    return reply(status=401, success=False, code=401, msg="token expired") if nth > 1 else None


def test_a_login_that_is_refused_ends_the_watch() -> None:
    """No card can be read any more, and the consumer hears why."""

    async def story() -> None:
        bank = bank_of(2)
        bank.fate = refused_login
        async with watching(bank, interval=5) as (_, watch):
            with pytest.raises(Unauthenticated):
                await gather(watch, 20)

    on_counted_time(story)


def test_a_closed_client_ends_the_watch() -> None:
    """So does a client that cannot be used any more."""

    async def story() -> None:
        bank = bank_of(2)
        bank.fate = lambda card_no, nth: None
        async with watching(bank, interval=5) as (client, watch):
            await gather(watch, 1)
            await client.aclose()
            with pytest.raises(ClientClosed):
                await gather(watch, 20)

    on_counted_time(story)


def test_what_the_body_raises_leaves_as_it_is() -> None:
    """Not inside a group of exceptions."""

    async def story() -> None:
        with pytest.raises(ZeroDivisionError):
            async with watching(bank_of(2)):
                raise ZeroDivisionError

    on_counted_time(story)


def test_leaving_cancels_the_reads_in_flight() -> None:
    """Nothing is left behind, and the client can still be used."""

    async def story() -> None:
        bank = bank_of(50, latency=5.0)
        async with watching(bank, []) as (client, _):
            async with watch_balances(client, list(bank.balances)) as watch:
                await anyio.sleep(1)
                assert watch.stats.in_flight == 50
            assert bank.in_flight == 0
            bank.latency = 0.1
            assert (await client.cards.get_balance("card-000000")).amount == 100

    on_counted_time(story)


@pytest.mark.parametrize(
    "setting", [{"interval": 0}, {"concurrency": 0}, {"rate": 0}, {"hot_factor": 0.5}]
)
def test_settings_out_of_range(setting: dict[str, float]) -> None:
    """Nothing is read."""

    async def story() -> None:
        with pytest.raises(ValidationError):
            async with watching(bank_of(1), **setting):  # type: ignore[arg-type]  # wrong on purpose
                pass

    on_counted_time(story)


@pytest.mark.slow
def test_a_server_that_is_busy_for_a_while_is_asked_less() -> None:
    """And at the usual pace again when it is well."""

    async def story() -> None:
        bank = bank_of(100)
        async with watching(bank, interval=2) as (_, watch):
            await gather(watch, 10)
            bank.fate = lambda card_no, nth: BUSY
            await gather(watch, 20)
            calls = sum(at > 20 for at, _ in bank.reads)
            bank.fate = lambda card_no, nth: None
            await gather(watch, 60)
            usual = sum(at > 80 for at, _ in bank.reads)
        assert calls < 250
        assert usual == pytest.approx(500, rel=0.05)

    on_counted_time(story)
