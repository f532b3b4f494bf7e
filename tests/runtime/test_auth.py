"""One login for every call, and one replay after a 401."""

from __future__ import annotations

import asyncio
import base64
import json
import sys
from typing import Any

import anyio
import pytest

from fincard_async import BearerToken, Limits, PasswordLogin, RetryPolicy, SessionLogin, errors
from fincard_async._runtime.auth import LoginToken
from fincard_async._sansio.codec import encode
from fincard_async._sansio.messages import HttpResponse
from fincard_async._sansio.secret import Secret
from fincard_async._sansio.token import Token, make_token
from fincard_async._transports.home import Home
from fincard_async.errors import (
    ConfigError,
    ConnectFailed,
    FincardError,
    ServerError,
    TimedOut,
    Unauthenticated,
)
from fincard_async.testing import FakeClock, reply
from tests.thinning import thin

from .rig import BEARER, LOST, UNSENT, Answer, Server, client_of, failure

pytestmark = pytest.mark.anyio

NO = reply(status=401, code=401)


async def _read(client: Any) -> str:
    """A read whose answer decodes whatever the schema asks of it, or the error's name."""
    try:
        await client.cards.list_types()
    except FincardError as error:
        return type(error).__name__
    return "done"


def _server(**parts: Any) -> Server:
    return Server(**{"call": lambda header: reply([]), **parts})


@pytest.mark.parametrize(
    "auth, path, body",
    [
        (
            SessionLogin(
                organization_id="a/b",
                user_id="../u",
                username="n",
                password=Secret("w"),
                tenant_key="k",
                tenant_secret="s",
            ),
            "/api/v2.1/admin/organization/a%2Fb/users/..%2Fu/sessions",
            {"username": "n", "password": "w", "tenantKey": "k", "tenantSecret": "s"},
        ),
        (
            PasswordLogin(email="a@b.c", password="w"),
            "/api/auth/login",
            {"email": "a@b.c", "password": "w", "tenantId": "acme"},
        ),
    ],
)
async def test_the_request_of_a_login(auth: Any, path: str, body: object) -> None:
    """An id never leaves its place in the path, and the password never its body."""
    request = auth.request("acme")
    assert request.path == path
    assert json.loads(encode(request.request)) == body
    assert "'w'" not in repr(auth) + repr(request)


@pytest.mark.parametrize("wrong", ["", ".", ".."])
@pytest.mark.parametrize("name", ["organization_id", "user_id"])
async def test_an_id_that_would_change_the_path(name: str, wrong: str) -> None:
    """An empty id or a dot is refused when the client is made."""
    ids = {"organization_id": "o", "user_id": "u", name: wrong}
    with pytest.raises(ConfigError, match="is missing"):
        client_of(None, auth=SessionLogin(**ids, username="n", password="w"))


@pytest.mark.parametrize("count", thin([200, 1, 1000], 3))
async def test_many_calls_share_one_login(count: int) -> None:
    """The first call logs in, the others find the new token."""
    server = _server()
    client = client_of(server)
    async with anyio.create_task_group() as group:
        for _ in range(count):
            group.start_soon(_read, client)
    assert (server.logins, len(server.calls)) == (1, count)


async def test_a_refused_token_is_replaced_once_for_all() -> None:
    """1,000 calls meet a 401 with the old token: one login, and each is replayed once."""
    valid = {"Bearer token-1"}
    server = _server(call=lambda header: reply([]) if header in valid else NO)
    client = client_of(server)
    assert await _read(client) == "done"
    valid = {"Bearer token-2"}
    results: list[str] = []

    async def call() -> None:
        results.append(await _read(client))

    async with anyio.create_task_group() as group:
        for _ in range(1000):
            group.start_soon(call)
    assert results == ["done"] * 1000
    assert server.logins == 2
    assert 1 + 1000 < len(server.calls) <= 1 + 2 * 1000


async def test_a_mutation_is_replayed_after_a_401_with_the_same_bytes() -> None:
    """A complete 401 proves that it was not carried out."""
    server = _server(call=lambda header: NO if header == "Bearer token-1" else reply([]))
    with pytest.raises(errors.OutcomeUnknown) as caught:  # the second answer is no card
        await client_of(server, retry=RetryPolicy(settle=False)).cards.freeze("C1")
    assert server.logins == 2
    first, second = server.calls
    assert first.body == second.body
    assert caught.value.attempts == 2


