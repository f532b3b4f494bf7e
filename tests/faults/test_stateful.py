"""Hypothesis looks for the shortest story in which the client says something untrue."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine
from contextlib import AbstractAsyncContextManager
from decimal import Decimal
from typing import Any, TypeVar

import anyio
import pytest
from hypothesis import HealthCheck, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from fincard_async import FincardClient, RetryPolicy
from fincard_async._sansio.options import Dedupe
from fincard_async.errors import FincardError
from fincard_async.sandbox import Sandbox, SandboxSettings, SandboxTransport
from fincard_async.testing import FAULTS, Fault, Injection, fault, sandbox_client

from .scenario import LEFT_OUT, SETTLE_TIME
from .virtual import LoopClock, VirtualLoop
from .world import Intent, Seeded, Trace, all_rows, carry_out, judge, settle_intent

T = TypeVar("T")
NAMES = sorted(FAULTS.keys() - LEFT_OUT)
AMOUNTS = st.integers(10, 40).map(Decimal)
TROUBLE = st.lists(st.sampled_from(NAMES), max_size=4)
"""The faults of a call's attempts, and of the queries that settle it."""
WITHIN = st.sampled_from([None, None, None, 0.0, 0.001, 0.1, 3.0])
"""Seconds after which the caller cancels."""


class _Next:
    """A plan of faults: the ones that were asked for, one per call, then none."""

    def __init__(self) -> None:
        self.met: Counter[str] = Counter()
        self.injected: list[Injection] = []
        self.line: list[str] = []

    def choose(self, operation_name: str, nth: int, mutates: bool) -> Fault | None:
        """The next one in line."""
        return fault(self.line.pop(0), late_ms=30_000) if self.line else None


class Money(RuleBasedStateMachine):
    """A client, a server, and everything between them."""

    dedupe: Dedupe = "error"
    injected = 0

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner(loop_factory=VirtualLoop)
        self.clock = LoopClock(self.runner.get_loop())
        self.trace = Trace(self.clock)
        chosen = SandboxSettings(dedupe=self.dedupe, funds=Decimal(200), latency_ms=500)
        self.sandbox = Sandbox(chosen, clock=self.clock.wall)
        self.plan = _Next()
        self.intents: list[Intent] = []
        self.clients = 0
        self.client: FincardClient
        self._enter()
        self.auditing = sandbox_client(sandbox=self.sandbox, clock=self.clock)
        self.auditor = self._do(self.auditing.__aenter__())
        self.cards: list[str] = []
        self.open(Decimal(20), [], None)
        self.step(5.0)

    def _do(self, program: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(program)

    def _enter(self) -> None:
        self.clients += 1
        self.context: AbstractAsyncContextManager[FincardClient] = sandbox_client(
            sandbox=self.sandbox,
            transport=SandboxTransport(self.sandbox, faults=self.plan, clock=self.clock),
            clock=self.clock,
            entropy=Seeded(f"client {self.clients}"),
            observers=[self.trace],
            retry=RetryPolicy(dedupe=self.dedupe),
        )
        self.client = self._do(self.context.__aenter__())

    @rule(amount=AMOUNTS, faults=TROUBLE, within=WITHIN)
    def open(self, amount: Decimal, faults: list[str], within: float | None) -> None:
        """Somebody wants a card."""
        result = self._call(Intent("open", amount=amount), faults, within).result
        if result is not None and result.card_no:
            self.cards.append(result.card_no)

    @rule(amount=AMOUNTS, card=st.integers(0, 9), faults=TROUBLE, within=WITHIN)
    def deposit(self, amount: Decimal, card: int, faults: list[str], within: float | None) -> None:
        """Somebody pays in."""
        self._call(Intent("deposit", self._card(card), amount), faults, within)

    @rule(amount=AMOUNTS, card=st.integers(0, 9), faults=TROUBLE, within=WITHIN)
    def withdraw(self, amount: Decimal, card: int, faults: list[str], within: float | None) -> None:
        """Somebody takes out, more than there is now and then."""
        self._call(Intent("withdraw", self._card(card), amount), faults, within)

    @rule(
        method=st.sampled_from(["freeze", "unfreeze"]),
        card=st.integers(0, 9),
        faults=TROUBLE,
        within=WITHIN,
    )
    def freeze(self, method: str, card: int, faults: list[str], within: float | None) -> None:
        """Somebody freezes a card, or tries to thaw it."""
        self._call(Intent(method, self._card(card)), faults, within)

    @rule(seconds=st.sampled_from([0.1, 5.0, 31.0, 400.0]))
    def step(self, seconds: float) -> None:
        """Time passes; what was late comes."""
        self._do(anyio.sleep(seconds))

    @rule()
    def expire(self) -> None:
        """Every token is refused from now on."""
        self.sandbox.controls.expire_tokens()

    @rule()
    def restart(self) -> None:
        """The process ends, and another one begins with nothing but the order numbers."""
        self._do(self.context.__aexit__(None, None, None))
        self._enter()

    @precondition(lambda self: any(intent.is_open for intent in self.intents))
    @rule(faults=TROUBLE, settle_time=st.just(SETTLE_TIME), timeout=st.sampled_from([5.0, 300.0]))
    def settle(self, faults: list[str], settle_time: float, timeout: float) -> None:
        """Somebody asks what became of the oldest open intent."""
        intent = next(intent for intent in self.intents if intent.is_open)
        self.plan.line = list(faults)
        try:
            self._do(settle_intent(self.client, intent, settle_time=settle_time, timeout=timeout))
        except FincardError:
            assert self.plan.injected, "settling failed although nothing went wrong"
        self.plan.line = []

    @invariant()
    def books(self) -> None:
        """The server's books bear out everything that was said."""
        rows = self._do(all_rows(self.auditor))
        wrong = judge(self.sandbox, rows, self.intents)
        assert not wrong, "\n".join([*wrong, *self.trace.lines[-30:]])

    def teardown(self) -> None:
        """Nothing goes wrong any more: everything is known in the end."""
        try:
            for intent in self.intents:
                if intent.is_open:
                    self._do(
                        settle_intent(self.client, intent, settle_time=SETTLE_TIME, timeout=300.0)
                    )
                    assert intent.settled is not None, "it cannot be settled"
            self.step(SETTLE_TIME)
            self.books()
            type(self).injected += len(self.plan.injected)
        finally:
            self._do(self.context.__aexit__(None, None, None))
            self._do(self.auditing.__aexit__(None, None, None))
            self.runner.close()

    def _card(self, number: int) -> str:
        return self.cards[number % len(self.cards)]

    def _call(self, intent: Intent, faults: list[str], within: float | None) -> Intent:
        self.intents.append(intent)
        self.plan.line = list(faults)

        async def call() -> None:
            if within is None:
                await carry_out(self.client, intent, self.clock)
            else:
                with anyio.move_on_after(within):
                    await carry_out(self.client, intent, self.clock)

        self._do(call())
        self.plan.line = []
        return intent


class Replay(Money):
    """The same on a server that answers a repeat as at first."""

    dedupe = "replay"


class NoDedupe(Money):
    """The same on a server that carries everything out again."""

    dedupe = "none"


@pytest.mark.faults
@pytest.mark.timeout(0)
@pytest.mark.parametrize("machine", [Money, Replay, NoDedupe])
def test_money(machine: type[Money]) -> None:
    """No story makes the client say what is not on the books."""
    from hypothesis.stateful import run_state_machine_as_test

    machine.injected = 0
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=100,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )
    assert machine.injected > 100
