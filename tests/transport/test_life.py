"""Where and how long a transport may be used, and whom it trusts."""

from __future__ import annotations

import asyncio
import os
import ssl
import sys
import textwrap
from pathlib import Path

import aiohttp
import anyio.to_thread
import pytest
import trustme

from fincard_async import BearerToken, FincardClient, RetryPolicy
from fincard_async._sansio.messages import TransportFailure
from fincard_async._sansio.options import NO_RETRY
from fincard_async._transports.asked import DIRECT
from fincard_async._transports.session import SessionTransport
from fincard_async.errors import (
    ClientClosed,
    ConfigError,
    ConnectFailed,
    ForkedClient,
    OutcomeUnknown,
    WrongLoop,
)

from .ways import open_transport
from .wire import REQUEST, Line, free_port, hangs_up, http, says, serving, transport_to

pytestmark = pytest.mark.anyio
ROOT = Path(__file__).parents[2]


async def test_a_closed_transport_sends_nothing() -> None:
    """Closing twice is fine, and nothing is sent afterwards."""
    async with serving(says(http())) as wire:
        transport = open_transport(wire.origin)
        await transport.send(REQUEST, 5.0)
        for _ in range(2):
            await transport.aclose()
        with pytest.raises(ClientClosed):
            await transport.send(REQUEST, 5.0)
        assert len(wire.requests) == 1


async def test_a_transport_may_be_closed_unused() -> None:
    """Nothing was opened, so nothing is left open."""
    transport = open_transport("http://127.0.0.1:1")
    await transport.aclose()
    with pytest.raises(ClientClosed):
        await transport.send(REQUEST, 5.0)


async def test_another_loop_is_refused() -> None:
    """Connections belong to the loop of their first use."""
    async with serving(says(http())) as wire, transport_to(wire.origin) as transport:
        await transport.send(REQUEST, 5.0)

        def elsewhere() -> None:
            with pytest.raises(WrongLoop):
                asyncio.run(transport.send(REQUEST, 5.0))

        await anyio.to_thread.run_sync(elsewhere)
        await transport.send(REQUEST, 5.0)
        assert len(wire.requests) == 2


