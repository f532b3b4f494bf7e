"""Faults with a story of their own, which the table cannot tell."""

from __future__ import annotations

import asyncio
import time
import tracemalloc

import anyio
import pytest

from fincard_async import CallOptions, FincardClient, RetryPolicy
from fincard_async.errors import (
    ConnectFailed,
    ConnectionLost,
    FincardError,
    OutcomeUnknown,
    RateLimited,
    ResponseMismatch,
    Unauthenticated,
    UnexpectedRedirect,
)
from fincard_async.testing import FakeClock
from tests.transport.wire import Line, http

from .answer_rows import BUSY
from .books import LOGIN, refusal
from .calls import AMOUNT, CALLS, CARD, MUTATIONS
from .driver import Connect, client_of
from .server import Spoil, always, at_first, doubled, serving
from .spoils import answers, bomb, resets, sends

pytestmark = [pytest.mark.anyio, pytest.mark.faults]

OFF = CallOptions(retry=RetryPolicy(settle=False))
MIB = 1 << 20


async def end_of(client: FincardClient, operation: str, options: CallOptions) -> FincardError:
    """The error that a call ends as."""
    with pytest.raises(FincardError) as caught:
        await CALLS[operation](client, options, None)
    return caught.value


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
async def test_the_place_of_a_redirect_sees_no_connection(code: int, connect: Connect) -> None:
    """Neither the order nor the token goes anywhere else."""
    async with serving() as other, serving() as server, client_of(server, connect) as client:
        place = f"Location: {other.origin}/elsewhere"
        server.plan = lambda request: answers(None, place, status=f"{code} Elsewhere")
        error = await end_of(client, "cards.open", OFF)
        assert type(error.__cause__) is UnexpectedRedirect
        assert other.origin not in f"{error}{error.__cause__!r}"
        assert (other.connections, len(server.requests)) == (0, 1)


@pytest.mark.parametrize("operation", MUTATIONS)
@pytest.mark.parametrize(
    "later",
    [
        answers(refusal(-1, "Card not found")),
        answers(refusal(-1, "Insufficient balance")),
        answers(refusal(404, "Not found"), status="404 No"),
        answers(refusal(401, "no"), status="401 No"),
        answers(refusal(-1, "Duplicate order number")),
    ],
)
async def test_no_refusal_is_final_while_an_attempt_is_open(
    operation: str, later: Spoil, connect: Connect
) -> None:
    """The first attempt was carried out, and its answer lost: what the second is told is no end."""
    async with serving() as server, client_of(server, connect, FakeClock()) as client:
        server.plan = at_first(operation, resets, later)
        error = await end_of(client, operation, OFF)
        assert type(error) is OutcomeUnknown
        assert [doubt.order_no for doubt in client.in_doubt()] == [error.order_no]
        assert dict(server.books.carried_out) == {error.order_no: 1}


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("operation", ["cards.get_balance", *MUTATIONS])
async def test_a_refused_token_is_replaced_once(
    operation: str, times: int, connect: Connect
) -> None:
    """One 401: one login, and the same bytes again. A second one: that is the end."""
    no = answers(refusal(401, "Unauthorized"), status="401 Unauthorized")
    async with serving() as server, client_of(server, connect, login=True) as client:
        server.commits = False
        server.plan = at_first(operation, *[no] * times)
        if times == 1:
            await CALLS[operation](client, OFF, None)
        else:
            error = await end_of(client, operation, OFF)
            assert (type(error), error.maybe_applied) == (Unauthenticated, False)
        first, second = server.of(operation)
        assert (len(server.of(LOGIN)), first.body) == (2, second.body)
        assert first.headers["authorization"] != second.headers["authorization"]
        assert sum(server.books.carried_out.values()) == (operation in MUTATIONS and times == 1)
        assert client.in_doubt() == ()


