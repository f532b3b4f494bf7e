"""Observers: they see every call at four points, and can steer nothing."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Sequence
from typing import Literal, Protocol

import msgspec

Point = Literal["prepared", "attempt", "outcome", "finished"]

next_call = itertools.count(1).__next__

logger = logging.getLogger("fincard_async")


class CallEvent(msgspec.Struct, frozen=True, kw_only=True):
    """What an observer is told: names and numbers, never a header, a body or a secret."""

    point: Point
    """``prepared`` once, ``attempt`` and ``outcome`` per attempt, ``finished`` once, also where the
    call was cancelled."""
    call: int
    """Number of the call, unique in this process: events of calls side by side come mixed."""
    operation: str
    order_no: str | None
    attempt: int
    elapsed: float
    """Seconds since the call began."""
    error: str | None = None
    """Class name of the error of this attempt or call, a cancellation's too; None on success."""
    status: int | None = None
    """HTTP status, if a reply came."""


class Observer(Protocol):
    """Called synchronously inside the call; it must be quick and must not raise."""

    def __call__(self, event: CallEvent, /) -> None: ...


class Observers:
    """Tells every observer; one that raises is logged once and dropped."""

    def __init__(self, observers: Sequence[Observer]) -> None:
        self._observers = list(observers)
        self.listening = bool(self._observers)
        """False if nobody is left to be told, so that a call need not make an event."""

    def __bool__(self) -> bool:
        return self.listening

    def tell(self, event: CallEvent) -> None:
        """Pass an event to every observer that is left."""
        for observer in tuple(self._observers):
            try:
                observer(event)
            except Exception as error:  # noqa: BLE001 - foreign code must not break a call
                self._observers.remove(observer)
                self.listening = bool(self._observers)
                logger.warning("observer dropped after %s", type(error).__name__)
