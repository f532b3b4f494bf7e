"""Bulk jobs of every kind on cards that exist, in the order of the input for each card."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from fincard_async._generated.models.common import CardStatus, OperationType
from fincard_async.bulk import (
    BulkOperation,
    Estimate,
    GuardTripped,
    OperationRow,
    Report,
    RowState,
    SqliteJournal,
)
from fincard_async.errors import JournalError, ValidationError
from fincard_async.sandbox.catalog import PREPAID

from .kit import Fate, World, states

pytestmark = pytest.mark.anyio


@pytest.fixture
async def cards(world: World) -> list[str]:
    """Three cards with 100 on each."""
    numbers: list[str] = []
    for _ in range(3):
        order = await world.client.cards.open(card_type_id=PREPAID, amount=100)
        assert order.card_no is not None
        numbers.append(order.card_no)
    world.wire.orders.clear()
    return numbers


def job_of(world: World, kind: Any, **settings: Any) -> BulkOperation:
    """A job of a kind."""
    journal = SqliteJournal(world.path)
    return BulkOperation(world.client, kind=kind, journal=journal, clock=world.clock, **settings)


def rows_on(cards: list[str], **values: object) -> list[OperationRow]:
    """One row for each card."""
    return [
        OperationRow(row_id=f"row-{n}", values={"card_no": card, **values})
        for n, card in enumerate(cards)
    ]


async def run(world: World, kind: Any, rows: list[OperationRow], **settings: Any) -> Report:
    """Run a job."""
    return await job_of(world, kind, **settings).run(rows, job="batch")


CASES: list[tuple[str, Mapping[str, object]]] = [
    ("deposit", {"amount": "25.50", "client_remark": "top-up"}),
    ("withdraw", {"amount": 5}),
    ("freeze", {}),
    (
        "update",
        {"spending_controls": [{"interval": "PER_TRANSACTION", "amount": "10"}]},
    ),
    ("cancel", {"client_remark": "left"}),
]


@pytest.mark.parametrize("kind, values", CASES, ids=[kind for kind, _ in CASES])
@pytest.mark.parametrize("fate", ["answer", "lost after", "lost before", "not sent"])
async def test_every_kind(
    world: World, cards: list[str], kind: str, values: Mapping[str, object], fate: Fate
) -> None:
    """Every kind is carried out once for each row, whatever becomes of the first attempt."""
    world.wire.fate = lambda number, attempt: "answer" if attempt else fate
    rows = rows_on(cards, **values)
    before = world.ledger.orders
    report = await run(world, kind, rows, confirm=lambda estimate: True)
    assert (report.ok, report.kind) == (True, kind)
    assert [row.card_no for row in report.results] == cards
    assert world.ledger.orders == before + 3
    assert (await run(world, kind, rows, confirm=lambda estimate: False)).ok
    assert world.ledger.orders == before + 3


async def test_money_is_exact(world: World, cards: list[str]) -> None:
    """What was deposited is on the cards, less the fee that was reported."""
    report = await run(world, "deposit", rows_on(cards, amount="25.55"))
    assert report.amounts == {"USD": Decimal("76.65")}
    received = sum((row.received_amount or 0 for row in report.results), Decimal(0))
    assert report.received == {"USD": received}
    assert received + report.fees["USD"] == Decimal("76.65")
    balance = await world.client.cards.get_balance(cards[0])
    assert balance.amount == 100 + (report.results[0].received_amount or 0)


async def test_rows_of_one_card_take_turns(world: World, cards: list[str]) -> None:
    """Rows of one card are carried out in the order of the input, one after the other; other cards
    go on meanwhile."""
    rows = [
        OperationRow(row_id=f"{n}", values={"card_no": cards[n % 3], "amount": n + 10})
        for n in range(30)
    ]
    order: list[str] = []

    def before_order(number: str) -> None:
        order.append(number)

    world.wire.before_order = before_order
    report = await run(world, "deposit", rows, concurrency=8)
    assert report.ok
    by_number = {row.order_no: int(row.row_id) for row in report.results}
    sent = [by_number[number] for number in order]
    for card in range(3):
        of_card = [n for n in sent if n % 3 == card]
        assert of_card == sorted(of_card)
    assert world.wire.most_in_flight == 3


async def test_later_rows_wait_for_what_is_unknown(world: World, cards: list[str]) -> None:
    """While a row of a card is unknown, the later rows of that card stay planned, in this run and
    the next; once it is settled they go on."""
    rows = [
        OperationRow(row_id=f"{card}-{n}", values={"card_no": cards[card], "amount": 10})
        for n in range(3)
        for card in range(2)
    ]
    bad: list[str] = []

    def fate(number: str, attempt: int) -> Fate:
        if not bad:
            bad.append(number)
        return "lost before" if number in bad else "answer"

    world.wire.fate = fate
    for _ in range(2):
        report = await run(world, "deposit", rows, concurrency=1)
        assert states(report) == {
            RowState.ISSUED: 3,
            RowState.UNKNOWN: 1,
            RowState.PLANNED: 2,
        }
    bad[:] = ["none"]
    assert (await run(world, "deposit", rows)).ok
    records = await world.client.transactions.operations(type=OperationType.DEPOSIT).collect()
    assert len(records) == 6


async def test_a_refusal_lets_the_next_row_go(world: World, cards: list[str]) -> None:
    """A row that was refused for good is at its end, and the next one of its card has its turn."""
    rows = [
        OperationRow(row_id="too much", values={"card_no": cards[0], "amount": 1000}),
        OperationRow(row_id="enough", values={"card_no": cards[0], "amount": 10}),
    ]
    report = await run(world, "withdraw", rows)
    assert [row.state for row in report.results] == [RowState.REFUSED, RowState.ISSUED]
    assert len(report.codes) == 1


async def test_cancel_asks_first(world: World, cards: list[str]) -> None:
    """What nothing can undo is not done unless somebody, shown what it is, says yes."""
    with pytest.raises(ValidationError, match="cancel cannot be undone: give confirm="):
        job_of(world, "cancel")
    asked: list[Estimate] = []

    def no(estimate: Estimate) -> bool:
        asked.append(estimate)
        return False

    with pytest.raises(GuardTripped, match="was not confirmed"):
        await run(world, "cancel", rows_on(cards), confirm=no)
    assert world.wire.orders == []
    assert (asked[0].kind, asked[0].rows) == ("cancel", 3)
    assert asked[0].sample == tuple(f"row-{n} {card}" for n, card in enumerate(cards))

    async def yes(estimate: Estimate) -> bool:
        return True

    assert (await run(world, "cancel", rows_on(cards), confirm=yes)).ok
    assert (await world.client.cards.get(cards[0])).status is CardStatus.CANCEL
    await run(world, "cancel", rows_on(cards), confirm=no)
    assert len(asked) == 1, "a job that is done asks nothing"


async def test_another_kind_is_another_job(world: World, cards: list[str]) -> None:
    """A journal of one operation is refused for another one, and their numbers differ."""
    await run(world, "freeze", rows_on(cards))
    with pytest.raises(JournalError, match="belongs to another operation"):
        await run(world, "unfreeze", rows_on(cards))
    frozen = set(world.wire.orders)
    world.path.unlink()
    assert (await run(world, "unfreeze", rows_on(cards))).ok
    assert not frozen & set(world.wire.orders[3:])


async def test_a_lost_journal_and_another_card(world: World, cards: list[str]) -> None:
    """An order under a row's number that is about another card is a mismatch, never adopted."""
    await run(world, "deposit", rows_on(cards[:2], amount=10))
    world.path.unlink()
    report = await run(world, "deposit", rows_on(cards[1::-1], amount=10))
    assert states(report) == {RowState.PARKED: 2}
