"""Which rows a reader of pages has delivered, in memory that does not grow with the list.

Rows come in the order of time, so a row that is older than all before it (or newer, where the list
runs the other way) is new, and nothing needs to be remembered for that. Only rows close to the
place where the reader stands can come again, pushed over to the next page by rows that were added.
So the keys of the last ``keep`` rows are kept, and all of those that share the last row's
millisecond. For what was forgotten its time remains: a row with an unknown key from that time can
be told neither from a repeat nor from a late one, and is an error rather than a guess; it means
that more than ``keep`` rows were added between two pages.

A list that shows no order of time in its first ``keep`` rows, or has no times, is remembered whole.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from hashlib import blake2b
from operator import attrgetter

import msgspec

from fincard_async.errors import IncompletePagination

KEEP = 10_000
"""Rows: a hundred full pages."""
_UNORDERED_SHARE = 0.01
_UNORDERED_LEAST = 20


class Seen:
    """The memory of one loop.

    Args:
        key: Fields that identify a row.
        time: Field with the row's time; None if rows have none.
        digests: Digests of keys that an earlier loop delivered, see ``digest``.
        keep: How many rows are remembered at least.
    """

    def __init__(
        self,
        key: Sequence[str],
        time: str | None,
        *,
        digests: frozenset[str] = frozenset(),
        keep: int = KEEP,
    ) -> None:
        self._key = attrgetter(*key) if key else None
        self._single = len(key) == 1
        self._time = None if time is None else attrgetter(time)
        self._digests = digests
        self._keep = keep
        self._keys: set[object] = set()
        self._recent: deque[tuple[int, object]] = deque()
        self._sign = 0
        """1 for newest first, -1 for oldest first, 0 while nobody can tell."""
        self._edge: int | None = None
        """The time furthest along the list."""
        self._forgotten: int | None = None
        """Of all times whose keys may be gone, the one furthest along the list."""
        self._late = 0
        self.delivered = 0

    def __len__(self) -> int:
        return len(self._keys)

    def is_new(self, record: object) -> bool:
        """True if the row was not delivered yet; then it counts as delivered.

        Raises:
            IncompletePagination: Nobody can tell any more.
        """
        key = None if self._key is None else self._key(record)
        if key is None or (not self._single and all(part is None for part in key)):
            self.delivered += 1
            return True
        if key in self._keys or (self._digests and digest(key) in self._digests):
            return False
        time = None if self._time is None else self._time(record)
        if time is not None:
            self._note(time, key)
        self._keys.add(key)
        self.delivered += 1
        return True

    @property
    def newest_first(self) -> bool:
        """True if times have been falling, and hardly ever otherwise."""
        return self._sign == 1 and self._ordered

    @property
    def edge(self) -> int | None:
        """The time furthest along the list; None before the first row with a time."""
        return self._edge

    def digests(self, since: int | None = None, until: int | None = None) -> list[str]:
        """Digests of the keys that are remembered: all, or those from a span of time."""
        if since is None or until is None:
            return sorted({*self._digests, *map(digest, self._keys)})
        near = {digest(key) for time, key in self._recent if since <= time <= until}
        return sorted({*self._digests, *near})

    @property
    def _ordered(self) -> bool:
        return self._late <= _UNORDERED_LEAST + self.delivered * _UNORDERED_SHARE

    def _note(self, time: int, key: object) -> None:
        if self._edge is None:
            self._edge = time
        elif self._sign == 0 and time != self._edge:
            self._sign = 1 if time < self._edge else -1
        if self._forgotten is not None and self._behind(time, self._forgotten):
            raise IncompletePagination(
                "rows moved too far between two pages, or are not in the order of time",
                seen=self.delivered,
                total=self.delivered,
            )
        if time == self._edge or self._behind(time, self._edge):
            self._late += time != self._edge
        else:
            self._edge = time
        self._recent.append((time, key))
        self._forget()

    def _behind(self, time: int, mark: int) -> bool:
        """True for a time at the mark, or on the side of it that was read before."""
        return time == mark or (time > mark) == (self._sign == 1)

    def _forget(self) -> None:
        while (
            len(self._recent) > self._keep
            and self._sign
            and self._recent[0][0] != self._edge
            and self._ordered
        ):
            time, key = self._recent.popleft()
            self._keys.discard(key)
            if self._forgotten is None or not self._behind(time, self._forgotten):
                self._forgotten = time


def digest(key: object) -> str:
    """Eight bytes of a key as text, so that a token holds no card and no order."""
    return blake2b(msgspec.json.encode(key, enc_hook=str), digest_size=8).hexdigest()
