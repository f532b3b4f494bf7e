"""A make-believe FinCard server, made from the same schema as the client.

::

    from fincard_async.sandbox import Sandbox, SandboxSettings, SandboxTransport

    sandbox = Sandbox(SandboxSettings(funds=Decimal(5000)))
    response = sandbox.handle(request)            # one HTTP exchange, no socket
    transport = SandboxTransport(sandbox)         # what a client in this process takes
    sandbox.controls.simulate_purchase(card_no, "12.50")

It remembers cards, orders and money, moves them through the documented states, checks what the
documents say is checked, and refuses as they say. It cannot reach any real server, and
``sandbox.app`` serves it over HTTP on this machine only.

Layout: ``exchange`` (HTTP) -> ``engine`` (state, time, log) -> ``handlers`` (one method per
endpoint) -> ``orders``, ``fees``, ``lifecycle``, ``progress`` over ``state``; ``controls`` is what
no client can do.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from fincard_async._crypto.keys import PrivateKey
from fincard_async._sansio.messages import HttpRequest, HttpResponse

from .catalog import CARD_TYPES
from .controls import Controls
from .engine import Engine
from .exchange import Exchange
from .fault_files import load_faults
from .fault_plans import FaultPlan, Injection, RandomFaults, ScriptedFaults
from .faults import FAULTS, Fault, fault
from .injection import Injector
from .ledger import Ledger
from .refusal import Refusal
from .settings import HOLDER_IDS, SHARED_ACCOUNT_ID, WALLET_ACCOUNT_ID, SandboxSettings
from .transport import SandboxTransport
from .webhooks import DEFAULT_SPEED, Deliver, Webhooks, sending

_DEFAULTS = SandboxSettings()


class Sandbox:
    """One server with its own state.

    Args:
        settings: How it is set up.
        clock: Seconds since the epoch; a test passes its own.
        state: File in which accepted calls are kept, so that a later sandbox goes on from there;
            what an existing file began with (seed, funds, latency) wins over ``settings``.

    Raises:
        ConfigError: The merchant key or the state file cannot be used.
    """

    def __init__(
        self,
        settings: SandboxSettings = _DEFAULTS,
        clock: Callable[[], float] = time.time,
        state: Path | None = None,
    ) -> None:
        self._engine = Engine(settings, clock, state)
        self._exchange = Exchange(self._engine)
        self.controls = Controls(self._engine)
        """What no client can do: simulate purchases, add funds, let orders fail."""
        try:
            self._engine.replay(self.controls.invoke)
        except BaseException:
            self._engine.close()
            raise

    @property
    def settings(self) -> SandboxSettings:
        """The settings in force."""
        return self._engine.settings

    def handle(self, request: HttpRequest) -> HttpResponse:
        """Answer one POST; what it changed is kept when this returns."""
        return self._exchange.handle(request)

    def handle_later(self, request: HttpRequest, milliseconds: int) -> None:
        """Carry out a request after so many milliseconds; nobody gets its answer.

        It comes at that time of the sandbox's clock, at the latest before anybody looks.
        """
        self._engine.postpone(lambda: self._exchange.handle(request), milliseconds)

    def deliver_late(self) -> int:
        """Carry out the late requests whose time has come; returns how many.

        Every call and every control call does this first.
        """
        return self._engine.deliver_late()

    def injector(self, plan: FaultPlan) -> Injector:
        """What an edge needs in order to carry out calls with faults."""
        return Injector(self, self._engine, plan)

    def webhooks(
        self, key: PrivateKey, deliver: Deliver, *, speed: float = DEFAULT_SPEED
    ) -> Webhooks:
        """A sender of what happens from now on; ``async with sending(...)`` runs it.

        Args:
            key: The platform's private key; the merchant verifies with its public half.
            deliver: Brings headers and body to the merchant, and its answer back.
            speed: How many times faster than on the platform the pauses between tries pass.
        """
        return Webhooks(self._engine, key, deliver, speed=speed)

    def close(self) -> None:
        """Let go of the state file."""
        self._engine.close()

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


__all__ = [
    "CARD_TYPES",
    "FAULTS",
    "HOLDER_IDS",
    "SHARED_ACCOUNT_ID",
    "WALLET_ACCOUNT_ID",
    "Controls",
    "Deliver",
    "Fault",
    "FaultPlan",
    "Injection",
    "Ledger",
    "RandomFaults",
    "Refusal",
    "Sandbox",
    "SandboxSettings",
    "SandboxTransport",
    "ScriptedFaults",
    "Webhooks",
    "fault",
    "load_faults",
    "sending",
]
