"""The sandbox over HTTP, on this machine only: the same exchange, behind a socket.

Control calls are ``POST /_sandbox/<name>`` with their arguments as a JSON object; they are no part
of the API and need no token. That is safe only because nobody else can reach the port: the server
binds a loopback address, and a request must name one in its ``Host`` header, so that a web page
cannot get here through a name that resolves to this machine.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

import anyio
from aiohttp import web

from fincard_async._sansio.codec import encode
from fincard_async._sansio.envelope import render_envelope
from fincard_async._sansio.messages import HttpRequest, HttpResponse
from fincard_async.errors import ConfigError

from . import Sandbox
from .exchange import HEADERS
from .fault_plans import FaultPlan
from .refusal import Refusal
from .replies import Shown
from .storage import StorageFailed
from .wire import WHOLE, play

CONTROL_PREFIX: Final = "/_sandbox/"


@asynccontextmanager
async def serve(
    sandbox: Sandbox,
    host: str = "127.0.0.1",
    port: int = 0,
    faults: FaultPlan | None = None,
) -> AsyncGenerator[str, None]:
    """Serve a sandbox while the block runs.

    Args:
        sandbox: Who answers; it stays open afterwards.
        host: A loopback address or ``localhost``.
        port: TCP port; 0 takes a free one.
        faults: What goes wrong, on the socket and with the calls; None for nothing.

    Yields:
        The base URL, such as ``http://127.0.0.1:49152``.

    Raises:
        ConfigError: The host is not this machine.
    """
    if not is_loopback(host):
        raise ConfigError("the sandbox serves this machine only: host must be a loopback address")
    edge = _Edge(sandbox) if faults is None else _FaultyEdge(sandbox, faults)
    # A hanging answer ends when its client hangs up, and does not delay the end.
    hangs = faults is not None
    server = web.Server(edge, access_log=None, handler_cancellation=hangs)
    runner = web.ServerRunner(server, shutdown_timeout=0.05 if hangs else 1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        bound: int = runner.addresses[0][1]
        yield f"http://{f'[{host}]' if ':' in host else host}:{bound}"
    finally:
        await runner.cleanup()
        edge.close()


def is_loopback(host: str) -> bool:
    """True for ``localhost`` and for addresses that never leave this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class _Edge:
    """From aiohttp's request to the exchange and back."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        if not is_loopback(request.url.host or ""):
            return _respond(_plain(403, "This server answers to loopback names only"))
        if request.method != "POST":
            return _respond(_plain(405, "Every call is a POST"))
        try:
            return await self._answer(request, request.rel_url.raw_path)
        except web.HTTPRequestEntityTooLarge:
            return _respond(_plain(413, "The body is too long"))

    async def _answer(self, request: web.BaseRequest, path: str) -> web.StreamResponse:
        body = await request.read()
        if path.startswith(CONTROL_PREFIX):
            return _respond(self._control(path.removeprefix(CONTROL_PREFIX), request, body))
        return _respond(self._sandbox.handle(HttpRequest(path, request.headers, body)))

    def close(self) -> None:
        """Forget what was planned."""

    def _control(self, name: str, request: web.BaseRequest, body: bytes) -> HttpResponse:
        if request.content_type != "application/json":
            return _plain(415, "A control call takes application/json")
        try:
            data = self._sandbox.controls.invoke(name, body)
        except Refusal as refusal:
            return _plain(200, refusal.msg, refusal.code)
        except StorageFailed:
            return _plain(500, "The state file cannot be written")
        answer = {"success": True, "code": 200, "msg": "Success", "data": data}
        return HttpResponse(200, HEADERS, encode(answer))


class _FaultyEdge(_Edge):
    """The same, with faults."""

    def __init__(self, sandbox: Sandbox, plan: FaultPlan) -> None:
        super().__init__(sandbox)
        self._injector = sandbox.injector(plan)
        self._timers: set[asyncio.TimerHandle] = set()

    async def _answer(self, request: web.BaseRequest, path: str) -> web.StreamResponse:
        meeting = self._injector.meet(path)
        if meeting is None:
            return await super()._answer(request, path)
        unread = meeting.fault.reply == "unread"
        body = b"" if unread else await request.read()
        call = HttpRequest(path, request.headers, body)
        shown = self._injector.carry_out(meeting, call)
        try:
            return await _show(request, shown)
        finally:
            if shown.late_ms is not None:
                self._carry_out_later(call, shown.late_ms)

    def _carry_out_later(self, call: HttpRequest, milliseconds: int) -> None:
        self._sandbox.handle_later(call, milliseconds)
        loop = asyncio.get_running_loop()
        self._timers.add(loop.call_later(milliseconds / 1000, self._sandbox.deliver_late))

    def close(self) -> None:
        for timer in self._timers:
            timer.cancel()


async def _show(request: web.BaseRequest, shown: Shown) -> web.StreamResponse:
    if shown.flaw is not None and shown.flaw not in WHOLE:
        transport = request.transport
        if transport is not None:
            await play(transport, shown)
        return web.Response()  # to a connection that is gone
    if shown.lasts:
        await anyio.sleep(shown.lasts)
    return _respond(shown.response)


def _plain(status: int, msg: str, code: int | None = None) -> HttpResponse:
    code = status if code is None else code
    body = render_envelope(success=False, code=code, msg=msg, data=None)
    return HttpResponse(status, HEADERS, body)


def _respond(response: HttpResponse) -> web.Response:
    return web.Response(status=response.status, headers=response.headers, body=response.body)
