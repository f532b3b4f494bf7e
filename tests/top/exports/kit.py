"""A sandbox with orders to export."""

from __future__ import annotations

from typing import Any

from fincard_async import NO_RETRY
from fincard_async.sandbox import SandboxTransport
from fincard_async.testing import ScriptedFaults, sandbox_client
from tests.sandbox.kit import Api


class Books:
    """Orders of cards, some of them in one millisecond."""

    def __init__(self, count: int = 60) -> None:
        self.api = Api()
        for number in range(count):
            self.api.order(amount="50.10")
            self.api.time.pass_ms(number % 3)
        self.api.settle()

    def client(self, *faults: tuple[str, int | None, str]) -> Any:
        """A client of this sandbox; each of its calls is sent once."""
        transport = SandboxTransport(self.api.sandbox, faults=ScriptedFaults(faults))
        return sandbox_client(sandbox=self.api.sandbox, transport=transport, retry=NO_RETRY)