@pytest.mark.parametrize("method", ["list_types", "freeze"])
async def test_a_second_401_is_told(method: str) -> None:
    """A new token that is refused as well means that the credentials are not good."""
    server = _server(call=lambda header: NO)
    client = client_of(server)
    with pytest.raises(Unauthenticated) as caught:
        await (client.cards.freeze("C1") if method == "freeze" else client.cards.list_types())
    assert (server.logins, len(server.calls)) == (2, 2)
    assert (caught.value.status, caught.value.maybe_applied) == (401, False)


async def test_a_fixed_token_is_not_replayed() -> None:
    """There is no other token to be had."""
    server = _server(call=lambda header: NO)
    assert await _read(client_of(server, auth=BEARER)) == "Unauthenticated"
    assert [request.headers["Authorization"] for request in server.calls] == ["Bearer fixed-token"]


async def test_a_fixed_token_may_be_a_long_jwt() -> None:
    """A token with many claims has far more than 256 characters."""
    claims = base64.urlsafe_b64encode(b"x" * 1500).decode()
    server = _server()
    assert await _read(client_of(server, auth=BearerToken(f"a.{claims}.c"))) == "done"
    assert server.calls[0].headers["Authorization"] == f"Bearer a.{claims}.c"


@pytest.mark.parametrize("token", ["", "a b", "a\r\nX: y", "\u00e9", "x" * 8001])
async def test_a_fixed_token_that_cannot_be_sent(token: str) -> None:
    """It would forge another header; the message does not show it."""
    with pytest.raises(ConfigError, match=r"^token must be") as caught:
        client_of(None, auth=BearerToken(Secret(token)))
    assert not token or token not in str(caught.value)


LOGIN_FAILS: list[tuple[Answer, type[FincardError], int]] = [
    (NO, Unauthenticated, 1),
    (reply(success=False, code=401, msg="bad password"), Unauthenticated, 1),
    (reply({}), Unauthenticated, 1),
    (reply({"token": ""}), Unauthenticated, 1),
    (reply({"token": "a\r\nX: y"}), Unauthenticated, 1),
    (reply({"token": "x" * 9000}), Unauthenticated, 1),
    (reply(status=403, code=403), ConnectFailed, 1),
    (reply(status=503), ConnectFailed, 4),
    (reply(status=429), ConnectFailed, 4),
    (HttpResponse(200, {}, b"<html>"), ConnectFailed, 1),
    (HttpResponse(200, {}, b"[" * 9000), ConnectFailed, 4),
    (HttpResponse(302, {}, b""), ConnectFailed, 1),
    (LOST, ConnectFailed, 4),
    (UNSENT, ConnectFailed, 4),
    (failure("timeout", sent=True), ConnectFailed, 4),
    (failure("certificate", sent=False), ConnectFailed, 1),
]


@pytest.mark.parametrize("answer, kind, logins", LOGIN_FAILS)
async def test_a_failed_login_leaves_a_mutation_unsent(
    answer: Answer, kind: type[FincardError], logins: int
) -> None:
    """However the login fails, the money call was never made, and its error says so.

    A refused password is not sent again: the account could be locked.
    """
    server = _server(login=lambda number: answer)
    with pytest.raises(FincardError) as caught:
        await client_of(server).cards.freeze("C1")
    error = caught.value
    assert type(error) is kind
    assert (error.operation, error.maybe_applied) == ("cards.freeze", False)
    assert error.order_no
    assert server.calls == []
    assert server.logins == logins
    if kind is ConnectFailed:
        assert error.message.startswith("the login failed: ")
        assert isinstance(error.__cause__, FincardError)
        assert error.__cause__.operation == "auth.create_session"


@pytest.mark.parametrize("answer", [NO, reply(status=503)])
async def test_a_failed_login_is_shared_by_those_who_waited(answer: Answer) -> None:
    """200 calls fail with one failed login; each gets an error of its own."""
    server = _server(login=lambda number: answer)
    client = client_of(server)
    found: list[FincardError] = []

    async def call() -> None:
        try:
            await client.cards.freeze("C1")
        except FincardError as error:
            found.append(error)

    async with anyio.create_task_group() as group:
        for _ in range(200):
            group.start_soon(call)
    assert len(found) == 200
    assert len({id(error) for error in found}) == 200
    assert len({error.order_no for error in found}) == 200
    assert len({(type(error), error.message) for error in found}) == 1
    assert server.logins == (1 if answer is NO else 4)


