"""New rows as they come; see ``Follow``.

Each look reads again what is up to ``overlap`` older than the newest row, because a row may show
late. Which of those rows were delivered is kept for as long as they can be read again. All times
are the server's own, out of its rows, so this machine's clock does not matter.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from operator import attrgetter
from typing import Generic, TypeVar

from fincard_async._sansio.page_tokens import FollowToken, read_token, write_token
from fincard_async._sansio.paging import Follow, Moment, milliseconds, natural_key
from fincard_async._sansio.seen import digest
from fincard_async.errors import FincardError, ValidationError

from .export import start_export
from .query import PageSource

O = TypeVar("O")  # noqa: E741 - output


class Follower(Generic[O]):
    """A ``Follow``."""

    def __init__(
        self,
        source: PageSource[O],
        *,
        since: int | None,
        token: FollowToken | None,
        interval: float,
        overlap: int,
    ) -> None:
        self._source = source
        self._interval = interval
        self._overlap = overlap
        self._time = attrgetter(source.paging.time or "")
        self._since = since if token is None else token.since
        """No row before this is delivered; None until the first look."""
        self._newest = (since or 0) if token is None else token.newest
        self._seen: dict[str, int] = {} if token is None else dict(token.seen)
        self._delivered = 0

    @property
    def checkpoint(self) -> str:
        """Where another follower goes on; rows that the caller holds count as delivered."""
        token = FollowToken(
            query=self._source.name(window=False),
            since=self._since or 0,
            newest=self._newest,
            seen=self._seen,
        )
        return write_token(token)

    async def __aiter__(self) -> AsyncGenerator[O, None]:
        """Every new row."""
        try:
            await self._begin()
            while True:
                async with aclosing(self._look()) as rows:
                    async for record in rows:
                        self._delivered += 1
                        yield record
                await self._source.clock.sleep(self._interval)
        except FincardError as error:
            error.delivered, error.resume_token = self._delivered, self.checkpoint
            raise

    async def _begin(self) -> None:
        """Without a start, what there is counts as delivered, up to the newest row."""
        if self._since is not None:
            return
        source = self._source
        page = await source.read(1, size=source.size, since=None, until=None, sweep=True)
        times = [time for time in map(self._time, page.records) if time is not None]
        self._since = self._newest = max(times, default=0)
        for record in page.records:
            if self._time(record) == self._newest:
                self._note(record)

    async def _look(self) -> AsyncGenerator[O, None]:
        begin = max(self._since or 0, self._newest - self._overlap)
        newest = self._newest
        export = start_export(self._source, since=begin, until=None, checkpoint=None, concurrency=1)
        async with aclosing(export.__aiter__()) as records:
            async for record in records:
                # A row without a key cannot be told from one that was delivered, but by its time.
                known = natural_key(record, self._source.paging.natural_key) is not None
                if self._note(record) if known else self._time(record) > newest:
                    yield record
        self._expire()

    def _note(self, record: O) -> bool:
        """Remember a row; False if it was delivered before."""
        key = digest(natural_key(record, self._source.paging.natural_key))
        if key in self._seen:
            return False
        time: int | None = self._time(record)
        self._seen[key] = self._newest if time is None else time
        self._newest = max(self._newest, self._seen[key])
        return True

    def _expire(self) -> None:
        oldest = self._newest - self._overlap - 1
        self._seen = {key: time for key, time in self._seen.items() if time >= oldest}


def start_follow(
    source: PageSource[O],
    *,
    since: Moment | None,
    interval: float,
    overlap: float,
    checkpoint: str | None,
) -> Follow[O]:
    """A follower from a moment, from now, or from where another one stopped.

    Raises:
        ValidationError: The query has no time filter, or an argument cannot be used.
    """
    if source.paging.start is None or source.paging.time is None:
        raise ValidationError("this query has no time filter: there is no telling what is new")
    if not interval >= 0 or not overlap >= 0:
        raise ValidationError("interval and overlap must not be negative")
    if source.until is not None:
        raise ValidationError("a query that is followed has no end")
    token = None
    if checkpoint is not None:
        token = read_token(checkpoint, FollowToken, source.name(window=False))
    begin = milliseconds(since, "since")
    return Follower(
        source,
        since=source.since if begin is None else begin,
        token=token,
        interval=interval,
        overlap=round(overlap * 1000),
    )