@pytest.mark.parametrize(
    "headers, least, told",
    [
        (("Retry-After: 5",), 5.0, 5.0),
        (("Retry-After: 1", "Retry-After: 2"), 1.0, 2.0),
        (
            (
                "Date: Thu, 01 Jan 2037 00:00:00 GMT",
                "Retry-After: Thu, 01 Jan 2037 00:00:07 GMT",
            ),
            7.0,
            7.0,
        ),
        (
            (
                "Date: Thursday, 01-Jan-37 00:00:00 GMT",
                "Retry-After: Thursday, 01-Jan-37 00:00:07 GMT",
            ),
            7.0,
            7.0,
        ),
        (
            ("Date: Thu Jan  1 00:00:00 2037", "Retry-After: Thu Jan  1 00:00:07 2037"),
            7.0,
            7.0,
        ),
    ],
)
async def test_a_pause_that_the_server_asks_for_is_kept(
    headers: tuple[str, ...], least: float, told: float, connect: Connect
) -> None:
    """Never shorter, and up to a tenth longer; the server's own clock decides what a date means."""
    clock = FakeClock()
    async with serving() as server, client_of(server, connect, clock) as client:
        server.plan = at_first(
            "cards.get_balance", answers(BUSY, *headers, status="429 Too Many Requests")
        )
        await client.cards.get_balance(CARD)
        assert len(server.of("cards.get_balance")) == 2
        assert least <= sum(clock.slept) <= told * 1.1


@pytest.mark.parametrize("hint", ["3600", str(10**30), "Fri, 01 Jan 2027 00:00:00 GMT"])
async def test_a_pause_beyond_the_deadline_is_not_begun(hint: str, connect: Connect) -> None:
    """The call ends at once, with what the server asked for, five minutes at most."""
    clock = FakeClock()
    async with serving() as server, client_of(server, connect, clock) as client:
        server.plan = lambda request: answers(BUSY, f"Retry-After: {hint}", status="429 Busy")
        error = await end_of(client, "cards.get_balance", OFF)
        assert (type(error), error.retry_after, clock.slept) == (RateLimited, 300.0, [])
        # All the others wait as well: a call without the time for it is not sent.
        assert isinstance(await end_of(client, "cards.freeze", OFF), ConnectFailed)
        assert len(server.requests) == 1


async def test_a_place_in_the_pool_is_waited_for_and_nothing_is_sent(connect: Connect) -> None:
    """One slow call holds the only place: the next one ends unsent, and the slow one goes on."""
    async with serving() as server:
        go_on = asyncio.Event()

        async def slow(line: Line, honest: bytes) -> None:
            await go_on.wait()
            await line.say(http(honest))

        server.plan = always("cards.get_balance", slow)
        async with client_of(server, connect, most=1) as client:
            first = asyncio.create_task(client.cards.get_balance(CARD))
            arrived = asyncio.Event()
            server.on_request = arrived.set
            await arrived.wait()
            error = await end_of(client, "cards.open", CallOptions(timeout=0.1))
            assert isinstance(error, ConnectFailed)
            assert client.in_doubt() == ()
            go_on.set()
            assert (await first).card_no == CARD
            assert server.books.carried_out == {}


async def test_a_connection_that_went_stale(connect: Connect) -> None:
    """The server closes as the request comes: sent, by rule; the same bytes go again, once."""
    async with serving() as server, client_of(server, connect, FakeClock()) as client:
        await client.cards.list_types()
        server.commits = False
        server.plan = at_first("cards.open", sends(b""))
        await CALLS["cards.open"](client, None, None)
        one, two = server.of("cards.open")
        assert (one.connection, two.connection, one.body) == (1, 2, two.body)
        server.plan = at_first("cards.deposit", sends(b""))
        never = CallOptions(retry=RetryPolicy(settle=False, dedupe="none"))
        error = await end_of(client, "cards.deposit", never)
        assert (type(error), type(error.__cause__)) == (OutcomeUnknown, ConnectionLost)
        assert not doubled(server.books.carried_out)


async def test_a_connection_that_was_closed_while_idle_is_not_used(connect: Connect) -> None:
    """The client sees it, and takes another: nothing is repeated."""
    async with serving() as server, client_of(server, connect) as client:
        server.plan = at_first("cards.list_types", answers_and_closes)
        await client.cards.list_types()
        with anyio.fail_after(5):
            while server.open_connections:
                await anyio.lowlevel.checkpoint()
        for _ in range(20):
            await anyio.lowlevel.checkpoint()
        never = CallOptions(retry=RetryPolicy(settle=False, dedupe="none"))
        await CALLS["cards.open"](client, never, None)
        assert [r.connection for r in server.requests] == [1, 2]


