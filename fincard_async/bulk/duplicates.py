"""Ids that stand twice among a million, with eight bytes of memory for each.

A set of a million strings takes over 100 MB. Here each id leaves 64 bits of a hash in one of 256
arrays. Two different ids can have the same hash (in one of 37 million files of a million rows), so
what is reported is a suspicion: who reads the ids a second time, and looks at the suspects only,
has certainty.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import Counter
from hashlib import blake2b
from typing import Final

_BUCKETS: Final = 256


def mark(text: str) -> int:
    """64 bits that stand for a text."""
    digest = blake2b(text.encode("utf-8", "replace"), digest_size=8).digest()
    return int.from_bytes(digest, "little")


class Marks:
    """The marks of all ids so far."""

    def __init__(self) -> None:
        self._buckets = [array("Q") for _ in range(_BUCKETS)]
        self._sorted = [True] * _BUCKETS

    def add(self, text: str) -> None:
        """One id more."""
        value = mark(text)
        self._buckets[value % _BUCKETS].append(value)
        self._sorted[value % _BUCKETS] = False

    def __contains__(self, text: str) -> bool:
        """Whether the id, or one of the same mark, was added; quick if many are asked in a row."""
        value = mark(text)
        bucket = self._in_order(value % _BUCKETS)
        place = bisect_left(bucket, value)
        return place < len(bucket) and bucket[place] == value

    def _in_order(self, number: int) -> array[int]:
        if not self._sorted[number]:
            self._buckets[number] = array("Q", sorted(self._buckets[number]))
            self._sorted[number] = True
        return self._buckets[number]

    def repeated(self) -> dict[int, int]:
        """Marks that were added more than once, and how often more."""
        return {
            value: count - 1
            for bucket in self._buckets
            if len(set(bucket)) < len(bucket)
            for value, count in Counter(bucket).items()
            if count > 1
        }
