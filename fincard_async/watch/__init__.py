"""Watching the balances of many cards, up to a hundred thousand in one process.

::

    async with watch_balances(client, card_nos, interval=60) as changes:
        async for change in changes:
            print(change.card_no, change.balance, change.observed_at)

Layout: ``card`` (what an answer means) and ``changes`` (what is told) <- ``schedule`` (who is
next) and ``pace`` (how fast) <- ``crew`` (timer and workers) <- ``watcher`` (reads, and tells its
user); ``stats`` counts. Only the last two wait for anything.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Iterable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio

from fincard_async.errors import ValidationError

from .card import phase_of, shard_of
from .changes import BalanceChange
from .stats import WatchStats
from .watcher import BalanceWatch

if TYPE_CHECKING:
    from fincard_async.client import FincardClient

__all__ = [
    "BalanceChange",
    "BalanceWatch",
    "WatchStats",
    "phase_of",
    "shard_of",
    "watch_balances",
]


@asynccontextmanager
async def watch_balances(
    client: FincardClient,
    card_nos: Iterable[str] | AsyncIterable[str],
    *,
    interval: float = 60.0,
    concurrency: int = 50,
    rate: float | None = None,
    hot_factor: float = 4.0,
) -> AsyncGenerator[BalanceWatch, None]:
    """Read the balances of these cards again and again, and tell what changes.

    Every card is read at once and then every ``interval`` seconds, each at its own place in the
    interval. The reads wait in ``Lane.BACKGROUND``, behind every other call of the client. A
    mutation of a watched card by the same client brings its next read forward, and an answer that
    may be older than the mutation is thrown away. A card that keeps failing is read less and less
    often; a cancelled one leaves with an event.

    If the server or the budget does not allow the interval, it stretches for all cards alike;
    ``stats.achieved_interval`` tells, and a warning is logged.

    Args:
        client: Who reads; its limits and time-outs hold.
        card_nos: The cards, such as ``CardOperation.card_no``.
        interval: Seconds between two reads of a card.
        concurrency: Most reads in flight.
        rate: Most reads per second, over all cards; None for no budget. Whatever it is, the watch
            slows down by itself while the server refuses calls for overload.
        hot_factor: A card that has just changed is read so many times as often for a while, as
            long as the watch is not behind; 1 to treat all alike.

    Raises:
        ValidationError: A setting is out of range.
    """
    if not interval > 0 or concurrency < 1 or not hot_factor >= 1:
        raise ValidationError("interval must be above 0, concurrency and hot_factor at least 1")
    if rate is not None and not rate > 0:
        raise ValidationError("rate must be above 0, or None for no budget")
    watch = BalanceWatch(
        client, interval=interval, concurrency=concurrency, rate=rate, hot_factor=hot_factor
    )
    stop_listening = client._mutations.listen(watch)
    # What the body raises must leave as it is, not inside the group of its tasks.
    failure: Exception | None = None
    try:
        async with anyio.create_task_group() as group:
            await watch.add(card_nos)
            watch.start(group)
            try:
                yield watch
            except Exception as error:  # noqa: BLE001 - raised again below
                failure = error
            group.cancel_scope.cancel()
    finally:
        stop_listening()
    if failure is not None:
        raise failure