async def answers_and_closes(line: Line, honest: bytes) -> None:
    """Without a word about it in the headers."""
    await line.say(http(honest))
    line.writer.close()


@pytest.mark.parametrize("together", [True, False], ids=["in one piece", "later"])
@pytest.mark.parametrize("operation", ["cards.get_balance", "cards.list_types", *MUTATIONS])
async def test_an_answer_that_nobody_asked_for_is_not_believed(
    operation: str, together: bool, connect: Connect
) -> None:
    """It came over an idle connection: the next call must not take it for its own."""
    forged = http(refusal(-1, "Card not found"))
    async with serving() as server, client_of(server, connect, FakeClock()) as client:
        sent = asyncio.Event()

        async def twice(line: Line, honest: bytes) -> None:
            if together:
                await line.say(http(honest) + forged)
            else:
                await line.say(http(honest))
                await go_on.wait()
                await line.say(forged)
            sent.set()

        go_on = asyncio.Event()
        server.plan = at_first("cards.get_sensitive", twice)
        await client.cards.get_sensitive(CARD)
        go_on.set()
        await sent.wait()
        for _ in range(20):
            await anyio.lowlevel.checkpoint()
        if operation == "cards.list_types":
            assert await client.cards.list_types()
        else:
            await CALLS[operation](client, None, None)
        assert not doubled(server.books.carried_out)


async def test_a_swarm_of_hostile_answers_takes_no_room_and_no_time(connect: Connect) -> None:
    """A bomb of 1 GiB, a million empty gzip members, 50,000 headers, 400,000 brackets."""
    many = b"HTTP/1.1 200 OK\r\n" + b"X: 1\r\n" * 50_000 + b"\r\n"
    hostile = {
        "bomb": http(bomb(), "Content-Encoding: gzip"),
        "headers": many,
        "nested": http(b"[" * 400_000),
        "digits": http(b'{"success":true,"code":200,"data":' + b"9" * 10**6 + b"}"),
        "unended": b"HTTP/1.1 200 OK\r\nX: " + b"y" * (8 * MIB),
    }
    async with serving() as server, client_of(server, connect) as client:
        await client.cards.list_types()
        for name, said in hostile.items():
            server.plan = always("cards.get_balance", sends(said))
            once = CallOptions(retry=RetryPolicy(read_attempts=1))
            tracemalloc.start()
            begun = time.process_time()
            await end_of(client, "cards.get_balance", once)
            took, room = time.process_time() - begun, tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            assert room < 16 * MIB + len(said), name
            assert took < 2.0, name


@pytest.mark.parametrize("operation", MUTATIONS)
async def test_an_order_that_is_never_found_stays_unknown(operation: str, connect: Connect) -> None:
    """Lost before the server had it, and looked up until the deadline: unknown, and in doubt."""
    clock = FakeClock()
    async with serving() as server, client_of(server, connect, clock) as client:
        server.commits = False
        server.plan = always(operation, resets)
        error = await end_of(client, operation, CallOptions(timeout=10.0))
        assert type(error) is OutcomeUnknown
        assert clock.monotonic() - 1000.0 <= 10.0
        assert [doubt.order_no for doubt in client.in_doubt()] == [error.order_no]
        assert server.books.carried_out == {}


async def test_what_is_found_with_another_amount_is_not_adopted(connect: Connect) -> None:
    """The number is there, and the order is not ours: loud, and in doubt."""
    async with serving() as server, client_of(server, connect, FakeClock()) as client:
        number = "N" * 24
        await client.cards.deposit(CARD, amount=int(AMOUNT) + 1, merchant_order_no=number)
        with pytest.raises(FincardError) as caught:
            await CALLS["cards.deposit"](client, None, number)
        assert type(caught.value.__cause__) is ResponseMismatch
        assert caught.value.maybe_applied
