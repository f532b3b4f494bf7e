"""Which mutations may have been carried out although nobody knows how they ended.

A cancelled task loses its local variables, and with them a minted order number. The number stays
here, so that the caller can settle it; ``CancelledError`` itself passes unchanged.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MOST: Final = 10_000
"""Entries kept; the oldest goes first. Who keeps more open than this wants a journal."""


@dataclass(frozen=True, slots=True)
class InDoubt:
    """A mutation that was handed to the transport and did not end in a known way."""

    order_no: str
    operation: str
    """Such as ``cards.open``."""


class Doubts:
    """The mutations of one client that are in flight, were cancelled, or ended unknown."""

    def __init__(self) -> None:
        self._open: dict[str, InDoubt] = {}

    def add(self, order_no: str | None, operation: str) -> None:
        """About to be sent."""
        if order_no is None or order_no in self._open:
            return
        if len(self._open) >= MOST:
            del self._open[next(iter(self._open))]
        self._open[order_no] = InDoubt(order_no, operation)

    def clear(self, order_no: str | None) -> None:
        """Ended in a known way."""
        if order_no is not None:
            self._open.pop(order_no, None)

    def __contains__(self, order_no: str | None) -> bool:
        return order_no in self._open

    def all(self) -> tuple[InDoubt, ...]:
        """The oldest first."""
        return tuple(self._open.values())