async def test_a_failed_login_stands_for_a_second() -> None:
    """Calls right after it do not hammer the server; later ones try again."""
    server = _server(login=lambda number: NO if number == 1 else reply({"token": "t"}))
    clock = FakeClock()
    client = client_of(server, clock)
    for seconds, result, logins in (
        (0, "Unauthenticated", 1),
        (0.9, "Unauthenticated", 1),
        (0.2, "done", 2),
    ):
        clock.advance(seconds)
        assert await _read(client) == result
        assert server.logins == logins


async def test_a_token_is_replaced_a_little_early() -> None:
    """A token of an hour serves for 55 minutes."""
    server, clock = _server(), FakeClock()
    client = client_of(server, clock)
    for seconds, logins in ((0, 1), (3299, 1), (2, 2), (3000, 2), (301, 3)):
        clock.advance(seconds)
        assert await _read(client) == "done"
        assert server.logins == logins


async def test_a_wrong_clock_does_not_log_in_with_every_call() -> None:
    """A token that is over on arrival, by a clock that is wrong, still serves."""
    claims = base64.urlsafe_b64encode(json.dumps({"exp": 1000}).encode()).decode()
    server = _server(login=lambda number: reply({"token": f"a.{claims}.c"}))
    client = client_of(server)
    assert [await _read(client) for _ in range(3)] == ["done"] * 3
    assert server.logins == 1


async def test_closing_is_told_by_the_login_too() -> None:
    """A client that cannot be used says so, not that the login failed."""

    class Closed:
        async def send(self, request: object, timeout: float) -> HttpResponse:
            raise errors.ClientClosed("the client is closed")

        async def aclose(self) -> None: ...

    client = client_of(None, transport=Closed())
    with pytest.raises(errors.ClientClosed):
        await client.cards.freeze("C1")


@pytest.mark.parametrize("count", thin([200, 1_000, 10_000], 3))
@pytest.mark.parametrize("how", ["by the clock", "by the server"])
async def test_an_expired_token_is_one_login(count: int, how: str) -> None:
    """However many calls are under way when the token ends, one of them logs in."""
    valid = {"Bearer token-1"}
    server = _server(call=lambda header: reply([]) if header in valid else NO)
    clock = FakeClock()
    client = client_of(server, clock, limits=Limits(max_concurrency=count), timeout=600.0)
    assert await _read(client) == "done"
    if how == "by the clock":
        clock.advance(3301)
    valid = {"Bearer token-2"}
    results: list[str] = []

    async def call() -> None:
        results.append(await _read(client))

    async with anyio.create_task_group() as group:
        for _ in range(count):
            group.start_soon(call)
    assert results == ["done"] * count
    assert server.logins == 2


async def test_a_crowd_with_a_cancelled_half_is_one_login() -> None:
    """500 of 1,000 waiters leave while the login is under way; the rest get its token."""
    clock = FakeClock()
    logins = Logins(clock)
    token = LoginToken(logins, clock, Home())
    headers: list[str] = []

    async def ask() -> None:
        headers.append(await token.header(clock.monotonic() + 60))

    async with anyio.create_task_group() as group:
        group.start_soon(ask)
        await logins.started.wait()
        async with anyio.create_task_group() as leaving:
            for number in range(1000):
                (leaving if number % 2 else group).start_soon(ask)
            await anyio.wait_all_tasks_blocked()
            leaving.cancel_scope.cancel()
        logins.go.set()
    assert headers == ["Bearer t1"] * 501
    assert logins.count == 1


async def test_a_login_that_nobody_waits_for_goes_on() -> None:
    """Callers with little patience would else begin one login after the other, and end none."""
    clock = FakeClock()
    logins = Logins(clock)
    token = LoginToken(logins, clock, Home())
    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(token.header, clock.monotonic() + 60)
        await logins.started.wait()
        await anyio.wait_all_tasks_blocked()
        group.cancel_scope.cancel()
    logins.go.set()
    assert await token.header(clock.monotonic() + 60) == "Bearer t1"


