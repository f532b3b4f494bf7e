"""Each fault in this process: what the ledger has, and what the client's transport reports."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest

from fincard_async._generated.operations import load
from fincard_async._sansio.codec import decode_any, encode
from fincard_async._sansio.messages import HttpRequest, HttpResponse, TransportFailure
from fincard_async.sandbox import SandboxTransport
from fincard_async.sandbox.faults import fits
from fincard_async.sandbox.replies import REPLIES, show
from fincard_async.testing import FAULTS, Fault, ScriptedFaults, fault

from .fault_cases import LOST, QUERIES, SEEN, TIMEOUT, Waiting, commits, look, opening
from .kit import Api

pytestmark = pytest.mark.anyio


def through(api: Api, *script: tuple[str, int | None, Fault | str]) -> SandboxTransport:
    """A transport with a script of faults; waiting moves the sandbox's clock."""
    return SandboxTransport(api.sandbox, faults=ScriptedFaults(script), clock=Waiting(api))


def asking(api: Api, name: str, **body: Any) -> HttpRequest:
    """A request of any operation."""
    return HttpRequest(load(name).path, api.headers, encode(body))


async def ask(api: Api, item: Fault | str, name: str, **body: Any) -> Any:
    """The ``data`` of a call with a fault."""
    response = await through(api, (name, None, item)).send(asking(api, name, **body), 30.0)
    answer: Any = decode_any(response.body)
    return answer["data"]


async def rows(api: Api, item: Fault | str, query: str, **filters: Any) -> list[Any]:
    """The rows of a query with a fault."""
    name, page = f"transactions.{query}", {"pageNum": 1, "pageSize": 100}
    found: list[Any] = (await ask(api, item, name, **page, **filters))["records"]
    return found


def test_every_fault_has_its_case() -> None:
    """A fault without a line in the table would not be tested, a reply without a fault not used."""
    assert SEEN.keys() | QUERIES == FAULTS.keys()
    assert {item.reply for item in FAULTS.values()} == REPLIES.keys()


@pytest.mark.parametrize("name", SEEN)
async def test_every_fault(api: Api, name: str) -> None:
    """The client sees what the name says, and the ledger has what the name says, and when."""
    plan = ScriptedFaults([("cards.open", 1, name)])
    transport = SandboxTransport(api.sandbox, faults=plan, clock=Waiting(api))
    at_once, in_the_end = commits(FAULTS[name])
    assert await look(transport, opening(api)) == SEEN[name]
    assert api.controls.ledger().orders == at_once
    api.time.pass_ms(999)
    assert api.controls.ledger().orders == at_once
    api.time.pass_ms(1)
    assert api.controls.ledger().orders == in_the_end
    assert plan.injected == [("cards.open", 1, name)]
    assert plan.counts() == {name: 1}
    assert await look(transport, opening(api)) == (200, "CardOperation")
    assert len(plan.injected) == 1


async def test_late_at_its_time(api: Api) -> None:
    """A late call comes at its time, even if somebody looks only afterwards, and only once."""
    transport = through(api, ("cards.open", 1, fault("504-then-commit", late_ms=70)))
    begun = api.time.ms
    await look(transport, opening(api))
    api.time.pass_ms(500)
    assert api.sandbox.deliver_late() == 1
    assert api.sandbox.deliver_late() == 0
    (row,) = api.state.operations.rows
    assert row.accepted_at == begun + 70


async def test_late_after_the_client_gave_up(api: Api) -> None:
    """The delay of a late commit begins when the client has had enough, also by cancellation."""
    transport = through(api, ("cards.open", None, fault("hang-then-commit", late_ms=10)))
    begun = api.time.ms
    assert await look(transport, opening(api), 30.0) == TIMEOUT
    api.time.pass_ms(10)
    with anyio.CancelScope() as scope:
        scope.cancel()
        await look(transport, opening(api))
    assert api.controls.ledger().orders == 1
    assert api.state.operations.rows[0].accepted_at == begun + 30_010
    transport = SandboxTransport(
        api.sandbox, faults=ScriptedFaults([("cards.open", None, "hang-then-commit")])
    )
    with anyio.move_on_after(0.01):
        await transport.send(opening(api), 30.0)
    api.time.pass_ms(1_000)
    assert api.controls.ledger().orders == 2


async def test_late_and_then_refused(api: Api) -> None:
    """A resend that overtakes the late call makes the late call the duplicate."""
    transport = through(api, ("cards.open", 1, "drop-then-commit"))
    request = opening(api)
    assert await look(transport, request) == LOST
    assert await look(transport, request) == (200, "CardOperation")
    api.time.pass_ms(1_000)
    assert api.sandbox.deliver_late() == 1
    assert api.controls.doubled() == []


