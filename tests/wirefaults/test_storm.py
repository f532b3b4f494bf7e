"""A token that ends while a thousand calls are in flight: one login, over real HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from .driver import Connect, client_of
from .echo import amount_of, echoing

pytestmark = [pytest.mark.anyio, pytest.mark.faults]

CALLS = 1000


@pytest.mark.parametrize("first", [True, False], ids=["no token yet", "token refused"])
async def test_one_login_for_all(
    first: bool, connect: Connect, record_property: Callable[[str, object], None]
) -> None:
    """Also where some of those who wait are cancelled, and where the first of them is."""
    async with echoing(lambda: 3) as server, client_of(server, connect, login=True) as client:
        if not first:
            await client.cards.get_balance("C1")
            server.token = "revoked"
        logins = server.logins
        calls = [
            asyncio.create_task(client.cards.get_balance(f"C{n}")) for n in range(1, CALLS + 1)
        ]
        impatient = calls[5:CALLS:97]

        def leave() -> None:
            # In the middle of the login, if there is one; the others must not notice.
            if server.logins == logins and not server.refused:
                loop.call_soon(leave)
                return
            for task in impatient:
                task.cancel()

        loop = asyncio.get_running_loop()
        loop.call_soon(leave)
        ends = await asyncio.gather(*calls, return_exceptions=True)
        patient = [task for task in calls if task not in impatient]
        assert server.logins == logins + 1
        assert [type(end).__name__ for end in ends].count("CancelledError") <= len(impatient)
        for number, (task, end) in enumerate(zip(calls, ends, strict=True), 1):
            if task in patient:
                assert not isinstance(end, BaseException), repr(end)
                assert str(end.amount) == amount_of(f"C{number}")
        assert server.refused <= CALLS
        record_property("401 storm", {"cases": CALLS, "requests": server.answered + server.refused})
