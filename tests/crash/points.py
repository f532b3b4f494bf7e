"""Labelled places at which a process kills itself with SIGKILL: no cleanup, no last word.

The engine is not changed for this: it is handed a journal, an SQLite connection and a transport
that strike before or after they do what they are asked to. ``Strike`` counts how often a place is
passed.
"""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from fincard_async._runtime.ports import Transport
from fincard_async._sansio.messages import HttpRequest, HttpResponse
from fincard_async.bulk.entry import Entry, Header, RowState
from fincard_async.bulk.ports import Journal, Plan

JOURNAL: Final = (
    "before open",
    "after open",  # B1 is durable
    "before commit",  # B2: the intents of a group
    "after commit",
    "before record",  # B3: a result
    "after record",
    "before flush",  # B4
    "after flush",
    "before close",
    "after close",
)
DISK: Final = ("before BEGIN", "inside a transaction", "before COMMIT", "after COMMIT")
WIRE: Final = (
    "before an order",
    "after an order",
    "before a look-up",
    "after a look-up",
    "before another call",
)
REPORT: Final = ("before a report line", "after a report line")
ONCE: Final = frozenset(JOURNAL[:2] + JOURNAL[-4:])
"""Places that a run passes once."""
POINTS: Final = (*JOURNAL, *DISK, *WIRE, *REPORT)


class Strike:
    """Kills this process when a place is passed for the ``nth`` time; None: never."""

    def __init__(self, point: str | None, nth: int = 1) -> None:
        if point is not None and point not in POINTS:
            raise ValueError(point)
        self._point = point
        self._left = nth

    def __call__(self, point: str) -> None:
        """Pass a place."""
        if point == self._point:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)


class DeadlyJournal:
    """A journal that strikes around its barriers."""

    def __init__(self, journal: Journal, strike: Strike) -> None:
        self._journal = journal
        self._strike = strike

    @property
    def header(self) -> Header:
        return self._journal.header

    async def open(self, header: Header, plan: Plan) -> None:
        self._strike("before open")
        await self._journal.open(header, plan)
        self._strike("after open")

    async def attach(self) -> Header:
        self._strike("before open")
        header = await self._journal.attach()
        self._strike("after open")
        return header

    async def commit(self, entries: Sequence[Entry]) -> None:
        self._strike("before commit")
        await self._journal.commit(entries)
        self._strike("after commit")

    def record(self, entry: Entry) -> None:
        self._strike("before record")
        self._journal.record(entry)
        self._strike("after record")

    async def flush(self) -> None:
        self._strike("before flush")
        await self._journal.flush()
        self._strike("after flush")

    def check(self) -> None:
        self._journal.check()

    async def read(
        self,
        states: Iterable[RowState],
        *,
        after: int,
        limit: int,
        until: int | None = None,
        in_turn: bool = False,
    ) -> list[Entry]:
        return await self._journal.read(
            states, after=after, limit=limit, until=until, in_turn=in_turn
        )

    async def find(self, order_nos: Sequence[str]) -> list[Entry]:
        return await self._journal.find(order_nos)

    async def counts(self, *, after: int = -1, until: int | None = None) -> dict[RowState, int]:
        return await self._journal.counts(after=after, until=until)

    async def close(self) -> None:
        self._strike("before close")
        await self._journal.close()
        self._strike("after close")


class DeadlyConnection(sqlite3.Connection):
    """A connection that strikes around its transactions."""

    strike: Strike

    def execute(self, sql: str, *args: Any) -> sqlite3.Cursor:
        if sql in ("BEGIN", "COMMIT"):
            self.strike(f"before {sql}")
        cursor = super().execute(sql, *args)
        if sql == "COMMIT":
            self.strike("after COMMIT")
        elif sql.startswith(("INSERT", "UPDATE")):
            self.strike("inside a transaction")
        return cursor


def connector(strike: Strike) -> Callable[..., sqlite3.Connection]:
    """Makes such connections, as ``sqlite3.connect`` does."""

    def connect(*args: Any, **settings: Any) -> sqlite3.Connection:
        db = sqlite3.connect(*args, factory=DeadlyConnection, **settings)
        db.strike = strike
        return db

    return connect


class DeadlyTransport:
    """A wire that strikes around its calls."""

    def __init__(self, wire: Transport, strike: Strike, orders: str, look_ups: str) -> None:
        self._wire = wire
        self._strike = strike
        self._names = {orders: "an order", look_ups: "a look-up"}

    async def send(self, request: HttpRequest, timeout: float) -> HttpResponse:
        name = self._names.get(request.path, "another call")
        self._strike(f"before {name}")
        try:
            return await self._wire.send(request, timeout)
        finally:
            if name != "another call":
                self._strike(f"after {name}")

    async def aclose(self) -> None:
        await self._wire.aclose()
