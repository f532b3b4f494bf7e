"""One simulated day: callers, faults, restarts, and in the end a healthy server.

Everything follows from the seed. In the first part anything may go wrong; in the second nothing
does, and whatever is open must be settled in bounded time.
"""

from __future__ import annotations

from collections import Counter
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from random import Random
from typing import Final

import anyio

from fincard_async import FincardClient, Limits, RetryPolicy
from fincard_async._sansio.messages import HttpRequest, HttpResponse
from fincard_async._sansio.options import Dedupe
from fincard_async.errors import FincardError
from fincard_async.sandbox import Sandbox, SandboxSettings, SandboxTransport
from fincard_async.testing import FAULTS, Fault, RandomFaults, sandbox_client

from .virtual import LoopClock, run
from .world import Intent, Seeded, Switch, Trace, all_rows, carry_out, judge, settle_intent

SETTLE_TIME: Final = 120.0
"""Seconds; longer than any request of this world can be on its way."""
LATEST_MS: Final = 40_000
LEFT_OUT: Final = frozenset(
    {
        "commit-then-wrong-card-no",  # of a new card: no request names it, so nobody can notice
        "query-without-newest",  # breaks the promise that a query is behind by so much at most
        # Megabytes, for outcomes like those of the others:
        "commit-then-gzip",
        "commit-then-oversized",
        "commit-then-huge-number",
        *(name for name in FAULTS if "nesting-bomb" in name),
    }
)
MODES: Final[tuple[Dedupe, ...]] = ("error", "error", "error", "replay", "none")


@dataclass
class Report:
    """What happened under one seed."""

    seed: int
    wrong: list[str] = field(default_factory=list)
    trace: list[str] = field(default_factory=list)
    ends: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)


class _Wire:
    """The way to the sandbox, which takes time in both directions."""

    def __init__(self, inner: SandboxTransport, random: Random) -> None:
        self._inner = inner
        self._random = random

    async def send(self, request: HttpRequest, timeout: float) -> HttpResponse:
        """There, and back."""
        await anyio.sleep(self._random.random() * 0.03)
        response = await self._inner.send(request, timeout)
        await anyio.sleep(self._random.random() * 0.03)
        return response

    async def aclose(self) -> None:
        """Take no more requests."""
        await self._inner.aclose()


