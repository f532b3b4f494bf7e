"""Every example of the schema crosses a real connection: the request out, the answer in."""

from __future__ import annotations

import msgspec
import pytest
from aiohttp import web

from fincard_async._generated.operations import load
from fincard_async._generated.wire import REFUSALS
from fincard_async._sansio.codec import decode_any
from fincard_async._sansio.messages import HttpRequest
from fincard_async._sansio.requests import build_request, parse_request
from fincard_async._sansio.responses import interpret
from fincard_async._transports.session import SessionTransport
from fincard_async.errors import ApiError
from tests.schema_examples import examples

pytestmark = pytest.mark.anyio


async def test_examples_over_http() -> None:
    """The server reads the request it was promised, and the client the answer that was sent."""
    received: list[tuple[str, object]] = []
    answers = iter([msgspec.json.encode(example.answer) for example in examples()])

    async def answer(request: web.Request) -> web.Response:
        received.append((request.path, decode_any(await request.read())))
        return web.Response(body=next(answers), content_type="application/json")

    application = web.Application()
    application.router.add_post("/{path:.*}", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    transport = SessionTransport(f"http://127.0.0.1:{runner.addresses[0][1]}")
    refused = 0
    try:
        for example in examples():
            operation = load(example.operation)
            request = parse_request(operation, msgspec.json.encode(example.request))
            prepared = build_request(operation, request, money_as="number")
            response = await transport.send(HttpRequest(operation.path, {}, prepared.body), 10)
            assert received[-1] == (operation.path, decode_any(prepared.body))
            try:
                assert interpret(operation, request, response, REFUSALS) is not None
            except ApiError:
                refused += 1
    finally:
        await transport.aclose()
        await runner.cleanup()
    assert len(received) == len(examples())
    assert refused == sum(
        1 for example in examples() if example.answer.get("success") is False
    ) - sum(
        1
        for e in examples()
        if e.operation.startswith("auth.") and e.answer.get("success") is False
    )