@pytest.mark.parametrize("leaves", ["leader", "waiter", "all but one"])
async def test_a_bare_cancel_of_a_task_cancels_nobody_else(
    leaves: str, anyio_backend_name: str
) -> None:
    """``Task.cancel()`` ends that call alone: there is one login, and the others get its token."""
    if anyio_backend_name != "asyncio":
        pytest.skip("trio has no bare tasks")
    clock = FakeClock()
    logins = Logins(clock)
    token = LoginToken(logins, clock, Home())
    tasks = [asyncio.create_task(token.header(clock.monotonic() + 60)) for _ in range(6)]
    await logins.started.wait()
    await anyio.wait_all_tasks_blocked()
    gone = {"leader": tasks[:1], "waiter": tasks[3:4], "all but one": tasks[:-1]}[leaves]
    for task in gone:
        task.cancel()
    for ended in await asyncio.gather(*gone, return_exceptions=True):
        assert type(ended) is asyncio.CancelledError
    logins.go.set()
    stayed = [task for task in tasks if task not in gone]
    assert await asyncio.gather(*stayed) == ["Bearer t1"] * len(stayed)
    assert logins.count == 1


async def test_an_eager_loop_logs_in_as_well(anyio_backend_name: str) -> None:
    """There a task may be over before it is handed out."""
    if anyio_backend_name != "asyncio" or sys.version_info < (3, 12):
        pytest.skip("eager tasks came with Python 3.12")
    loop = asyncio.get_running_loop()
    loop.set_task_factory(asyncio.eager_task_factory)
    try:
        clock = FakeClock()

        async def login(deadline: float) -> Token:
            return make_token("t1", None, clock.wall())

        token = LoginToken(login, clock, Home())
        assert await token.header(clock.monotonic() + 60) == "Bearer t1"
    finally:
        loop.set_task_factory(None)


async def test_closing_ends_a_login() -> None:
    """No task outlives the client, and those who wait are told why there is no token."""
    ended = anyio.Event()

    class Hangs:
        async def send(self, request: object, timeout: float) -> HttpResponse:
            arrived.set()
            try:
                await anyio.sleep_forever()
            finally:
                ended.set()
            raise AssertionError

        async def aclose(self) -> None: ...

    async def call() -> None:
        with pytest.raises(errors.ClientClosed):
            await client.cards.freeze("C1")

    arrived = anyio.Event()
    client = client_of(None, transport=Hangs())
    async with anyio.create_task_group() as group:
        group.start_soon(call)
        await arrived.wait()
        await client.aclose()
        assert ended.is_set()
    assert client.in_doubt() == ()


async def test_a_fault_of_the_program_in_a_login_is_told() -> None:
    """What is no error of this package reaches every caller, instead of a task that nobody sees."""
    clock = FakeClock()

    async def login(deadline: float) -> Token:
        raise ZeroDivisionError

    token = LoginToken(login, clock, Home())
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            await token.header(clock.monotonic() + 60)


async def test_a_hurried_call_does_not_hurry_the_login() -> None:
    """The login has the client's time, though the call that needs it first has little."""
    clock = FakeClock()
    given: list[float] = []

    async def login(deadline: float) -> Token:
        given.append(deadline - clock.monotonic())
        return make_token("t1", None, clock.wall())

    for patience in (0.5, 100.0):
        token = LoginToken(login, clock, Home(), 30.0)
        await token.header(clock.monotonic() + patience)
    assert given == [30.0, 100.0]


async def test_a_failing_login_is_not_hammered() -> None:
    """Ten calls a second for ten seconds against a refused password are ten logins."""
    server = _server(login=lambda number: NO)
    clock = FakeClock()
    client = client_of(server, clock)
    for _ in range(100):
        assert await _read(client) == "Unauthenticated"
        clock.advance(0.1)
    assert server.logins <= 11


