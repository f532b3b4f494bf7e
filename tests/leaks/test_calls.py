"""A call that fails at any stage shows no secret: in its error, in its frames, in any log."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest

from fincard_async import FincardClient, Limits, Secret, SessionLogin
from fincard_async._sansio.messages import HttpRequest, HttpResponse, TransportFailure
from fincard_async.errors import UsageError
from fincard_async.testing import reply
from tests.runtime.rig import client_of
from tests.thinning import thin

from .sinks import CANARIES, hits, leaks

pytestmark = pytest.mark.anyio

PAN, CVV, PIN, CODE, TOKEN, PASSWORD, TENANT, KEY = CANARIES.values()
LOGIN = SessionLogin(
    organization_id="o", user_id="u", username="n", password=PASSWORD, tenant_secret=TENANT
)
ALL = " ".join(CANARIES.values())
ORDER = "CANARY-TEST-ORDER-0000000001"

Call = Callable[[FincardClient], Awaitable[object]]
CALLS: dict[str, Call] = {
    "pin": lambda client: client.cards.update_pin("C1", pin=PIN),
    "secret pin": lambda client: client.cards.update_pin("C1", pin=Secret(PIN)),
    "activate": lambda client: client.cards.activate("C1", pin=PIN, active_code=CODE),
    "open": lambda client: client.cards.open(card_type_id=1, amount="50", card_number=PAN),
    "sensitive": lambda client: client.cards.get_sensitive("C1"),
    "three_ds": lambda client: client.transactions.three_ds().first(),
    "settled": lambda client: client.cards.freeze("C1", merchant_order_no=ORDER),
}


def granted(request: HttpRequest) -> HttpResponse:
    """A login that is granted."""
    return reply({"token": TOKEN})


def json(text: str, status: int = 200) -> HttpResponse:
    """An answer with this body, and headers that no log may show."""
    return HttpResponse(status, {"set-cookie": ALL, "location": f"https://x/?{ALL}"}, text.encode())


Step = Callable[[HttpRequest], Any]
STAGES: dict[str, tuple[Step, Step]] = {
    # the login's answer, the call's answer
    "login refused": (lambda r: reply(status=401, msg=f"bad password {PASSWORD}"), granted),
    "login is HTML": (lambda r: json(f"<html>{ALL}"), granted),
    "login is no envelope": (lambda r: json(f'"{ALL}"'), granted),
    "login of a wrong shape": (
        lambda r: json(f'{{"token":"{TOKEN}","expiresIn":"{PAN}x"}}'),
        granted,
    ),
    "login token is a number": (lambda r: json(f'{{"token":{PIN},"accessToken":{PIN}}}'), granted),
    "login token cannot be sent": (
        lambda r: reply({"token": f"{TOKEN}\r\nX: {PASSWORD}"}),
        granted,
    ),
    "login is deep": (lambda r: json("[" * 90 + f'"{TOKEN}"' + "]" * 90), granted),
    "login hangs": (lambda r: TransportFailure("timeout", sent=True, detail="late"), granted),
    "login breaks the program": (lambda r: ZeroDivisionError(), granted),
    "login is invalid UTF-8": (
        lambda r: HttpResponse(200, {}, f'{{"token":"{TOKEN}'.encode() + b'\xff"}'),
        granted,
    ),
    "nothing is sent": (granted, lambda r: TransportFailure("connect", sent=False, detail="no")),
    "the answer is lost": (granted, lambda r: TransportFailure("lost", sent=True, detail="lost")),
    "the program breaks": (granted, lambda r: ZeroDivisionError()),
    "401 again and again": (granted, lambda r: json(f'{{"success":false,"msg":"{TOKEN}"}}', 401)),
    "a redirect": (granted, lambda r: json(ALL, 302)),
    "HTML": (granted, lambda r: json(f"<html>{ALL}")),
    "HTML with 502": (granted, lambda r: json(f"<html>{ALL}", 502)),
    "no envelope": (granted, lambda r: json(f'"{ALL}"')),
    "neither success nor code": (granted, lambda r: json(f'{{"data":"{ALL}"}}')),
    "invalid UTF-8": (granted, lambda r: HttpResponse(200, {}, ALL.encode() + b"\xff")),
    "data of a wrong type": (granted, lambda r: json(f'{{"success":true,"data":"{ALL}"}}')),
    "a field of a wrong type": (
        granted,
        lambda r: json(f'{{"success":true,"data":{{"status":["{ALL}"],"cardNo":["{ALL}"]}}}}'),
    ),
    "an amount in words": (
        granted,
        lambda r: json(f'{{"success":true,"data":{{"amount":"{ALL}","cvv":[1],"total":"{ALL}"}}}}'),
    ),
    "a key twice": (
        granted,
        lambda r: json(f'{{"success":true,"data":{{"cardNo":"C1","cardNo":"{PAN}"}}}}'),
    ),
    "another card": (
        granted,
        lambda r: json(f'{{"success":true,"data":{{"cardNo":"C2","extra":"{ALL}"}}}}'),
    ),
    "too deep": (granted, lambda r: json("[" * 90 + f'"{ALL}"' + "]" * 90)),
    "the server repeats what it was sent": (
        granted,
        lambda r: reply(
            status=400,
            msg=f"bad {r.body.decode()} from {r.headers['Authorization']}",
        ),
    ),
}


class Wire:
    """Answers a login and everything else, each in its way."""

    def __init__(self, login: Step, call: Step) -> None:
        self._login = login
        self._call = call

    async def send(self, request: HttpRequest, timeout: float) -> HttpResponse:
        """One exchange; an exception is raised as it is."""
        await anyio.lowlevel.checkpoint()
        step = self._login if request.path.endswith(("/sessions", "/login")) else self._call
        answer = step(request)
        if isinstance(answer, BaseException):
            raise answer
        assert isinstance(answer, HttpResponse)
        return answer

    async def aclose(self) -> None:
        """Nothing to close."""


async def shown_by(call: Awaitable[object]) -> list[str]:
    """Which canaries the error of a call shows; a result shows none."""
    try:
        await call
    except Exception as error:  # noqa: BLE001 - whatever it is, it must not tell
        return leaks(error)
    return []


@pytest.mark.parametrize("name", thin(CALLS, 2))
@pytest.mark.parametrize("stage", thin(STAGES, 3))
async def test_a_failed_call_shows_nothing(
    stage: str, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever the answer, whatever the call."""
    caplog.set_level(logging.DEBUG)
    events: list[object] = []
    client = client_of(
        None, transport=Wire(*STAGES[stage]), auth=LOGIN, observers=[events.append], timeout=5.0
    )
    assert await shown_by(CALLS[name](client)) == []
    assert hits(f"{client!r} {client.in_doubt()!r} {events!r}") == []
    assert hits(caplog.text + "".join(map(repr, (vars(r) for r in caplog.records)))) == []


