"""Tells whoever keeps what was read of a card that a mutation of this client is changing it.

An answer to a read that overlapped a mutation may show the card before it or after it. Who keeps
such answers must hear of both ends, and drop what was read in between.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Protocol


class Listener(Protocol):
    """Hears of every mutation of a card; it must be quick and must not raise.

    ``kind`` is the ``type`` that the server gives to the mutation, where the schema knows it.
    """

    def began(self, card_no: str, kind: str | None, /) -> None:
        """A mutation of the card may be on its way from now on."""
        ...

    def ended(self, card_no: str, kind: str | None, /) -> None:
        """The call has ended, in whatever way."""
        ...


class Mutations:
    """The mutations of one client, as they begin and end."""

    def __init__(self) -> None:
        self._listeners: list[Listener] = []

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Tell this listener from now on; returns what stops it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    @contextmanager
    def of(self, card_no: str | None, kind: str | None) -> Generator[None]:
        """Around a mutation, its retries and its settlement."""
        if card_no is None:
            yield
            return
        listeners = tuple(self._listeners)
        for listener in listeners:
            listener.began(card_no, kind)
        try:
            yield
        finally:
            for listener in listeners:
                listener.ended(card_no, kind)
