"""Seeded bugs, to see that the harness is not blind: each must lead to runs that go wrong.

They are planted in what the engine is handed, in place of the sound parts.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec

from fincard_async._runtime.ports import Transport
from fincard_async._sansio import order_no
from fincard_async._sansio.messages import HttpRequest, HttpResponse, TransportFailure
from fincard_async.bulk.entry import Entry, RowState
from fincard_async.bulk.ports import Journal

from .points import DeadlyJournal, Strike


class FreshNumbers:
    """Every attempt has an order number of its own."""

    def __init__(self, wire: Transport, numbers: frozenset[str]) -> None:
        self._wire = wire
        self._numbers = numbers

    async def send(self, request: HttpRequest, timeout: float) -> HttpResponse:
        body = request.body
        for number in self._numbers:
            body = body.replace(number.encode(), order_no.mint(os.urandom(20)).encode())
        return await self._wire.send(msgspec.structs.replace(request, body=body), timeout)

    async def aclose(self) -> None:
        await self._wire.aclose()


class LostIsNotSent:
    """A connection that broke is taken for one that never was."""

    def __init__(self, wire: Transport, _: frozenset[str]) -> None:
        self._wire = wire

    async def send(self, request: HttpRequest, timeout: float) -> HttpResponse:
        try:
            return await self._wire.send(request, timeout)
        except TransportFailure as failure:
            raise TransportFailure(failure.reason, sent=False, detail=failure.detail) from None

    async def aclose(self) -> None:
        await self._wire.aclose()


class NoIntents(DeadlyJournal):
    """Intents are not written before the send: after a crash, nobody knows of it."""

    async def commit(self, entries: Sequence[Entry]) -> None:
        await super().commit([entry for entry in entries if entry.state is not RowState.INTENT])


WIRES: Final[Mapping[str, Callable[[Transport, frozenset[str]], Transport]]] = {
    "fresh numbers": FreshNumbers,
    "lost is not sent": LostIsNotSent,
}
JOURNALS: Final[Mapping[str, Callable[[Journal, Strike], DeadlyJournal]]] = {
    "no intents": NoIntents,
}
BUGS: Final = (*WIRES, *JOURNALS)
