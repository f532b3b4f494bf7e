"""A bank on counted time: balances that a test moves, answers that take as long as it says."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, TypeVar

import anyio
import msgspec

from fincard_async import BearerToken, FincardClient, Limits, RetryPolicy
from fincard_async._generated.operations.cards import CANCEL, DEPOSIT, GET, GET_BALANCE
from fincard_async._sansio.messages import HttpRequest, HttpResponse, TransportFailure
from fincard_async.testing import reply
from fincard_async.watch import BalanceChange, BalanceWatch, watch_balances
from tests.faults.virtual import LoopClock, run
from tests.faults.world import Seeded

T = TypeVar("T")
Fate = Callable[[str, int], HttpResponse | TransportFailure | None]
"""What happens to the nth balance read of a card; None lets it be answered."""

BUSY = reply(status=503, success=False, code=503, msg="busy")
REFUSED = reply(success=False, code=-1, msg="card not found")


@dataclass
class Bank:
    """Answers the calls that a watch makes, and remembers when each card was read."""

    balances: dict[str, Decimal] = field(default_factory=dict)
    statuses: dict[str, str] = field(default_factory=dict)
    latency: float = 0.01
    reads: list[tuple[float, str]] = field(default_factory=list)
    looks: list[str] = field(default_factory=list)
    fate: Fate = lambda card_no, nth: None
    in_flight: int = 0
    most: int = 0
    clock: LoopClock = field(default_factory=LoopClock)

    async def send(self, request: HttpRequest, timeout: float) -> HttpResponse:
        """Answer with what is true at this moment, after a while."""
        asked: dict[str, Any] = msgspec.json.decode(request.body)
        card_no = asked["cardNo"]
        answer = self._answer(request.path, card_no, asked)
        self.in_flight += 1
        self.most = max(self.most, self.in_flight)
        try:
            await anyio.sleep(self.latency)
        finally:
            self.in_flight -= 1
        if isinstance(answer, TransportFailure):
            raise answer
        return answer

    async def aclose(self) -> None:
        """Nothing is open."""

    def times(self, card_no: str) -> list[float]:
        """When a card was read."""
        return [at for at, read in self.reads if read == card_no]

    def _answer(
        self, path: str, card_no: str, asked: dict[str, Any]
    ) -> HttpResponse | TransportFailure:
        if path == GET_BALANCE.path:
            self.reads.append((self.clock.monotonic(), card_no))
            fate = self.fate(card_no, len(self.times(card_no)))
            amount = self.balances[card_no]
            return fate or reply({"cardNo": card_no, "amount": str(amount), "currency": "USD"})
        if path == GET.path:
            self.looks.append(card_no)
            return reply({"cardNo": card_no, "status": self.statuses.get(card_no, "Normal")})
        number = asked["merchantOrderNo"]
        done = {"cardNo": card_no, "merchantOrderNo": number, "orderNo": "1", "status": "success"}
        if path == DEPOSIT.path:
            self.balances[card_no] += Decimal(str(asked["amount"]))
            return reply({**done, "type": DEPOSIT.kind})
        assert path == CANCEL.path
        self.statuses[card_no] = "cancel"
        return reply({**done, "type": CANCEL.kind})


def bank_of(count: int, *, latency: float = 0.01) -> Bank:
    """A bank with so many cards."""
    return Bank({f"card-{number:06d}": Decimal(100) for number in range(count)}, latency=latency)


@asynccontextmanager
async def watching(
    bank: Bank,
    card_nos: Sequence[str] | None = None,
    *,
    interval: float = 10.0,
    concurrency: int = 20,
    rate: float | None = None,
    hot_factor: float = 4.0,
    retry: RetryPolicy | None = None,
    limits: Limits | None = None,
) -> AsyncGenerator[tuple[FincardClient, BalanceWatch], None]:
    """A client of the bank and a watch over its cards."""
    client = FincardClient(
        base_url="http://127.0.0.1",
        auth=BearerToken("a-token"),
        tenant_id="acme",
        transport=bank,
        clock=bank.clock,
        entropy=Seeded("watch"),
        retry=retry or RetryPolicy(read_attempts=1),
        limits=limits,
    )
    async with (
        client,
        watch_balances(
            client,
            list(bank.balances) if card_nos is None else card_nos,
            interval=interval,
            concurrency=concurrency,
            rate=rate,
            hot_factor=hot_factor,
        ) as watch,
    ):
        yield client, watch


async def gather(watch: BalanceWatch, seconds: float) -> list[BalanceChange]:
    """Everything that is told within so many seconds."""
    found: list[BalanceChange] = []
    with anyio.move_on_after(seconds):
        async for change in watch:
            found.append(change)
    return found


def on_counted_time(story: Callable[[], Awaitable[T]]) -> T:
    """Run a story in which no real time passes."""

    async def told() -> T:
        return await story()

    return run(told())
