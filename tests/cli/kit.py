"""Runs commands of ``fincard`` in this process."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import anyio
from click.testing import CliRunner, Result

from fincard_async import FincardClient
from fincard_async.cli.app import app
from fincard_async.cli.settings import Setup
from fincard_async.sandbox import Sandbox, SandboxTransport
from fincard_async.testing import sandbox_key, sandbox_login

LOOPBACK = "http://127.0.0.1"
FAR = "https://api.example.com"
"""A server that is not this machine; in these tests a sandbox answers for it."""


class Cli:
    """The command line in front of one sandbox."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.base_url = LOOPBACK
        self.password: str | None = None
        """In place of the right one."""
        self.interactive = False

    def run(self, *args: str, input: str | None = None) -> Result:
        """Run a command; a bug in it fails the test with its own traceback."""
        setup = Setup(connect=self._connect, interactive=lambda: self.interactive)
        result = CliRunner().invoke(app, args, obj=setup, input=input, catch_exceptions=False)
        assert "Traceback" not in result.output
        return result

    def rows(self, *args: str, input: str | None = None) -> list[Any]:
        """Run a command that succeeds; what it prints, line by line, as JSON."""
        result = self.run(*args, input=input)
        assert result.exit_code == 0, result.output
        return [json.loads(line) for line in result.stdout.splitlines()]

    def open_card(self, card_type_id: int = 111001, amount: str = "50", *args: str) -> str:
        """A new card; its id."""
        typed = ("--card-type-id", str(card_type_id), "--amount", amount)
        card_no = self.rows("cards", "open", *typed, *args)[0]["card_no"]
        assert isinstance(card_no, str)
        return card_no

    def activation_code(self, card_no: str) -> str:
        """The code that the holder of a physical card was sent."""

        async def find() -> str:
            async with self._connect(None) as client:
                row = await client.transactions.three_ds(card_no=card_no).first()
                assert row is not None
                code = await client.unseal(row)
                assert code is not None
                return code.reveal()

        return anyio.run(find)

    def _connect(self, profile: str | None) -> FincardClient:
        settings = self.sandbox.settings
        if self.password is not None:
            settings = replace(settings, password=self.password)
        return FincardClient(
            base_url=self.base_url,
            auth=sandbox_login(settings),
            tenant_id=settings.tenant_id,
            card_key=sandbox_key(),
            transport=SandboxTransport(self.sandbox),
        )