async def test_another_process_is_refused(monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    """A process with another number shares the parent's sockets and must not touch them."""
    if way == "lean":
        pytest.skip("it trusts the event loop for that, which a real fork proves below")
    async with serving(says(http())) as wire, transport_to(wire.origin) as transport:
        await transport.send(REQUEST, 5.0)
        with monkeypatch.context() as patch:
            patch.setattr(os, "getpid", lambda: -1)
            with pytest.raises(ForkedClient):
                await transport.send(REQUEST, 5.0)
        assert len(wire.requests) == 1


FORK = """
import asyncio, os, sys
from fincard_async._sansio.messages import HttpRequest
from fincard_async.errors import ForkedClient
from tests.transport import ways

async def main():
    ways.current.set(sys.argv[2])
    transport = ways.open_transport(sys.argv[1])
    request = HttpRequest("/x", {}, b"{}")
    await transport.send(request, 5.0)
    if (child := os.fork()) == 0:
        try:
            await transport.send(request, 5.0)
        except ForkedClient:
            os._exit(7)
        os._exit(1)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    await transport.send(request, 5.0)
    await transport.aclose()
    return status

sys.exit(asyncio.run(main()))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
async def test_a_real_fork_writes_not_one_byte(way: str) -> None:
    """The child is refused; the parent goes on with its connection."""
    async with serving(says(http())) as wire:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", textwrap.dedent(FORK), wire.origin, way, cwd=ROOT
        )
        assert await process.wait() == 7
        assert (wire.connections, len(wire.requests)) == (1, 2)


async def test_the_callers_session_stays_open() -> None:
    """Its headers and cookies are the caller's business; whether bytes were sent is still known."""
    async with aiohttp.ClientSession(headers={"X-Own": "1"}) as session:
        async with serving(says(http())) as wire:
            transport = SessionTransport(wire.origin, session=session)
            await transport.send(REQUEST, 5.0)
            await transport.aclose()
            assert b"X-Own: 1" in wire.requests[0]
        assert not session.closed
        async with serving(hangs_up()) as wire:
            with pytest.raises(TransportFailure) as caught:
                await SessionTransport(wire.origin, session=session).send(REQUEST, 5.0)
            assert caught.value.sent
        refused = SessionTransport(f"http://127.0.0.1:{free_port()}", session=session)
        with pytest.raises(TransportFailure) as caught:
            await refused.send(REQUEST, 5.0)
        assert not caught.value.sent
        async with serving(says(http())) as wire, session.get(wire.origin, data=b"") as response:
            assert response.status == 200


async def test_a_cancelled_call_closes_its_connection() -> None:
    """A late answer must never be taken for the answer to the next request."""
    gone = asyncio.Event()

    async def answer(line: Line) -> None:
        assert await line.until_gone() == b""
        gone.set()

    async with serving(answer) as wire, transport_to(wire.origin) as transport:
        task = asyncio.create_task(transport.send(REQUEST, 5.0))
        await wire.arrived.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(gone.wait(), 5.0)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """A certificate authority that nobody knows."""
    return trustme.CA()


def _server_side(authority: trustme.CA, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


def _trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


async def test_an_authority_of_ones_own_works(authority: trustme.CA) -> None:
    """A context with that authority is all it takes."""
    async with (
        serving(says(http()), _server_side(authority, "127.0.0.1")) as wire,
        transport_to(wire.origin, _trusting(authority)) as transport,
    ):
        assert (await transport.send(REQUEST, 5.0)).status == 200


@pytest.mark.parametrize("known, name", [(False, "127.0.0.1"), (True, "other.example")])
async def test_a_certificate_that_is_not_accepted(
    authority: trustme.CA, known: bool, name: str
) -> None:
    """An unknown authority or another name: nothing was sent, and another try cannot help."""
    context = _trusting(authority) if known else None
    async with (
        serving(says(http()), _server_side(authority, name)) as wire,
        transport_to(wire.origin, context) as transport,
    ):
        with pytest.raises(TransportFailure) as caught:
            await transport.send(REQUEST, 5.0)
    assert (caught.value.reason, caught.value.sent) == ("certificate", False)
    assert wire.requests == []


async def test_old_tls_is_refused(authority: trustme.CA) -> None:
    """Before anything is sent."""
    context = _server_side(authority, "127.0.0.1")
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1 is deprecated"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    async with (
        serving(says(http()), context) as wire,
        transport_to(wire.origin, _trusting(authority)) as transport,
    ):
        with pytest.raises(TransportFailure) as caught:
            await transport.send(REQUEST, 5.0)
    assert not caught.value.sent
    assert wire.requests == []


@pytest.mark.parametrize("verify", [ssl.CERT_NONE, ssl.CERT_REQUIRED])
async def test_a_context_that_does_not_check_is_refused(verify: ssl.VerifyMode) -> None:
    """There is no switch that turns certificates or host names off."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = verify
    with pytest.raises(ConfigError, match="must verify certificates and host names"):
        open_transport("https://sandbox.example", context)


def _client(origin: str, retry: RetryPolicy | None = None) -> FincardClient:
    return FincardClient(base_url=origin, auth=BearerToken("canary"), tenant_id="acme", retry=retry)


async def test_a_client_over_the_wire() -> None:
    """A read is answered; a mutation whose answer was lost is unknown, with no aiohttp inside."""
    answers = iter([says(http(b'{"success":true,"data":[]}')), hangs_up()])

    async def answer(line: Line) -> None:
        await next(answers)(line)

    async with serving(answer) as wire, _client(wire.origin, NO_RETRY) as client:
        assert await client.cards.list_types() == []
        with pytest.raises(OutcomeUnknown) as caught:
            await client.cards.freeze("C1")
    assert len(wire.requests) == 2
    error: BaseException | None = caught.value
    while error is not None:
        assert type(error).__module__.startswith("fincard_async")
        assert "canary" not in f"{error!r}{vars(error)}"
        error = error.__cause__ or error.__context__


async def test_a_client_that_reaches_nobody() -> None:
    """A mutation that was never sent says so."""
    async with _client(f"http://127.0.0.1:{free_port()}") as client:
        with pytest.raises(ConnectFailed) as caught:
            await client.cards.freeze("C1")
    assert (caught.value.attempts, caught.value.maybe_applied) == (3, False)


async def _refused(client: FincardClient, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        await client.cards.freeze("C1")
    assert client.in_doubt() == ()


async def test_a_closed_client_sends_nothing() -> None:
    """A mutation says so, is in no doubt, and is not looked up."""
    async with serving(says(http(b'{"success":true,"data":[]}'))) as wire:
        async with _client(wire.origin) as client:
            await client.cards.list_types()
        await _refused(client, ClientClosed)
        assert len(wire.requests) == 1


async def test_a_client_in_another_loop_sends_nothing() -> None:
    """Told before the first byte, and as what it is."""
    async with (
        serving(says(http(b'{"success":true,"data":[]}'))) as wire,
        _client(wire.origin) as client,
    ):
        await client.cards.list_types()
        await anyio.to_thread.run_sync(lambda: asyncio.run(_refused(client, WrongLoop)))
        assert len(wire.requests) == 1


async def test_a_client_of_the_parent_process_sends_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The child shares the parent's sockets, and may not use them."""
    async with (
        serving(says(http(b'{"success":true,"data":[]}'))) as wire,
        _client(wire.origin) as client,
    ):
        await client.cards.list_types()
        with monkeypatch.context() as patch:
            patch.setattr(os, "getpid", lambda: -1)
            await _refused(client, ForkedClient)
        assert len(wire.requests) == 1


async def test_a_cancelled_mutation_over_the_wire_leaves_its_number() -> None:
    """``CancelledError`` passes, by ``asyncio.timeout`` too; the number is there to be settled."""

    async def answer(line: Line) -> None:
        assert await line.until_gone() == b""

    async with serving(answer) as wire, _client(wire.origin) as client:
        task = asyncio.create_task(client.cards.freeze("C1"))
        await wire.arrived.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        assert type(caught.value) is asyncio.CancelledError
        (doubt,) = client.in_doubt()
        assert doubt.operation == "cards.freeze"
        assert doubt.order_no.encode() in wire.requests[0]
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await client.cards.freeze("C1")


def test_the_session_way_fits_this_aiohttp(way: str) -> None:
    """Else it still works, at more than twice the cost: a new release of aiohttp is looked at."""
    if way == "session":
        assert DIRECT
