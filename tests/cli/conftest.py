"""A command line for tests: in this process against a sandbox, or as a process of its own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fincard_async.sandbox import Sandbox, SandboxSettings
from fincard_async.testing import sandbox_key

from .processes import Served, served

if TYPE_CHECKING:
    from .kit import Cli


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No settings of the person who runs the tests, and no files in their folder."""
    for name in os.environ:
        if name.startswith("FINCARD_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def sandbox() -> Sandbox:
    """A sandbox that finishes every order at once and seals for ``sandbox_key``."""
    settings = replace(
        SandboxSettings(), latency_ms=0, merchant_key=sandbox_key().public_key().pem()
    )
    return Sandbox(settings)


@pytest.fixture
def cli(sandbox: Sandbox) -> Cli:
    """Runs commands in this process against ``sandbox``."""
    from .kit import Cli

    return Cli(sandbox)


@pytest.fixture(scope="session")
def server() -> Iterator[Served]:
    """A sandbox server in a process of its own, for tests that do not mind each other's cards."""
    with served("--latency-ms", "0") as running:
        yield running


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Served]]:
    """Starts a sandbox server with a state file; stops it at the end."""
    from contextlib import ExitStack

    with ExitStack() as stack:
        yield lambda *args: stack.enter_context(
            served("--state", str(tmp_path / "sandbox.state"), *args)
        )