class _Day:
    def __init__(self, seed: int) -> None:
        self.random = Random(f"day {seed}")
        self.report = Report(seed)
        self.clock = LoopClock()
        self.trace = Trace(self.clock)
        self.mode: Dedupe = self.random.choice(MODES)
        self.sandbox = Sandbox(
            SandboxSettings(
                dedupe=self.mode,
                latency_ms=self.random.choice((0, 20, 3_000)),
                funds=Decimal(self.random.choice((150, 1_000_000))),
                token_lifetime=self.random.choice((20.0, 3_600.0)),
            ),
            clock=self.clock.wall,
        )
        self.switch = Switch(RandomFaults(seed, self._rates(), table=self._table()))
        self.cards: list[str] = []
        self.intents: list[Intent] = []
        self.lives = 0

    def _rates(self) -> dict[str, float]:
        names = sorted(FAULTS.keys() - LEFT_OUT)
        chosen = self.random.sample(names, 14)
        share = self.random.choice((0.15, 0.3, 0.5)) / len(chosen)
        return dict.fromkeys(chosen, share)

    def _table(self) -> dict[str, Fault]:
        late = self.random.choice((200, 5_000, LATEST_MS))
        return {name: replace(row, late_ms=late) for name, row in FAULTS.items()}

    def client(self) -> AbstractAsyncContextManager[FincardClient]:
        self.lives += 1
        wire = Random(f"wire {self.report.seed} {self.lives}")
        return sandbox_client(
            sandbox=self.sandbox,
            transport=_Wire(
                SandboxTransport(self.sandbox, faults=self.switch, clock=self.clock), wire
            ),
            clock=self.clock,
            entropy=Seeded(f"client {self.report.seed} {self.lives}"),
            observers=[self.trace],
            retry=RetryPolicy(
                dedupe=self.mode, attempt_timeout=self.random.choice((0.5, 5.0, 15.0))
            ),
            limits=Limits(
                max_concurrency=self.random.choice((1, 2, 100)),
                rate=self.random.choice((None, 20.0)),
                burst=3,
            ),
            timeout=self.random.choice((2.0, 30.0)),
        )

    async def play(self) -> Report:
        async with self.client() as client:
            for _ in range(3):
                await self._do(client, Intent("open", amount=Decimal(20)))
            await anyio.sleep(5)
            plans = [self._plan() for _ in range(self.random.randint(2, 4))]
            self.switch.on = True
            if self.random.random() < 0.5:
                with anyio.move_on_after(self.random.random() * 20):
                    await self._together(client, plans)
            else:
                await self._together(client, plans)
        async with self.client() as client:
            await self._together(client, plans)
            self.switch.on = False
            await self._recover(client)
            rows = await all_rows(client)
        self.report.wrong += judge(self.sandbox, rows, self.intents)
        self.report.trace = self.trace.lines
        self.report.ends.update(intent.settled or intent.end for intent in self.intents)
        self.report.faults.update(item.fault for item in self.switch.injected)
        return self.report

    def _plan(self) -> list[Intent]:
        """What one caller wants, in order."""
        return [self._wish() for _ in range(self.random.randint(2, 5))]

    def _wish(self) -> Intent:
        method = self.random.choice(
            ("open", "deposit", "deposit", "withdraw", "freeze", "unfreeze")
        )
        amount = None
        if method in ("open", "deposit", "withdraw"):
            amount = Decimal(self.random.randint(10, 30))
        card = None if method == "open" else self.random.choice(self.cards)
        given = "".join(self.random.choices("ABCDEFGH", k=24))
        number = given if self.random.random() < 0.3 else None
        return Intent(method, card, amount, number)

    async def _together(self, client: FincardClient, plans: list[list[Intent]]) -> None:
        async with anyio.create_task_group() as group:
            for number, plan in enumerate(plans):
                group.start_soon(self._caller, client, plan, Random(f"{self.report.seed}/{number}"))

    async def _caller(self, client: FincardClient, plan: list[Intent], random: Random) -> None:
        """Carry out a plan; what a restart cut off is left, what it never reached is done now."""
        while plan:
            intent = plan.pop(0)
            await anyio.sleep(random.random())
            if random.random() < 0.1:
                with anyio.move_on_after(random.random() * 3):
                    await self._do(client, intent)
            else:
                await self._do(client, intent)
            if random.random() < 0.1:
                self.sandbox.controls.expire_tokens()
            if random.random() < 0.3:
                await self._look(client, random)

    async def _do(self, client: FincardClient, intent: Intent) -> None:
        self.intents.append(intent)
        await carry_out(client, intent, self.clock)
        if intent.method == "open" and intent.result is not None and intent.result.card_no:
            self.cards.append(intent.result.card_no)

    async def _look(self, client: FincardClient, random: Random) -> None:
        """A read: it may fail, and must not lie."""
        card_no = random.choice(self.cards)
        try:
            card = await client.cards.get(card_no)
        except FincardError:
            return
        if card.card_no != card_no:
            self.report.wrong.append(f"asked for {card_no} and got {card.card_no}")

    async def _recover(self, client: FincardClient) -> None:
        """Nothing goes wrong any more: everything is settled, and the client works."""
        for intent in self.intents:
            if intent.is_open:
                await settle_intent(client, intent, settle_time=SETTLE_TIME, timeout=300.0)
                if intent.settled is None:
                    self.report.wrong.append(f"{intent.number} cannot be settled")
        await anyio.sleep(SETTLE_TIME)
        last = Intent("open", amount=Decimal(10))
        self.sandbox.controls.add_funds(Decimal(100))
        await self._do(client, last)
        if last.end != "result":
            self.report.wrong.append(f"the client did not come back: {last.end}")
        begun = {intent.number for intent in self.intents if intent.end == "result"}
        left = [doubt.order_no for doubt in client.in_doubt() if doubt.order_no in begun]
        self.report.wrong += [f"{number} is in doubt, and was told" for number in left]


def play(seed: int) -> Report:
    """Live through one seed."""

    async def day() -> Report:
        return await _Day(seed).play()

    return run(day())