async def test_nothing_late_after_the_end(api: Api) -> None:
    """A sandbox that is closed carries nothing out."""
    await look(through(api, ("cards.open", 1, "drop-then-commit")), opening(api))
    api.sandbox.close()
    api.time.pass_ms(1_000)
    assert api.sandbox.deliver_late() == 0


@pytest.mark.parametrize("name", ["commit-then-slow", "commit-then-dribble"])
async def test_slow_but_in_time(api: Api, name: str) -> None:
    """A slow reply within the time-out is the real one."""
    clock = Waiting(api)
    plan = ScriptedFaults([("*", None, fault(name, lasts=3.0))])
    transport = SandboxTransport(api.sandbox, delay=0.5, faults=plan, clock=clock)
    assert await look(transport, opening(api)) == (200, "CardOperation")
    assert clock.waited == [3.5]


async def test_401_once(api: Api) -> None:
    """The same request is refused once; another one is refused too."""
    transport = through(api, ("cards.open", None, "401-once"))
    for request in (opening(api), opening(api)):
        assert await look(transport, request) == (401, "Unauthenticated")
        assert await look(transport, request) == (200, "CardOperation")


@pytest.mark.parametrize(
    ("item", "header", "value"),
    [
        ("429-before-commit", "retry-after", "1"),
        (fault("commit-then-429", retry_after="Wed, 21 Oct"), "retry-after", "Wed, 21 Oct"),
        ("429-without-hint-before-commit", "retry-after", None),
        (
            fault("commit-then-307", location="http://127.0.0.1:1/x"),
            "location",
            "http://127.0.0.1:1/x",
        ),
        ("502-before-commit", "content-type", "text/html"),
        ("502-envelope-before-commit", "content-type", "application/json;charset=utf-8"),
    ],
)
async def test_headers(api: Api, item: Fault | str, header: str, value: str | None) -> None:
    """Hints and addresses are as given."""
    response = await through(api, ("cards.open", 1, item)).send(opening(api), 5.0)
    assert response.headers.get(header) == value


async def test_stuck(api: Api) -> None:
    """Only this order never ends; a control call can still end it."""
    transport = through(api, ("cards.open", 2, "stuck-in-processing"))
    for _ in range(3):
        await look(transport, opening(api))
    api.time.pass_ms(3_000_000)
    assert [row["status"] for row in api.rows("operations")] == [
        "success",
        "wait_process",
        "success",
    ]
    assert api.controls.settle_now() == 1
    assert api.controls.ledger().unfinished == 0


async def test_stuck_after_a_restart(tmp_path: Path) -> None:
    """The state file has the stuck order as such."""
    api = Api(state=tmp_path / "state")
    await look(through(api, ("cards.open", 1, "stuck-in-processing")), opening(api))
    api.sandbox.close()
    again = Api(state=tmp_path / "state")
    again.time.pass_ms(3_000_000)
    again.order(merchantOrderNo="A" * 20)
    again.settle()
    assert again.controls.ledger().unfinished == 1
    again.sandbox.close()


@pytest.mark.parametrize("name", ["stuck-in-processing", "commit-then-wrong-order-no"])
async def test_refused_anyway(api: Api, name: str) -> None:
    """Where the server refuses, there is nothing to spoil, and nothing is counted."""
    plan = ScriptedFaults([("cards.deposit", None, name)])
    transport = SandboxTransport(api.sandbox, faults=plan)
    body = {"merchantOrderNo": api.number(), "cardNo": "nobody", "amount": 5}
    response = await transport.send(asking(api, "cards.deposit", **body), 5.0)
    assert b"not found" in response.body
    assert plan.injected == []
    assert api.state.latency == 20


@pytest.mark.parametrize("query", ["operations", "operations_v1", "purchases"])
async def test_stale_query(api: Api, query: str) -> None:
    """A query shows what was some time ago: fewer rows, and states that are over."""
    item = fault("stale-query", behind_ms=15)
    api.order()
    assert await rows(api, item, query) == []
    api.time.pass_ms(20)
    assert {row["status"] for row in await rows(api, item, query)} == {"wait_process"}
    assert {row["status"] for row in api.rows(query)} == {"success"}
    api.time.pass_ms(8)
    assert {row["status"] for row in await rows(api, item, query)} == {"processing"}
    assert await rows(api, item, query, endTime=api.time.ms - 29) == []
    api.time.pass_ms(7)
    assert await rows(api, item, query) == api.rows(query)


async def test_settled_early_and_seen_late(api: Api) -> None:
    """An order that a control call ended is shown as unfinished by a query that lags."""
    api.controls.set_latency(None)
    api.order()
    api.time.pass_ms(10)
    api.controls.settle_now()
    api.time.pass_ms(10)
    (row,) = await rows(api, fault("stale-query", behind_ms=15), "operations")
    assert row["status"] == "processing"
    assert [row["status"] for row in api.rows("operations")] == ["success"]


