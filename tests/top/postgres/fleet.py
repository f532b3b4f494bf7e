"""Processes for the tests of several machines: a sandbox behind a socket, and workers to be killed.

They are forked from a server that has everything imported, so that a new worker costs milliseconds.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any, Protocol

import anyio

from fincard_async import FincardClient
from fincard_async._generated.models.common import OperationType
from fincard_async._generated.models.transactions import OperationRecord
from fincard_async._sansio.options import Dedupe, RetryPolicy
from fincard_async.bulk import EngineSettings, Windows
from fincard_async.bulk.worker import run_worker
from fincard_async.sandbox import Sandbox, SandboxSettings
from fincard_async.sandbox.app import serve
from fincard_async.testing import RandomFaults, sandbox_login

FORK = multiprocessing.get_context("forkserver")
FORK.set_forkserver_preload([__name__])
SETTINGS = replace(SandboxSettings(), latency_ms=30, funds=Decimal(10_000_000))
LEASE = 1.5
HEARTBEAT = 1.0
SECONDS = 60.0
QUICK = Windows(arrives=1.5, lags=0.3)
"""A server whose faults are over in a second, so that "proven absent" comes within the test."""


class Pipe(Protocol):
    """One end of a pipe between processes."""

    def send(self, obj: Any, /) -> None: ...
    def recv(self) -> Any: ...


@dataclass(frozen=True)
class Books:
    """What the server has on its books."""

    cards: int
    orders: int
    created_amount: Decimal
    records: list[OperationRecord]

    @property
    def numbers(self) -> set[str | None]:
        """The order numbers that it knows."""
        return {record.merchant_order_no for record in self.records}


def settings_of(base_url: str) -> dict[str, str]:
    """What ``FincardClient.from_env`` reads, for the sandbox."""
    named = {
        "BASE_URL": base_url,
        "TENANT_ID": SETTINGS.tenant_id,
        "ORGANIZATION_ID": SETTINGS.organization_id,
        "USER_ID": SETTINGS.user_id,
        "USERNAME": SETTINGS.username,
        "PASSWORD": SETTINGS.password,
    }
    return {f"FINCARD_{name}": value for name, value in named.items()}


def client_of(base_url: str, dedupe: Dedupe = "error") -> FincardClient:
    """A client of the sandbox, with a short breath."""
    return FincardClient(
        base_url=base_url,
        auth=sandbox_login(SETTINGS),
        tenant_id=SETTINGS.tenant_id,
        timeout=5.0,
        retry=RetryPolicy(dedupe=dedupe),
    )


@contextmanager
def sandbox(dedupe: Dedupe, seed: int, rates: Mapping[str, float]) -> Generator[SandboxServer]:
    """A sandbox in a process of its own, whose faults follow from the seed."""
    ours, theirs = FORK.Pipe()
    process = FORK.Process(target=_serve, args=(theirs, dedupe, seed, dict(rates)), daemon=True)
    process.start()
    try:
        yield SandboxServer(ours, ours.recv())
    finally:
        process.kill()
        process.join(SECONDS)


class SandboxServer:
    """The other end of the pipe to a sandbox."""

    def __init__(self, pipe: Pipe, base_url: str) -> None:
        self._pipe = pipe
        self.base_url = base_url

    def orders(self) -> int:
        """How many orders there are now."""
        self._pipe.send("orders")
        count: int = self._pipe.recv()
        return count

    def books(self) -> Books:
        """Everything on the books."""
        self._pipe.send("books")
        books: Books = self._pipe.recv()
        return books


def _serve(pipe: Pipe, dedupe: Dedupe, seed: int, rates: Mapping[str, float]) -> None:
    logging.disable()
    anyio.run(_serve_until_killed, pipe, dedupe, seed, rates)


async def _serve_until_killed(
    pipe: Pipe, dedupe: Dedupe, seed: int, rates: Mapping[str, float]
) -> None:
    with Sandbox(replace(SETTINGS, dedupe=dedupe)) as box:
        faults = RandomFaults(seed, rates, "mutations")
        async with serve(box, faults=faults) as base_url, serve(box) as plain:
            pipe.send(base_url)
            while True:
                asked = await anyio.to_thread.run_sync(pipe.recv)
                ledger = box.controls.ledger()
                if asked == "orders":
                    pipe.send(ledger.orders)
                    continue
                async with client_of(plain) as client:
                    found = client.transactions.operations(type=OperationType.CREATE)
                    records = await found.collect()
                pipe.send(Books(ledger.cards, ledger.orders, ledger.created_amount, records))


class Fleet:
    """Workers, each a process; what they tell goes into a file each."""

    def __init__(self, url: str, base_url: str, dedupe: Dedupe, folder: Path) -> None:
        self._arguments = (url, base_url, dedupe, folder)
        self._folder = folder
        self.workers: list[ForkServerProcess] = []
        self.kills = 0

    def start(self) -> None:
        """One worker more."""
        process = FORK.Process(target=_work, args=self._arguments, daemon=True)
        process.start()
        self.workers.append(process)

    def kill(self, process: ForkServerProcess) -> None:
        """End a worker as nothing else does."""
        self.workers.remove(process)
        process.kill()
        process.join(SECONDS)
        assert process.exitcode == -signal.SIGKILL, "it had ended before"
        self.kills += 1

    def told(self, pid: int | None) -> str:
        """What a worker has told."""
        file = self._folder / f"{pid}.log"
        return file.read_text() if file.exists() else ""

    def end(self) -> None:
        """Kill all."""
        for process in self.workers:
            process.kill()
            process.join(SECONDS)


def _work(url: str, base_url: str, dedupe: Dedupe, folder: Path) -> None:
    logging.disable()
    anyio.run(_work_until_killed, url, base_url, dedupe, folder)


async def _work_until_killed(url: str, base_url: str, dedupe: Dedupe, folder: Path) -> None:
    log = folder / f"{os.getpid()}.log"

    def tell(name: object, outcome: object) -> None:
        with log.open("a") as file:
            file.write(f"{name} {outcome}\n")

    settings = EngineSettings(concurrency=8, final_timeout=10, breaker=None)
    if dedupe == "none":
        settings = replace(settings, windows=QUICK)
    async with client_of(base_url, dedupe) as client:
        await run_worker(
            client,
            url,
            stop=anyio.Event(),
            settings=settings,
            lease=LEASE,
            heartbeat=HEARTBEAT,
            again=0.5,
            told=tell,
        )
