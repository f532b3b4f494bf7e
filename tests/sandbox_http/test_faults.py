"""Each fault on a socket: what the ledger has, and what the client's own transport reports."""

from __future__ import annotations

import io
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import aiohttp
import anyio
import pytest

from fincard_async._generated.operations import load
from fincard_async._sansio.codec import decode_any, encode
from fincard_async._sansio.messages import HttpRequest
from fincard_async._transports.session import SessionTransport
from fincard_async.sandbox import SandboxTransport
from fincard_async.sandbox.app import serve
from fincard_async.testing import FAULTS, Fault, FaultPlan, ScriptedFaults, fault
from tests.sandbox.fault_cases import LOST, OVER_HTTP, TIMEOUT, Waiting, commits, look, opening
from tests.sandbox.kit import Api

pytestmark = pytest.mark.anyio

TLS = ssl.create_default_context()
"""Made once, because that is slow; nothing here uses it."""
LONG, SHORT = 10.0, 0.1
"""Seconds for a reply, and for one that does not come."""


@pytest.fixture
def api() -> Api:
    """A sandbox and a caller that is logged in."""
    return Api()


@asynccontextmanager
async def wire(api: Api, plan: FaultPlan) -> AsyncGenerator[SessionTransport]:
    """The client's transport, and the sandbox behind a socket with faults."""
    async with serve(api.sandbox, faults=plan) as url:
        transport = SessionTransport(url, ssl_context=TLS)
        try:
            yield transport
        finally:
            await transport.aclose()


@pytest.mark.parametrize(
    ("name", "kept_alive"),
    [
        *((name, False) for name in OVER_HTTP),
        *(
            pytest.param(name, True, marks=pytest.mark.slow)
            for name, seen in OVER_HTTP.items()
            if seen != TIMEOUT
        ),
    ],
)
async def test_every_fault(api: Api, name: str, kept_alive: bool) -> None:
    """The client sees the same as in process, on a new connection and on a used one."""
    earlier = int(kept_alive)
    plan = ScriptedFaults([("cards.open", 1 + earlier, name)])
    at_once, in_the_end = commits(FAULTS[name])
    async with wire(api, plan) as transport:
        if kept_alive:
            await look(transport, opening(api), LONG)
        patience = SHORT if OVER_HTTP[name] == TIMEOUT else LONG
        assert await look(transport, opening(api), patience) == OVER_HTTP[name]
        assert api.controls.ledger().orders == earlier + at_once
        assert plan.injected == [("cards.open", 1 + earlier, name)]
        assert await look(transport, opening(api), LONG) == (200, "CardOperation")
    api.time.pass_ms(1_000)
    assert api.controls.ledger().orders == earlier + in_the_end + 1


@pytest.mark.parametrize(
    "item",
    [
        "401-once",
        "429-before-commit",
        "commit-then-502",
        "commit-then-503-envelope",
        "commit-then-html-200",
        "commit-then-empty-200",
        "commit-then-204",
        fault("commit-then-302", location="http://127.0.0.1:1/login?x=1"),
        "commit-then-nesting-bomb",
        "commit-then-cut-unnoticed",
        "commit-then-huge-number",
        "commit-then-wrong-order-no",
        "commit-then-missing-status",
        "stuck-in-processing",
        fault("commit-then-slow", lasts=0.05),
        fault("commit-then-dribble", lasts=0.05),
    ],
    ids=lambda item: item if isinstance(item, str) else item.name,
)
async def test_same_reply_as_in_process(item: Fault | str) -> None:
    """Where there is a reply, it is the same to the byte."""
    here, there = Api(), Api()
    request = opening(here, number := here.number())
    script = ScriptedFaults([("*", 1, item)])
    expected = await SandboxTransport(
        here.sandbox, faults=ScriptedFaults([("*", 1, item)]), clock=Waiting(here)
    ).send(request, LONG)
    async with wire(there, script) as transport:
        seen = await transport.send(opening(there, number), LONG)
    assert (seen.status, seen.body) == (expected.status, expected.body)
    assert expected.headers.items() <= seen.headers.items()


async def test_late_by_a_timer(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody needs to ask: a timer carries out what is late."""
    came = anyio.Event()
    monkeypatch.setattr(api.sandbox, "deliver_late", came.set)
    plan = ScriptedFaults([("cards.open", 1, fault("drop-then-commit", late_ms=1))])
    async with wire(api, plan) as transport:
        await look(transport, opening(api), LONG)
        with anyio.fail_after(LONG):
            await came.wait()


async def test_a_hang_does_not_delay_the_end(api: Api) -> None:
    """The server ends although a client still waits, and the late call is not lost by that."""
    plan = ScriptedFaults([("cards.open", None, "hang-then-commit")])

    async def wait_for_the_answer(url: str) -> None:
        transport = SessionTransport(url, ssl_context=TLS)
        assert await look(transport, opening(api), LONG) == LOST
        await transport.aclose()

    with anyio.fail_after(LONG / 2):
        async with anyio.create_task_group() as group, serve(api.sandbox, faults=plan) as url:
            group.start_soon(wait_for_the_answer, url)
            while not plan.injected:
                await anyio.lowlevel.checkpoint()
    api.time.pass_ms(1_000)
    assert api.controls.ledger().orders == 1


async def test_control_calls_have_no_faults(api: Api) -> None:
    """A test can look at the books whatever the plan does to the API."""
    plan = ScriptedFaults([("*", None, "drop-before-reading")])
    async with (
        serve(api.sandbox, faults=plan) as url,
        aiohttp.ClientSession() as session,
        session.post(f"{url}/_sandbox/doubled", json={}) as response,
    ):
        answer = decode_any(await response.read())
    assert answer == {"success": True, "code": 200, "msg": "Success", "data": []}
    assert plan.met == {}


async def test_long_body(api: Api) -> None:
    """A body that is too long is refused, whatever the plan says."""
    plan = ScriptedFaults([("*", None, "commit-then-drop")])
    async with serve(api.sandbox, faults=plan) as url, aiohttp.ClientSession() as session:
        body = io.BytesIO(b" " * (1024 * 1024 + 1))
        target = url + load("cards.open").path
        async with session.post(target, data=body, headers=api.headers) as response:
            assert response.status == 413
    assert plan.injected == []


async def test_reads_too(api: Api) -> None:
    """Queries have faults over HTTP as in process."""
    api.order()
    plan = ScriptedFaults([("transactions.operations", 1, "query-without-newest")])
    page = HttpRequest(
        load("transactions.operations").path, api.headers, encode({"pageNum": 1, "pageSize": 10})
    )
    async with wire(api, plan) as transport:
        totals = [(await transport.send(page, LONG)).body.count(b"orderNo") for _ in range(2)]
    assert totals == [0, 1]