class Logins:
    """A login that a test lets go, one by one."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.started = anyio.Event()
        self.go = anyio.Event()
        self.count = 0
        self.error: FincardError | None = None

    async def __call__(self, deadline: float) -> Token:
        """Wait for the test, then fail or give a token."""
        self.count += 1
        number = self.count
        self.started.set()
        await self.go.wait()
        if self.error is not None and number == 1:
            self.clock.advance(max(0.0, deadline - self.clock.monotonic()))
            raise self.error
        return make_token(f"t{number}", None, self.clock.wall())


async def test_a_cancelled_leader_leaves_at_once() -> None:
    """It does not wait for the end of the login, and the login goes on for the others."""
    clock = FakeClock()
    logins = Logins(clock)
    token = LoginToken(logins, clock, Home())
    headers: list[str] = []

    async def ask() -> None:
        headers.append(await token.header(clock.monotonic() + 60))

    async def cancelled() -> None:
        with leader:
            await ask()
            raise AssertionError("the cancel was lost")

    leader = anyio.CancelScope()
    async with anyio.create_task_group() as group:
        group.start_soon(cancelled)
        await logins.started.wait()
        for _ in range(5):
            group.start_soon(ask)
        await anyio.wait_all_tasks_blocked()
        leader.cancel()
        await anyio.wait_all_tasks_blocked()
        assert leader.cancelled_caught
        logins.go.set()
    assert headers == ["Bearer t1"] * 5
    assert logins.count == 1


async def test_a_cancelled_waiter_changes_nothing() -> None:
    """Those who wait for a login can leave."""
    clock = FakeClock()
    logins = Logins(clock)
    token = LoginToken(logins, clock, Home())
    headers: list[str] = []

    async def ask() -> None:
        headers.append(await token.header(clock.monotonic() + 60))

    async with anyio.create_task_group() as group:
        group.start_soon(ask)
        await logins.started.wait()
        async with anyio.create_task_group() as waiters:
            for _ in range(5):
                waiters.start_soon(ask)
            await anyio.wait_all_tasks_blocked()
            waiters.cancel_scope.cancel()
        logins.go.set()
    assert headers == ["Bearer t1"]
    assert logins.count == 1


async def test_a_waiter_leaves_at_its_own_deadline() -> None:
    """A login that hangs holds nobody longer than the call's own time."""
    clock = FakeClock()
    logins = Logins(clock)
    token = LoginToken(logins, clock, Home())
    async with anyio.create_task_group() as group:
        group.start_soon(token.header, clock.monotonic() + 60)
        await logins.started.wait()
        with pytest.raises(ConnectFailed, match="no login before the deadline"):
            await token.header(clock.monotonic())
        logins.go.set()
    assert logins.count == 1


async def test_the_deadline_of_one_login_is_not_the_failure_of_all() -> None:
    """A login that had too little time says nothing to a call that has more: there is another."""
    clock = FakeClock()
    logins = Logins(clock)
    logins.error = TimedOut("too slow")
    token = LoginToken(logins, clock, Home())
    headers: list[str] = []

    async def hurried() -> None:
        with pytest.raises(ConnectFailed, match="no login before the deadline"):
            await token.header(clock.monotonic() + 50)

    async def patient() -> None:
        headers.append(await token.header(clock.monotonic() + 600))

    async with anyio.create_task_group() as group:
        group.start_soon(hurried)
        await logins.started.wait()
        group.start_soon(patient)
        await anyio.wait_all_tasks_blocked()
        logins.go.set()
    assert headers == ["Bearer t2"]


async def test_a_waiter_leaves_by_the_clients_clock() -> None:
    """Not by the machine's: a test of a user moves the one and not the other."""
    clock = FakeClock()
    logins = Logins(clock)
    token = LoginToken(logins, clock, Home())

    async def impatient() -> None:
        with pytest.raises(ConnectFailed, match="no login before the deadline"):
            await token.header(clock.monotonic() + 500)

    async with anyio.create_task_group() as group:
        group.start_soon(token.header, clock.monotonic() + 1000)
        await logins.started.wait()
        async with anyio.create_task_group() as waiting:
            waiting.start_soon(impatient)
            await anyio.wait_all_tasks_blocked()
            clock.advance(501)
        logins.go.set()
    assert logins.count == 1


async def test_a_late_401_does_not_drop_a_newer_token() -> None:
    """Only the token that was refused is dropped."""
    clock = FakeClock()
    logins = Logins(clock)
    logins.go.set()
    token = LoginToken(logins, clock, Home())
    first = await token.header(clock.monotonic() + 60)
    assert token.refuse(first)
    second = await token.header(clock.monotonic() + 60)
    assert token.refuse(first)
    assert await token.header(clock.monotonic() + 60) == second == "Bearer t2"


async def test_a_remembered_failure_holds_no_frames() -> None:
    """The error that is kept for others does not keep the first call's variables alive."""
    clock = FakeClock()
    failures = [ServerError("down")]

    async def login(deadline: float) -> Token:
        raise failures[0]

    token = LoginToken(login, clock, Home())
    with pytest.raises(ServerError) as caught:
        await token.header(clock.monotonic() + 60)
    assert caught.value is not failures[0]
    kept = [value for value in vars(token).values() if isinstance(value, ServerError)]
    assert [error.__traceback__ for error in kept] == [None]
