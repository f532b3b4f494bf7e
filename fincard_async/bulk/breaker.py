"""Stops feeding when rows go wrong in a row of rows. Pure. Source: design 4.5 "Bulk".

Single failures are part of a big job. But if many of the last rows are unknown, the server or the
network is in trouble, and every further row adds one that must be settled; and if many are refused
for one and the same reason, the next ones will be refused as well.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass

from .entry import Entry, RowState


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerLimits:
    """When to stop; only rows that were sent in this run count."""

    window: int = 50
    """How many of the last rows are looked at; with fewer, it never stops."""
    unknown: float = 0.05
    """More than this share unknown."""
    refused: float = 0.20
    """More than this share refused with one and the same code."""


class Breaker:
    """Watches how rows come to rest."""

    def __init__(self, limits: BreakerLimits) -> None:
        self._limits = limits
        self._last: deque[str] = deque(maxlen=limits.window)

    def finished(self, entry: Entry) -> str | None:
        """Take a row that came to rest; why to stop, or None."""
        kinds = {RowState.UNKNOWN: "unknown", RowState.REFUSED: f"refused with {entry.code}"}
        self._last.append(kinds.get(entry.state, ""))
        window = self._limits.window
        if len(self._last) < window:
            return None
        for kind, count in Counter(self._last).items():
            share = self._limits.unknown if kind == "unknown" else self._limits.refused
            if kind and count > share * window:
                return f"{count} of the last {window} rows ended {kind}"
        return None
