"""What every store must do, as tests that a module with a fixture ``store`` takes over."""

from __future__ import annotations

import anyio

from fincard_async._sansio.webhook import Standing
from fincard_async.webhooks import Entry, InboxStore

from .kit import AUTHORIZATION, OPERATION, Desk

LATER, SOONER = Standing(6, 0, 3, "b", "success"), Standing(4, 0, 2, "z", "processing")


def entry(digest: str = "a" * 64, subject: str | None = "s", body: bytes = b"{}") -> Entry:
    """An event as it is kept."""
    return Entry(digest=digest, category="c", event_id="e", subject=subject, body=body)


class StoreTests:
    """The law of a store."""

    async def test_two_phases(self, store: InboxStore) -> None:
        """Claimed, given back, claimed again, done: and then never again."""
        one = await store.claim(entry(), token="t1", now=100.0, lease=60.0)
        assert (one.state, one.attempts, one.known) == ("claimed", 1, None)
        busy = await store.claim(entry(), token="t2", now=159.0, lease=60.0)
        assert busy.state == "busy"
        await store.release("a" * 64, token="t1", error="RuntimeError")
        two = await store.claim(entry(), token="t2", now=101.0, lease=60.0)
        assert (two.state, two.attempts) == ("claimed", 2)
        assert await store.finish("a" * 64, token="t2", now=102.0, standing=LATER)
        assert (await store.claim(entry(), token="t3", now=1e9, lease=60.0)).state == "done"
        assert await store.known("s") == LATER

    async def test_a_lease_ends(self, store: InboxStore) -> None:
        """What a crash left behind is given out again; the first holder's end counts no more."""
        await store.claim(entry(), token="t1", now=100.0, lease=60.0)
        assert list(await store.waiting(now=159.9, limit=9, below=9)) == []
        (left,) = await store.waiting(now=160.0, limit=9, below=9)
        assert (left.digest, left.body, left.attempts) == ("a" * 64, b"{}", 1)
        assert (await store.claim(entry(), token="t2", now=160.0, lease=60.0)).attempts == 2
        assert not await store.finish("a" * 64, token="t1", now=161.0, standing=SOONER)
        await store.release("a" * 64, token="t1", error="RuntimeError")
        assert (await store.claim(entry(), token="t3", now=162.0, lease=60.0)).state == "busy"
        assert await store.finish("a" * 64, token="t2", now=163.0, standing=None)

    async def test_one_event_of_a_subject_at_a_time(self, store: InboxStore) -> None:
        """Two events of one subject are not handled side by side; those of others are."""
        await store.claim(entry("a" * 64), token="t1", now=100.0, lease=60.0)
        second = await store.claim(entry("b" * 64), token="t2", now=100.0, lease=60.0)
        other = await store.claim(entry("c" * 64, "s2"), token="t3", now=100.0, lease=60.0)
        alone = [
            await store.claim(entry(d * 64, None), token=d, now=100.0, lease=60.0) for d in "de"
        ]
        assert (second.state, other.state) == ("busy", "claimed")
        assert [claim.state for claim in alone] == ["claimed"] * 2
        assert [e.digest[0] for e in await store.waiting(now=100.0, limit=9, below=9)] == ["b"]
        await store.finish("a" * 64, token="t1", now=101.0, standing=LATER)
        again = await store.claim(entry("b" * 64), token="t4", now=101.0, lease=60.0)
        assert (again.state, again.known) == ("claimed", LATER)

    async def test_a_subject_never_goes_back(self, store: InboxStore) -> None:
        """Whatever comes later, the greatest standing stays; the rest settles equal steps."""
        rising = [SOONER, LATER, SOONER, Standing(6, 0, 3, "a", "success")]
        for number, standing in enumerate(rising):
            digest = str(number) * 64
            await store.claim(entry(digest), token="t", now=100.0, lease=60.0)
            await store.finish(digest, token="t", now=100.0, standing=standing)
        assert await store.known("s") == LATER
        await store.claim(entry("9" * 64), token="t", now=100.0, lease=60.0)
        top = Standing(6, 0, 3, "c", "success")
        await store.finish("9" * 64, token="t", now=100.0, standing=top)
        assert await store.known("s") == top
        assert await store.known("absent") is None

    async def test_what_is_old_is_forgotten(self, store: InboxStore) -> None:
        """Only what is done, and only after its time; the state of a subject stays."""
        for digest in "ab":
            await store.claim(entry(digest * 64, digest), token="t", now=100.0, lease=60.0)
        await store.finish("a" * 64, token="t", now=100.0, standing=LATER)
        assert await store.prune(before=100.0) == 0
        assert await store.prune(before=100.1) == 1
        assert (
            await store.claim(entry("a" * 64, "a"), token="t", now=1e3, lease=1.0)
        ).known == LATER
        assert (
            await store.claim(entry("b" * 64, "b"), token="t", now=1e3, lease=1.0)
        ).attempts == 2

    async def test_what_fails_waits_behind_the_rest(self, store: InboxStore) -> None:
        """What was tried least comes first, and what was tried too often not at all."""
        for number, digest in enumerate("abc"):
            for attempt in range(3 - number):
                now = 100.0 + 60 * attempt
                await store.claim(entry(digest * 64, digest), token="t", now=now, lease=60.0)
        found = await store.waiting(now=1e6, limit=9, below=3)
        assert [(kept.digest[0], kept.attempts) for kept in found] == [("c", 1), ("b", 2)]
        assert len(await store.waiting(now=1e6, limit=1, below=9)) == 1

    async def test_what_is_not_known_cannot_end(self, store: InboxStore) -> None:
        """Neither done nor given back; nothing else happens."""
        assert not await store.finish("f" * 64, token="t", now=1.0, standing=LATER)
        await store.release("f" * 64, token="t", error="RuntimeError")
        assert await store.waiting(now=1e9, limit=9, below=9) == []
        await store.claim(entry(subject=None), token="t", now=1.0, lease=1.0)
        assert await store.finish("a" * 64, token="t", now=1.0, standing=LATER)

    async def test_many_at_once(self, store: InboxStore) -> None:
        """Of twenty claims on one event, one is granted."""
        granted: list[str] = []

        async def claim(token: str) -> None:
            found = await store.claim(entry(), token=token, now=100.0, lease=60.0)
            if found.state == "claimed":
                granted.append(token)

        async with anyio.create_task_group() as group:
            for number in range(20):
                group.start_soon(claim, str(number))
        assert len(granted) == 1

    async def test_a_failed_handler_does_not_lose_the_event(self, store: InboxStore) -> None:
        """It comes again, and is a duplicate only after it was handled."""
        desk = Desk(store)
        desk.failures = 2
        outcomes = [await desk.send(OPERATION) for _ in range(4)]
        assert outcomes == ["failed", "failed", "handled", "duplicate"]
        assert len(desk.seen) == 1

    async def test_a_failure_does_not_move_the_subject(self, store: InboxStore) -> None:
        """An older status is still handed over while the newer one has not been handled."""
        desk = Desk(store)
        desk.failures = 1
        assert await desk.send(AUTHORIZATION, status="succeed") == "failed"
        assert await desk.send(AUTHORIZATION, status="authorized") == "handled"
        assert await desk.inbox.sweep() == 1
        assert await desk.send(AUTHORIZATION, status="succeed") == "duplicate"
        assert len(desk.seen) == 2

    async def test_a_sweep_needs_nobody_to_send_again(self, store: InboxStore) -> None:
        """What failed is handled from what was kept, with its category and delivery."""
        desk = Desk(store)
        desk.failures = 2
        for category in (OPERATION, "card_3ds"):
            assert await desk.send(category) == "failed"
        first = await desk.inbox.store.waiting(now=desk.clock.now, limit=9, below=9)
        assert await desk.inbox.sweep() == 2
        assert [event.category for event in desk.seen] == [OPERATION, "card_3ds"]
        assert [event.digest for event in desk.seen] == [kept.digest for kept in first]
        assert await desk.inbox.sweep() == 0
        desk.clock.now += 8 * 86_400
        await desk.inbox.sweep()
        assert await desk.send(OPERATION) == "handled"
