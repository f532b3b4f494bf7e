"""Over a real connection: aiohttp's own frames and logs show no secret either."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

import anyio.lowlevel
import pytest

from fincard_async import BearerToken, FincardClient, Secret
from fincard_async._sansio.options import NO_RETRY
from tests.leaks.sinks import CANARIES, hits, leaks
from tests.leaks.test_calls import CALLS, CODE, PAN, PIN, TOKEN
from tests.thinning import thin

from .wire import Line, free_port, hangs_up, http, says, serving

pytestmark = pytest.mark.anyio
ALL = " ".join(CANARIES.values())
BODY = f'{{"success":true,"data":{{"cardNumber":"{PAN}","x":"{ALL}"'.encode()

Answer = Callable[[Line], Awaitable[None]]
ANSWERS: dict[str, Answer] = {
    "nothing": hangs_up(),
    "half a status line": hangs_up(b"HTTP/1.1 20" + ALL.encode()),
    "garbage": hangs_up(ALL.encode() + b"\r\n\r\n"),
    "a body that is cut": hangs_up(http(BODY, length=len(BODY) + 9)),
    "a bad length": hangs_up(http(BODY, length=-1)),
    "a bad chunk": hangs_up(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz" + BODY + b"\r\n"
    ),
    "a redirect": says(http(BODY, f"Location: https://x/?{PIN}{CODE}", status="302 Found")),
    "HTML": says(http(b"<html>" + ALL.encode())),
    "an encoding": says(http(BODY, "Content-Encoding: gzip")),
}


def _client(origin: str) -> FincardClient:
    return FincardClient(
        base_url=origin, auth=BearerToken(Secret(TOKEN)), tenant_id="acme", retry=NO_RETRY
    )


@pytest.fixture(autouse=True)
def everything_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """At the lowest level, with the event loop in its debug mode."""
    caplog.set_level(logging.DEBUG)


@pytest.mark.parametrize("name", ["activate", "sensitive"])
@pytest.mark.parametrize("answer", thin(ANSWERS, 4))
async def test_an_answer_that_breaks(
    answer: str, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """What aiohttp raises may hold headers and body; what the caller gets holds neither."""
    asyncio.get_running_loop().set_debug(True)
    async with serving(ANSWERS[answer]) as wire, _client(wire.origin) as client:
        with pytest.raises(Exception) as caught:  # noqa: PT011 - whatever it is, it must not tell
            await CALLS[name](client)
    assert leaks(caught.value) == []
    assert hits(caplog.text + repr([vars(record) for record in caplog.records])) == []


async def test_nobody_is_there() -> None:
    """Before the request is sent there is as much to hide."""
    async with _client(f"http://127.0.0.1:{free_port()}") as client:
        with pytest.raises(Exception) as caught:  # noqa: PT011 - likewise
            await CALLS["activate"](client)
    assert leaks(caught.value) == []


@pytest.mark.parametrize("how", thin(["cancel", "timeout"], 2))
@pytest.mark.parametrize("begun", [b"", http(BODY, length=len(BODY) + 99)], ids=["sent", "half"])
@pytest.mark.parametrize("name", ["activate", "sensitive"])
async def test_a_call_that_is_cut_off(name: str, begun: bytes, how: str) -> None:
    """The cancellation comes through the frames of aiohttp, with the request in their variables."""

    async def answer(line: Line) -> None:
        if begun:
            await line.say(begun)
        said.set()
        await line.until_gone()

    said = asyncio.Event()
    async with serving(answer) as wire, _client(wire.origin) as client:
        task = asyncio.ensure_future(_within(CALLS[name](client), how))
        await said.wait()
        for _ in range(20):
            await anyio.lowlevel.checkpoint()
        if how == "cancel":
            task.cancel()
        with pytest.raises((asyncio.CancelledError, TimeoutError)) as caught:
            await task
    assert leaks(caught.value) == []


async def _within(call: Awaitable[object], how: str) -> None:
    async with asyncio.timeout(0.1 if how == "timeout" else None):
        await call
