"""A call that fails leaves nothing to the garbage collector: what it held is freed at once.

A frame that holds the error which it raises is a cycle, and an error's frames hold the whole call.
With thousands of calls in flight a look of the collector costs tens of milliseconds, so a service
may have it look seldom; faults must not fill its memory meanwhile.
"""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Awaitable, Callable

import pytest

from fincard_async import BearerToken, FincardClient
from fincard_async._sansio.messages import TransportFailure
from fincard_async._sansio.options import NO_RETRY
from fincard_async.errors import FincardError

from .wire import Line, free_port, hangs_up, http, says, serving

pytestmark = pytest.mark.anyio
OTHER = b'{"success":true,"code":200,"msg":"","data":{"cardNo":"C2","amount":1,"currency":"USD"}}'

ANSWERS: dict[str, Callable[[Line], Awaitable[None]]] = {
    "503": says(http(b'{"success":false,"code":503,"msg":"busy"}', status="503 Unavailable")),
    "a refusal": says(http(b'{"success":false,"code":1001,"msg":"no such card","data":null}')),
    "another card": says(http(OTHER)),
    "no JSON": says(http(b"<html>")),
    "no shape": says(http(b'{"success":true,"code":200,"msg":"","data":{"cardNo":7}}')),
    "a connection that breaks": hangs_up(),
    "no server": hangs_up(),
}


async def _fail(client: FincardClient) -> type[FincardError] | None:
    try:
        await client.cards.get_balance("C1")
    except FincardError as error:
        return type(error)
    return None


@pytest.mark.parametrize("answer", ANSWERS)
async def test_a_failed_call_is_freed_at_once(answer: str) -> None:
    """No error of ours and no connection; asyncio and aiohttp leave a few things of theirs."""
    async with serving(ANSWERS[answer]) as wire:
        origin = f"http://127.0.0.1:{free_port()}" if answer == "no server" else wire.origin
        async with FincardClient(
            base_url=origin, auth=BearerToken("token"), tenant_id="acme", retry=NO_RETRY
        ) as client:
            assert await _fail(client) is not None
            gc.collect()
            gc.disable()
            try:
                for _ in range(5):
                    await _fail(client)
                gc.set_debug(gc.DEBUG_SAVEALL)
                gc.collect()
                found = Counter(
                    type(item).__name__
                    for item in gc.garbage
                    if isinstance(item, FincardError | TransportFailure)
                    or type(item).__name__ in ("Line", "ReplyReader")
                )
            finally:
                gc.set_debug(0)
                gc.garbage.clear()
                gc.enable()
    assert not found
