"""Journal and ledger compared: what agrees, what differs, and what a moving list may not invent."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fincard_async._generated.models.common import OperationStatus
from fincard_async._generated.operations.transactions import OPERATIONS
from fincard_async._sansio.messages import HttpRequest, HttpResponse
from fincard_async.bulk import (
    BulkOperation,
    Difference,
    Found,
    OperationRow,
    RowState,
    SqliteJournal,
    audit,
)
from fincard_async.bulk.audit import Sum, compare
from fincard_async.bulk.books import Booked, Books
from fincard_async.bulk.entry import Entry
from fincard_async.errors import JournalError, ValidationError
from fincard_async.sandbox import Sandbox, SandboxSettings, SandboxTransport
from fincard_async.sandbox.catalog import PREPAID
from fincard_async.testing import sandbox_client

from .kit import PATIENT, World, number_of, rows_of, total

pytestmark = pytest.mark.anyio

ROWS = rows_of(5)
ISSUED, FAILED, ACCEPTED = RowState.ISSUED, RowState.FAILED, RowState.ACCEPTED
SUCCESS, FAIL, PROCESSING = (
    OperationStatus.SUCCESS,
    OperationStatus.FAIL,
    OperationStatus.PROCESSING,
)


def entry(state: RowState = ISSUED, **changes: Any) -> Entry:
    """A row of a journal."""
    settings: dict[str, Any] = {
        "seq": 0,
        "row_id": "a",
        "order_no": "N1",
        "payload": "{}",
        "card_no": "FC1",
        "amount": Decimal(50),
        "state": state,
    }
    return Entry(**{**settings, **changes})


def booked(status: OperationStatus = SUCCESS, **changes: Any) -> Booked:
    """The same on a ledger."""
    settings: dict[str, Any] = {
        "number": "N1",
        "platform": "P1",
        "query": "operations",
        "kind": "create",
        "status": status,
        "card_no": "FC1",
        "amount": Decimal("50.00"),
        "currency": "USD",
        "at": 1,
    }
    return Booked(**{**settings, **changes})


def bought(status: OperationStatus = SUCCESS, **changes: Any) -> Booked:
    """The same in the list of purchases."""
    return booked(status, query="purchases", card_no=None, **changes)


@pytest.mark.parametrize(
    "row, ledger, differences",
    [
        (entry(), [booked(), bought()], []),
        (entry(), [], [Difference.NOT_ON_LEDGER]),
        (entry(ACCEPTED), [], [Difference.NOT_ON_LEDGER]),
        (entry(ACCEPTED), [booked(PROCESSING), bought(PROCESSING)], []),
        (entry(ACCEPTED), [booked(), bought()], []),
        (entry(FAILED), [booked(FAIL)], []),
        (entry(FAILED), [], [Difference.NOT_ON_LEDGER]),
        (entry(FAILED), [booked(), bought()], [Difference.STATE]),
        (entry(), [booked(FAIL)], [Difference.STATE]),
        (entry(), [booked(PROCESSING), bought(PROCESSING)], [Difference.STATE]),
        (entry(), [booked(), bought(), booked(platform="P2")], [Difference.TWICE]),
        (entry(), [booked(amount=Decimal(51)), bought()], [Difference.AMOUNT]),
        (entry(), [booked(), bought(amount=Decimal(51))], [Difference.AMOUNT]),
        (entry(), [booked(amount=None), bought()], []),
        (entry(), [booked(card_no="FC2"), bought()], [Difference.CARD]),
        (entry(), [booked(kind="deposit"), bought()], [Difference.STATE]),
        (entry(), [booked()], [Difference.QUERIES]),
        (entry(RowState.REFUSED), [bought()], [Difference.QUERIES]),
        (entry(RowState.REFUSED), [booked(), bought()], [Difference.STATE]),
        (entry(RowState.WITHDRAWN), [booked(), bought()], [Difference.STATE]),
        (entry(RowState.PLANNED), [booked(), bought()], [Difference.STATE]),
        (entry(RowState.PLANNED), [], []),
        (entry(RowState.UNKNOWN), [booked(), bought()], []),
        (entry(RowState.UNKNOWN), [], []),
        (entry(RowState.PARKED), [], []),
    ],
)
async def test_compare(row: Entry, ledger: list[Booked], differences: list[Difference]) -> None:
    """Every way in which a row and the ledger can agree or not."""
    assert list(compare(row, ledger, "create")) == differences


async def test_a_job_that_ended_well(world: World) -> None:
    """Journal and ledger agree, sums are exact, and nothing was changed."""
    await world.run(ROWS)
    found = await audit(world.client, SqliteJournal(world.path))
    assert found.agrees
    assert (found.rows, found.orders, found.others, found.unsettled) == (5, 5, 0, 0)
    assert found.sums == {"USD": Sum(journal=total(ROWS), ledger=total(ROWS))}
    assert (await world.run(ROWS)).ok
    world.assert_exact(ROWS)


async def test_a_journal_of_nothing_sent(world: World) -> None:
    """A job that never sent anything has no window, and nothing to differ."""
    job = world.job(confirm=lambda _: False)
    with pytest.raises(ValidationError):
        await job.run([], job="payroll")
    with pytest.raises(Exception, match="not confirmed"):
        await job.run(ROWS, job="payroll")
    found = await audit(world.client, SqliteJournal(world.path))
    assert (found.start, found.rows, found.orders) == (None, 5, 0)
    assert found.agrees


async def test_another_ledger(world: World) -> None:
    """Against a ledger without its orders every row is a difference, with what is known of it."""
    await world.run(ROWS)
    told: list[Found] = []
    with Sandbox(SandboxSettings(latency_ms=0), clock=world.clock.wall) as other:
        async with sandbox_client(sandbox=other, clock=world.clock, timeout=PATIENT) as client:
            for row in ROWS[:2]:  # the same numbers, but other amounts and other cards
                for _ in range(3):
                    await client.cards.open(card_type_id=PREPAID, amount=99)
                await client.cards.open(
                    card_type_id=PREPAID, amount=row.amount + 1, merchant_order_no=number_of(row)
                )
            found = await audit(client, SqliteJournal(world.path), on_difference=told.append)
    assert found.differences == {
        Difference.AMOUNT: 2,
        Difference.CARD: 2,
        Difference.NOT_ON_LEDGER: 3,
        Difference.NOT_IN_JOURNAL: 6,
    }
    assert (found.orders, found.others, found.agrees) == (2, 6, False)
    assert found.sums["USD"] == Sum(
        journal=total(ROWS), ledger=total(ROWS[:2]) + 2, others=Decimal(6 * 99)
    )
    lost = [item for item in told if item.difference is Difference.NOT_ON_LEDGER]
    assert [(item.row_id, item.state, item.amount) for item in lost] == [
        (row.row_id, ISSUED, row.amount) for row in ROWS[2:]
    ]


async def test_an_order_that_is_there_twice(tmp_path: Path, world: World) -> None:
    """On a server that does not refuse a number, a second order of it is found."""
    await world.run(ROWS)
    settings = SandboxSettings(latency_ms=0, dedupe="none")
    told: list[Found] = []
    with Sandbox(settings, clock=world.clock.wall) as other:
        async with sandbox_client(sandbox=other, clock=world.clock, timeout=PATIENT) as client:
            for row in [*ROWS, ROWS[3]]:
                await client.cards.open(
                    card_type_id=PREPAID, amount=row.amount, merchant_order_no=number_of(row)
                )
            found = await audit(client, SqliteJournal(world.path), on_difference=told.append)
    assert found.differences[Difference.TWICE] == 1
    twice = next(item for item in told if item.difference is Difference.TWICE)
    assert (twice.row_id, len({row.platform for row in twice.booked})) == ("row-3", 2)
    assert found.sums["USD"].ledger - found.sums["USD"].journal == ROWS[3].amount


class Hiding:
    """A wire on which lists lack their newest row; a look-up by number has it, or fails."""

    def __init__(self, sandbox: Sandbox, *, broken: bool = False) -> None:
        self._wire = SandboxTransport(sandbox)
        self._broken = broken
        self.hidden = 0

    async def send(self, request: HttpRequest, timeout: float) -> HttpResponse:
        response = await self._wire.send(request, timeout)
        query = msgspec.json.decode(request.body)
        if request.path != OPERATIONS.path:
            return response
        if "merchantOrderNo" in query:
            return HttpResponse(503, {}, b"") if self._broken else response
        answer = msgspec.json.decode(response.body)
        self.hidden += len(answer["data"]["records"][:1])
        del answer["data"]["records"][:1]
        answer["data"]["total"] -= 1
        return HttpResponse(200, response.headers, msgspec.json.encode(answer))

    async def aclose(self) -> None:
        await self._wire.aclose()


async def test_a_row_that_the_list_has_lost_is_no_difference(world: World) -> None:
    """What a moving list does not show is asked for by number before it is called missing."""
    await world.run(ROWS)
    wire = Hiding(world.sandbox)
    async with sandbox_client(
        sandbox=world.sandbox, transport=wire, clock=world.clock, timeout=PATIENT
    ) as client:
        found = await audit(client, SqliteJournal(world.path))
    assert wire.hidden
    assert found.agrees
    assert found.sums["USD"].ledger == total(ROWS)


async def test_no_verdict_without_an_answer(world: World) -> None:
    """If the server cannot be asked, there is an error and no difference."""
    await world.run(ROWS)
    wire = Hiding(world.sandbox, broken=True)
    async with sandbox_client(
        sandbox=world.sandbox, transport=wire, clock=world.clock, timeout=PATIENT
    ) as client:
        with pytest.raises(JournalError, match="cannot be compared: the look-up failed"):
            await audit(client, SqliteJournal(world.path))


async def test_a_journal_of_another_tenant(world: World) -> None:
    """A journal is compared with its own server and tenant only; there must be one."""
    await world.run(ROWS)
    settings = SandboxSettings(tenant_id="other")
    with Sandbox(settings, clock=world.clock.wall) as other:
        async with sandbox_client(sandbox=other, clock=world.clock) as client:
            with pytest.raises(JournalError, match="belongs to"):
                await audit(client, SqliteJournal(world.path))
    with pytest.raises(ValidationError):
        await audit(world.client)
    assert (await audit(world.client, SqliteJournal(world.path))).agrees


async def test_two_jobs_that_ran_together(world: World, tmp_path: Path) -> None:
    """With both journals nothing is a stranger's; with one, the orders of the other are."""
    await world.run(ROWS)
    cards = [row.card_no for row in (await world.run(ROWS)).results]
    other = SqliteJournal(tmp_path / "deposits.journal")
    deposits = BulkOperation(world.client, kind="deposit", journal=other, clock=world.clock)
    rows = [
        OperationRow(row_id=f"d{n}", values={"card_no": card, "amount": 20 + n})
        for n, card in enumerate(cards)
    ]
    assert (await deposits.run(rows, job="top-up")).ok
    both = await audit(world.client, SqliteJournal(world.path), other)
    assert (both.agrees, both.rows, both.jobs) == (True, 10, ("payroll", "top-up"))
    one = await audit(world.client, other)
    assert (one.agrees, one.orders, one.sums["USD"].journal) == (True, 5, Decimal(110))


async def test_books_keep_what_a_list_repeats_once() -> None:
    """A row that a moving list shows twice is there once, as it was seen last."""
    with Books() as books:
        await books.add(
            [booked(PROCESSING), booked(), bought(), booked(number=None, platform="P9")]
        )
        found = await books.claim(["N1", "N2"])
        assert {number: len(rows) for number, rows in found.items()} == {"N1": 2}
        assert {row.status for row in found["N1"]} == {SUCCESS}
        assert [row.platform for row in books.unclaimed()] == ["P9"]
