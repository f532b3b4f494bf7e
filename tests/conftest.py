"""Settings shared by all tests: the event loop, and a guard on the network."""

from __future__ import annotations

import ipaddress
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

MAY_USE_LOOPBACK = {"lean", "transport", "sandbox_http", "top", "cli", "crash", "wirefaults"}
"""Folders whose tests may connect to this machine. Nothing may ever connect to another one."""


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Run async tests on asyncio; a test that also runs on trio overrides this fixture."""
    return "asyncio"


@pytest.fixture(autouse=True)
def no_network(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail a test that connects to another machine or, outside a few folders, connects at all.

    The test fails even if the code under test catches the error of the refused connection.
    """
    folder = request.path.relative_to(Path(__file__).parent).parts[0]
    refused: list[str] = []

    def guard(name: str) -> None:
        original: Callable[..., Any] = getattr(socket.socket, name)

        def connect(self: socket.socket, address: Any) -> Any:
            if folder not in MAY_USE_LOOPBACK or not _is_loopback(self.family, address):
                refused.append(f"{name}({address!r})")
                raise ConnectionRefusedError(f"a test in {folder} may not connect to {address!r}")
            return original(self, address)

        monkeypatch.setattr(socket.socket, name, connect)

    guard("connect")
    guard("connect_ex")
    yield
    assert not refused, f"the test opened a connection: {', '.join(refused)}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what the tests counted: ``record_property("wire faults", {"cases": 17})``, summed."""
    totals: dict[str, Counter[str]] = {}
    for report in terminalreporter.getreports("passed"):
        for name, counts in report.user_properties:
            if isinstance(counts, dict):
                totals.setdefault(name, Counter()).update(counts)
    for name, total in sorted(totals.items()):
        facts = ", ".join(f"{count:,} {what}" for what, count in total.items())
        terminalreporter.write_line(f"{name}: {facts}")


def _is_loopback(family: int, address: Any) -> bool:
    if family not in (socket.AF_INET, socket.AF_INET6):
        return True
    try:
        return ipaddress.ip_address(str(address[0])).is_loopback
    except ValueError:
        return bool(address[0] == "localhost")