BAD_ARGUMENTS: dict[str, Call] = {
    "a pin that is too long": lambda c: c.cards.update_pin("C1", pin=PIN + "1"),
    "a pin that breaks the rules": lambda c: c.cards.update_pin("C1", pin="1" + PIN),
    "a pin that is no text": lambda c: c.cards.update_pin("C1", pin=PIN.encode()),  # type: ignore[arg-type]  # what a caller may give
    "a pin that no codec takes": lambda c: c.cards.update_pin("C1", pin=PIN + "\ud800"),
    "a code that no codec takes": lambda c: c.cards.activate(
        "C1", pin="135792", active_code=CODE + "\ud800"
    ),
    "an empty id beside a pin": lambda c: c.cards.activate("", pin=PIN, active_code=CODE),
    "a pin that is a number": lambda c: c.cards.update_pin("C1", pin=int(PIN)),  # type: ignore[arg-type]  # likewise
    "a float beside a number": lambda c: c.cards.open(
        card_type_id=1,
        amount=0.5,  # type: ignore[arg-type]  # likewise
        card_number=PAN,
    ),
}


@pytest.mark.parametrize("name", BAD_ARGUMENTS)
async def test_a_refused_argument_shows_nothing(name: str) -> None:
    """A rule names the field; neither its message nor its frames hold the value."""
    wire = Wire(granted, granted)
    client = client_of(None, transport=wire, auth=LOGIN)
    with pytest.raises((UsageError, TypeError)) as caught:
        await BAD_ARGUMENTS[name](client)
    assert leaks(caught.value) == []


@pytest.mark.parametrize("name", CALLS)
async def test_a_call_without_a_place_shows_nothing(name: str) -> None:
    """Refused before anything is sent: overload, a closed client, no time."""
    limits = Limits(max_concurrency=1, max_waiting=0, rate=0.001)
    client = client_of(None, transport=Wire(granted, granted), auth=LOGIN, limits=limits)
    await shown_by(client.cards.list_types())
    assert await shown_by(CALLS[name](client)) == []
    assert await shown_by(CALLS[name](client.with_options(timeout=1e-9))) == []
    await client.aclose()
    assert await shown_by(CALLS[name](client)) == []


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("stage", ["login", "call"])
async def test_a_cancelled_call_shows_nothing(
    stage: str, name: str, anyio_backend_name: str
) -> None:
    """``CancelledError`` comes through every frame of the call."""

    async def hang(request: HttpRequest, timeout: float) -> HttpResponse:
        arrived.set()
        await anyio.sleep_forever()
        raise AssertionError

    class Hangs(Wire):
        async def send(self, request: HttpRequest, timeout: float) -> HttpResponse:
            if (stage == "login") is request.path.endswith("/sessions"):
                return await hang(request, timeout)
            return await super().send(request, timeout)

    arrived = asyncio.Event()
    client = client_of(None, transport=Hangs(granted, granted), auth=LOGIN)
    task = asyncio.ensure_future(CALLS[name](client))
    await arrived.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await task
    assert leaks(caught.value) == []
    await client.aclose()
