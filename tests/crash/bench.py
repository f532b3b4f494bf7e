"""The server of a lane, in a process of its own: a fresh sandbox over HTTP for each run.

It outlives every client that is killed in front of it, and it alone says how a run ended: its books
are asked in process, over no wire that could lose anything. Commands and answers are JSON lines.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
import traceback
from contextlib import AsyncExitStack
from decimal import Decimal
from types import TracebackType
from typing import Any, Final

from fincard_async._generated.models.common import OperationType
from fincard_async.sandbox import RandomFaults, Sandbox, SandboxSettings, fault
from fincard_async.sandbox.app import serve
from fincard_async.sandbox.catalog import PREPAID
from fincard_async.sandbox.faults import FAULTS
from fincard_async.testing import sandbox_client

from .clock import FastClock

OTHER: Final = "AN-EARLIER-ORDER-OF-THE-MERCHANT"
"""Without any order on the server no query proves that one is absent (correctness 3.1, A3)."""
KNOWN: Final = Decimal(77)
LATE_MS: Final = 3_000
RATES: Final = {
    "drop-before-commit": 0.08,
    "commit-then-reset": 0.12,
    "commit-then-502": 0.06,
    "503-before-commit": 0.05,
    "reset-then-commit": 0.04,
}
"""What happens to a call of any kind: 35 in 100 go wrong. Source: correctness 3.5."""
_TABLE: Final = {**FAULTS, "reset-then-commit": fault("reset-then-commit", late_ms=LATE_MS)}


class Bench:
    """The server as its lane sees it; a context manager."""

    def __enter__(self) -> Bench:
        ours, theirs = socket.socketpair()
        self._pid = os.fork()
        if self._pid == 0:
            ours.close()
            try:
                asyncio.run(_serve(theirs))
            except BaseException:  # noqa: BLE001 - told to whoever reads the output of the harness
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(0)
        theirs.close()
        self._lines = ours.makefile("rw")
        self._socket = ours
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._lines.close()
        self._socket.close()
        os.waitpid(self._pid, 0)

    def start(self, *, seed: int, dedupe: str, latency_ms: int, faults: bool = True) -> str:
        """Begin with a fresh sandbox; returns its base URL."""
        url = self._ask("start", seed=seed, dedupe=dedupe, latency_ms=latency_ms, faults=faults)
        assert isinstance(url, str)
        return url

    def advance(self, seconds: float) -> None:
        """Let time pass on the server."""
        self._ask("advance", seconds=seconds)

    def books(self) -> Books:
        """What is on the ledger, once everything that was under way has arrived."""
        return Books(self._ask("books"))

    def _ask(self, name: str, **arguments: object) -> Any:
        self._lines.write(json.dumps([name, arguments]) + "\n")
        self._lines.flush()
        line = self._lines.readline()
        if not line:
            raise RuntimeError("the server of this lane is gone")
        return json.loads(line)


class Books:
    """The ledger of a sandbox."""

    def __init__(self, found: dict[str, Any]) -> None:
        self.orders: dict[str, list[Decimal]] = {
            number: [Decimal(amount) for amount in amounts]
            for number, amounts in found["orders"].items()
        }
        """Amounts of the card orders by order number."""
        self.cards: int = found["cards"]
        self.created = Decimal(found["created"])
        self.doubled: list[str] = found["doubled"]
        self.faults: dict[str, int] = found["faults"]
        """How often each fault really happened."""


async def _serve(pipe: socket.socket) -> None:
    reader, writer = await asyncio.open_connection(sock=pipe)
    server = _Server()
    try:
        while line := await reader.readline():
            name, arguments = json.loads(line)
            answer = await getattr(server, name)(**arguments)
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()
    finally:
        writer.close()
        await server.stack.aclose()


class _Server:
    def __init__(self) -> None:
        self.stack = AsyncExitStack()
        self._clock = FastClock()
        self._sandbox: Sandbox
        self._faults: RandomFaults

    async def start(self, *, seed: int, dedupe: Any, latency_ms: int, faults: bool) -> str:
        await self.stack.aclose()
        self._clock.skew = 0.0
        settings = SandboxSettings(dedupe=dedupe, latency_ms=latency_ms, seed=seed)
        self._faults = RandomFaults(seed, RATES if faults else {}, only="mutations", table=_TABLE)
        self._sandbox = self.stack.enter_context(Sandbox(settings, clock=self._clock.wall))
        async with sandbox_client(sandbox=self._sandbox) as client:
            await client.cards.open(card_type_id=PREPAID, amount=KNOWN, merchant_order_no=OTHER)
        return await self.stack.enter_async_context(serve(self._sandbox, faults=self._faults))

    async def advance(self, *, seconds: float) -> None:
        self._clock.skew += seconds
        self._sandbox.deliver_late()

    async def books(self) -> dict[str, object]:
        await self.advance(seconds=LATE_MS)
        self._sandbox.controls.settle_now()
        ledger = self._sandbox.controls.ledger()
        orders: dict[str, list[str]] = {}
        async with sandbox_client(sandbox=self._sandbox) as client:
            async for record in client.transactions.operations(type=OperationType.CREATE):
                if record.merchant_order_no == OTHER:
                    continue
                orders.setdefault(record.merchant_order_no or "", []).append(str(record.amount))
        return {
            "orders": orders,
            "cards": ledger.cards - 1,
            "created": str(ledger.created_amount - KNOWN),
            "doubled": self._sandbox.controls.doubled(),
            "faults": self._faults.counts(),
        }