async def test_without_the_newest(api: Api) -> None:
    """A query leaves out the newest rows, also where the order is asked for by its number."""
    numbers = [api.order()["merchantOrderNo"] for _ in range(3)]
    for newest, left in ((1, 2), (2, 1), (5, 0)):
        found = await rows(api, fault("query-without-newest", newest=newest), "operations")
        assert [row["merchantOrderNo"] for row in found] == numbers[:left][::-1]
    assert await rows(api, "query-without-newest", "purchases", merchantOrderNo=numbers[2]) == []
    assert (
        len(await rows(api, "query-without-newest", "purchases", merchantOrderNo=numbers[1])) == 1
    )
    assert len(api.rows("operations")) == 3


async def test_filter_ignored(api: Api) -> None:
    """A query gives everything, in pages and newest first, but only its own kind."""
    card_no = api.card()
    api.change("deposit", card_no, amount=10)
    assert len(await rows(api, "query-ignores-filter", "operations", merchantOrderNo="none")) == 2
    assert len(await rows(api, "query-ignores-filter", "purchases", orderNo="none")) == 1
    assert api.rows("operations", merchantOrderNo="none") == []


async def test_rows_are_spoiled_too(api: Api) -> None:
    """A field is changed in every row of a page."""
    card_no = api.card()
    (row,) = await rows(api, "commit-then-unknown-status", "operations")
    assert row["status"] == "reviewing"
    (row,) = await rows(api, "commit-then-missing-card-no", "operations")
    assert "cardNo" not in row
    types = await ask(api, "commit-then-missing-status", "cards.list_types")
    assert all("status" not in item for item in types)
    api.controls.block_card(card_no)  # an operation without a merchant's number
    blocked, made = await rows(api, "commit-then-wrong-order-no", "operations")
    assert "merchantOrderNo" not in blocked
    assert made["merchantOrderNo"] != api.rows("operations")[1]["merchantOrderNo"]
    other = (await ask(api, "commit-then-wrong-card-no", "cards.get", cardNo=card_no))["cardNo"]
    assert other != card_no
    assert other[:-1] == card_no[:-1]


def test_huge_number_without_an_amount() -> None:
    """Where the answer has no amount, the number stands for the data, if there are any."""
    item = FAULTS["commit-then-huge-number"]
    shown = show(item, HttpResponse(200, {}, b'{"success":true,"data":{"cardNo":"x"}}'))
    assert shown is not None
    assert shown.response.body == b'{"success":true,"data":' + b"9" * 100_000 + b"}"
    assert show(item, HttpResponse(200, {}, b'{"access_token":"x"}')) is None


async def test_logins(api: Api) -> None:
    """A login can fail like any call, if the script names it."""
    path = load("auth.create_session").path.format(
        organizationId="sandbox-organization", userId="sandbox-user"
    )
    transport = through(api, ("auth.create_session", 2, "502-before-commit"))
    request = HttpRequest(path, api.headers, encode({"username": "sandbox", "password": "no"}))
    assert (await transport.send(request, 5.0)).status == 401
    assert (await transport.send(request, 5.0)).status == 502
    request = HttpRequest(load("auth.password_login").path, api.headers, b"{}")
    transport = through(api, ("auth.password_login", 1, "drop-before-commit"))
    with pytest.raises(TransportFailure):
        await transport.send(request, 5.0)


async def test_unknown_path(api: Api) -> None:
    """A path without an operation has no faults."""
    request = HttpRequest("/api/nothing", api.headers, b"{}")
    assert (await through(api, ("*", None, "502-before-commit")).send(request, 5.0)).status == 404


async def test_a_plan_of_ones_own(api: Api) -> None:
    """A plan that chooses what a call cannot have changes nothing."""

    class Wrong(ScriptedFaults):
        def choose(self, operation_name: str, nth: int, mutates: bool) -> Fault | None:
            return replace(FAULTS["stale-query"])

    plan = Wrong([])
    transport = SandboxTransport(api.sandbox, faults=plan)
    assert await look(transport, opening(api)) == (200, "CardOperation")
    assert plan.injected == []
    assert plan.met == {"cards.open": 1}
    assert not fits(FAULTS["stale-query"], "cards.nothing")


async def test_two_transports_of_one_plan(api: Api) -> None:
    """The numbers go on where a client begins again."""
    plan = ScriptedFaults([("cards.open", 2, "commit-then-drop")])
    seen = [await look(SandboxTransport(api.sandbox, faults=plan), opening(api)) for _ in range(3)]
    assert seen == [(200, "CardOperation"), LOST, (200, "CardOperation")]


async def test_without_faults_nothing_is_in_between(api: Api) -> None:
    """Without a plan, and where the plan says nothing, the answer is the sandbox's own."""
    request = asking(api, "cards.list_types")
    answers: list[HttpResponse] = [
        await SandboxTransport(api.sandbox).send(request, 5.0),
        await through(api).send(request, 5.0),
    ]
    assert answers == [api.sandbox.handle(request)] * 2
