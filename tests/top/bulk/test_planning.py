"""The plan of a job: order numbers, requests, faults, and the digest that binds a journal to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import anyio
import msgspec
import pytest

from fincard_async._generated.operations.cards import OPEN
from fincard_async._sansio.codec import encode
from fincard_async._sansio.secret import Secret
from fincard_async.bulk import (
    BulkIssue,
    GuardTripped,
    InputError,
    InputFault,
    IssueRow,
    OperationRow,
)
from fincard_async.bulk.guards import make_guards
from fincard_async.bulk.kinds import kinds, operation_of
from fincard_async.bulk.planning import BATCH, MOST_FAULTS, RowPlan
from fincard_async.bulk.records import BulkRow, from_payload
from fincard_async.errors import ArgumentTypeError, ValidationError
from fincard_async.sandbox import CARD_TYPES, HOLDER_IDS
from fincard_async.sandbox.catalog import PHYSICAL, PREPAID

from .kit import JOB, World, number_of, plan_of, planned, rows_of


def digest(rows: list[IssueRow]) -> str:
    """The digest of these rows."""

    async def read() -> str:
        plan = plan_of(rows)
        async for _ in plan:
            pass
        return plan.finish()

    return anyio.run(read)


def plastic(number: str) -> IssueRow:
    """A row with a card number."""
    return IssueRow(
        row_id="a",
        card_type_id=PHYSICAL,
        amount=Decimal(20),
        holder_id=HOLDER_IDS[0],
        card_number=Secret(number),
    )


def test_plan() -> None:
    """Each row gets a number of its own, the same every time, and another one in another job."""
    rows = rows_of(20)
    plan = planned(rows)
    assert [entry.order_no for entry in plan] == [number_of(r) for r in rows]
    assert len({entry.order_no for entry in plan}) == 20
    assert not {e.order_no for e in plan} & {e.order_no for e in planned(rows, "other")}
    assert [(entry.seq, entry.row_id, entry.amount) for entry in plan] == [
        (seq, r.row_id, r.amount) for seq, r in enumerate(rows)
    ]


def test_a_generation_is_another_order() -> None:
    """A deliberate repeat of a row has another number, and says so."""
    [first] = planned(rows_of(1))
    [again] = planned([replace(rows_of(1)[0], generation=1)])
    assert (first.generation, again.generation) == (0, 1)
    assert first.order_no != again.order_no


def test_the_request_is_fixed() -> None:
    """What the journal keeps gives, with number and secrets, the bytes of the first request."""
    [entry] = planned([replace(plastic("OFFLINE-1"), amount=Decimal("20.50"), account_id=7)])
    assert entry.withheld == "card_number"
    assert "OFFLINE" not in entry.payload
    assert entry.order_no not in entry.payload
    request = from_payload(
        OPEN, entry.payload, entry.order_no, {"card_number": Secret("OFFLINE-1")}
    )
    wanted = OPEN.input(
        merchant_order_no=entry.order_no,
        card_type_id=PHYSICAL,
        amount=Decimal("20.50"),
        holder_id=HOLDER_IDS[0],
        account_id=7,
        card_number=Secret("OFFLINE-1"),
    )
    assert encode(request) == encode(wanted)


@pytest.mark.parametrize(
    "rows, job, message",
    [
        ([], JOB, "there are no rows"),
        (rows_of(1), "", "job must be a name"),
        (rows_of(1), "a\nb", "job must be a name"),
        ([replace(rows_of(1)[0], row_id="")], JOB, "row 1: row_id is empty"),
        ([replace(rows_of(1)[0], row_id="a\nb")], JOB, "row 1: row_id must be up to 200 printable"),
        (rows_of(1, "-5"), JOB, "row 1: amount must be at least 0"),
        (rows_of(1, "NaN"), JOB, "amount must be a plain decimal number"),
        ([replace(rows_of(1)[0], card_type_id=2**63)], JOB, "row 1: card_type_id"),
    ],
)
def test_plans_that_cannot_be(rows: list[IssueRow], job: str, message: str) -> None:
    """Rows that were not read from a file are checked as well, before anything is sent."""
    with pytest.raises(ValidationError, match=message):
        planned(rows, job)


def test_all_faults_at_once() -> None:
    """Every faulty row is named, by line where it has one; a bound keeps the list short."""
    bad = [replace(row, amount=Decimal(-1), line=line) for line, row in enumerate(rows_of(5), 2)]
    with pytest.raises(InputError) as caught:
        planned([*rows_of(3), *bad])
    assert [fault.line for fault in caught.value.faults] == [2, 3, 4, 5, 6]
    read: list[int] = []

    def endless() -> Iterator[IssueRow]:
        while True:
            read.append(1)
            yield replace(bad[0], row_id=str(len(read)))

    with pytest.raises(InputError) as caught:
        planned(endless())
    assert (len(caught.value.faults), caught.value.count) == (MOST_FAULTS, BATCH)
    assert len(read) == BATCH + 1  # whether a batch is the last one is told by the next row


def test_faults_of_a_reader_join_the_others() -> None:
    """A stream that ends with faults of its own adds them to those of its rows."""

    def reader() -> Iterator[IssueRow]:
        yield rows_of(1, "-5")[0]
        raise InputError((InputFault("cards.csv", 3, "is not JSON"),))

    with pytest.raises(InputError) as caught:
        planned(reader())
    assert [fault.line for fault in caught.value.faults] == [None, 3]


def test_a_plain_card_number_is_refused() -> None:
    """A card number is a Secret: plain text could be printed on the way."""
    plain: Any = "OFFLINE-1"
    with pytest.raises(InputError, match="must be a Secret"):
        planned([replace(plastic("x"), card_number=plain)])
    values = {"card_type_id": PHYSICAL, "amount": "20", "card_number": "OFFLINE-1"}
    with pytest.raises(InputError, match="must be a Secret") as caught:
        planned([OperationRow(row_id="a", values=values)])
    assert "OFFLINE" not in str(caught.value)


def test_batches_of_a_stream() -> None:
    """Rows of an async stream come in batches, and a batch is all that is kept of them."""

    async def stream() -> AsyncIterator[IssueRow]:
        for number in range(2 * BATCH + 1):
            yield IssueRow(row_id=str(number), card_type_id=PREPAID, amount=Decimal(50))

    async def sizes() -> list[int]:
        return [len(batch) async for batch in plan_of(stream())]

    assert anyio.run(sizes) == [BATCH, BATCH, 1]


@pytest.mark.parametrize(
    "change",
    [
        {"row_id": "b"},
        {"card_type_id": PHYSICAL},
        {"amount": Decimal("51.01")},
        {"holder_id": 1},
        {"account_id": 1},
        {"generation": 1},
    ],
    ids=str,
)
def test_digest_tells_inputs_apart(change: dict[str, Any]) -> None:
    """Every value that decides what is issued changes the digest; so does the order of rows."""
    rows = rows_of(2)
    assert digest([rows[0], replace(rows[1], **change)]) != digest(rows)
    assert digest(rows[::-1]) != digest(rows)


def test_digest_holds_no_card_number() -> None:
    """A digest of a card number could be reversed by trying all, so it is left out."""
    assert digest([plastic("A")]) == digest([plastic("B")])
    assert digest([plastic("A")]) != digest([replace(plastic("A"), card_number=None)])


# -- Rows of any operation -------------------------------------------------------------------------


def test_kinds_come_from_the_schema() -> None:
    """What can be done in bulk is settled by its number and keeps no secret in its request."""
    assert kinds() == ("open", "deposit", "withdraw", "freeze", "unfreeze", "cancel", "update")
    for kind in ("update_pin", "get", "nothing"):
        with pytest.raises(ValidationError, match="cannot be done in bulk"):
            operation_of(kind)


def test_text_becomes_what_the_field_is() -> None:
    """Values may be text, as files have them, or what they are; the request is the same."""
    text = {"card_type_id": str(PREPAID), "amount": "50.10", "holder_id": "7", "account_id": ""}
    value = {"card_type_id": PREPAID, "amount": Decimal("50.10"), "holder_id": 7}
    issue = IssueRow(row_id="a", card_type_id=PREPAID, amount=Decimal("50.10"), holder_id=7)
    made = [OperationRow(row_id="a", values=values) for values in (text, value)]
    rows: list[BulkRow] = [issue, *made]
    assert len({planned([row])[0].payload for row in rows}) == 1


def test_nested_values() -> None:
    """Lists and objects may be given by Python or wire names, or as JSON text."""
    by_name = {
        "card_no": "C1",
        "spending_controls": [{"interval": "PER_TRANSACTION", "amount": "100.50"}],
        "risk_controls": {"allowed_mcc": ["5411"]},
    }
    as_text = {
        "card_no": "C1",
        "spending_controls": '[{"interval": "PER_TRANSACTION", "amount": 100.50}]',
        "risk_controls": '{"allowedMcc": ["5411"]}',
    }
    payloads = {
        planned([OperationRow(row_id="a", values=values)], kind="update")[0].payload
        for values in (by_name, as_text)
    }
    assert [msgspec.json.decode(payload) for payload in payloads] == [
        {
            "cardNo": "C1",
            "spendingControls": [{"interval": "PER_TRANSACTION", "amount": 100.5}],
            "riskControls": {"allowedMcc": ["5411"]},
        }
    ]


def test_a_row_about_a_card() -> None:
    """The card that a row is about is kept beside the request: it decides whose turn it is."""
    [entry] = planned(
        [OperationRow(row_id="a", values={"card_no": "C1", "amount": "5"})], kind="deposit"
    )
    assert (entry.target, entry.amount, entry.card_no) == ("C1", Decimal(5), None)
    [frozen] = planned([OperationRow(row_id="a", values={"card_no": "C1"})], kind="freeze")
    assert (frozen.target, frozen.amount) == ("C1", None)


@pytest.mark.parametrize(
    "kind, values, message",
    [
        ("deposit", {"card_no": "C1", "amount": "5", "colour": "red"}, "unknown field: colour"),
        (
            "deposit",
            {"card_no": "C1", "merchant_order_no": "N"},
            "unknown field: merchant_order_no",
        ),
        ("deposit", {"card_no": "C1", "amount": 5.0}, "amount must be a Decimal, an int or a str"),
        ("deposit", {"card_no": "C1", "amount": "5e1"}, "amount must be a plain decimal number"),
        ("deposit", {"card_no": "C1", "amount": "0"}, "amount must be more than 0"),
        ("deposit", {"amount": "5"}, "missing required field `cardNo`"),
        ("open", {"card_type_id": 1.0, "amount": "5"}, "card_type_id must be an int, not float"),
        ("open", {"card_type_id": "x", "amount": "5"}, "Expected `int`"),
        ("update", {"card_no": "C1", "risk_controls": "{"}, "risk_controls is not JSON"),
        ("update", {"card_no": "C1", "risk_controls": {"x": 1}}, "has an unknown field: x"),
        ("update", {"card_no": "C1", "no_pin_payment_amount": True}, "must be a Decimal"),
        (
            "update",
            {"card_no": "C1", "spending_controls": [{"interval": "P", "amount": 1.5}]},
            "holds a float",
        ),
        ("freeze", {"card_no": "\ud800"}, "cannot be written as UTF-8"),
    ],
)
def test_values_that_do_not_fit(kind: str, values: dict[str, object], message: str) -> None:
    """A value that is not what the schema says is a fault that names the field."""
    with pytest.raises(InputError, match=message):
        planned([OperationRow(row_id="a", values=values)], kind=kind)


def test_an_issue_row_in_another_job() -> None:
    """A card to issue is no deposit."""
    with pytest.raises(InputError, match="is a card to issue"):
        planned(rows_of(1), kind="deposit")


def test_values_do_not_print() -> None:
    """A row of any operation may hold a secret, so its values are not in its repr."""
    assert "C1" not in repr(OperationRow(row_id="a", values={"card_no": "C1"}))


# -- Guards and estimates --------------------------------------------------------------------------


@pytest.mark.anyio
@pytest.mark.parametrize(
    "limits, message",
    [
        ({"max_rows": 11}, "more than 11 rows"),
        ({"max_total": "665.99"}, r"more than 665\.99 in all"),
        ({"max_total": {"USD": 665}}, "more than 665 USD"),
        ({"max_total": {"EUR": 10_000}}, "more than 0 USD"),
    ],
)
async def test_guards(world: World, limits: dict[str, Any], message: str) -> None:
    """A job that asks for more than was allowed is refused before anything is sent or kept."""
    with pytest.raises(GuardTripped, match=message):
        await world.run(rows_of(12), card_types=CARD_TYPES, **limits)
    assert world.wire.orders == []
    assert list(world.path.parent.iterdir()) == []


@pytest.mark.anyio
async def test_guards_that_are_kept(world: World) -> None:
    """Limits are inclusive."""
    limits: dict[str, Any] = {"max_rows": 12, "max_total": {"USD": 666}}
    assert (await world.run(rows_of(12), card_types=CARD_TYPES, **limits)).ok


def test_guards_that_cannot_be() -> None:
    """A guard that lets nothing through, or is no amount, is a mistake."""
    with pytest.raises(ValidationError, match="max_rows must be at least 1"):
        make_guards(0, None)
    wrong: Any = 1.5
    with pytest.raises(ArgumentTypeError, match="max_total must be"):
        make_guards(None, wrong)


@pytest.mark.anyio
async def test_rows_against_card_types(world: World) -> None:
    """With card types given, what the server is bound to refuse is refused before the start."""
    rows = [*rows_of(2), *rows_of(1, "9.99")]
    rows[2] = replace(rows[2], row_id="last")
    with pytest.raises(InputError, match="row 3: amount must be at least 10 USD"):
        await world.run(rows, card_types=CARD_TYPES)
    assert world.wire.orders == []


@pytest.mark.anyio
async def test_dry_run(world: World) -> None:
    """A dry run adds up amounts, prices and fees exactly, says what it does not know, and sends
    nothing."""
    job = world.job()
    estimate = await job.dry_run(rows_of(3), job=JOB)
    assert estimate.rows == 3
    assert estimate.amounts == {"USD": Decimal(153)}
    assert estimate.prices == {"USD": Decimal(3)}
    card_type = next(found for found in CARD_TYPES if found.card_type_id == PREPAID)
    rate, fixed = card_type.recharge_fee_rate or 0, card_type.recharge_fixed_fee or 0
    fees = Decimal(153) * rate / 100 + 3 * fixed
    assert estimate.deposit_fees.get("USD", 0) == fees
    assert estimate.total == {"USD": 156 + fees}
    assert estimate.sample == ("row-0", "row-1", "row-2")
    assert (estimate.funds, estimate.lacking()) == (None, {})
    assert "funds were not checked" in (estimate.note or "")
    assert world.wire.orders == []
    assert list(world.path.parent.iterdir()) == []
    with pytest.raises(InputError, match="stands twice: in row 1 and in row 3"):
        await job.dry_run([*rows_of(2), *rows_of(1)], job=JOB)


@pytest.mark.anyio
async def test_funds(world: World) -> None:
    """Where somebody tells what the merchant has, a job that costs more does not start."""
    have = {"USD": Decimal(100)}

    async def funds() -> dict[str, Decimal]:
        return have

    with pytest.raises(GuardTripped, match=r"the funds lack \d+\.?\d* USD"):
        await world.run(rows_of(2), funds=funds, card_types=CARD_TYPES)
    assert world.wire.orders == []
    have["USD"] = Decimal(1000)
    world.wire.fate = lambda number, attempt: "answer" if attempt else "lost before"
    settings: dict[str, Any] = {"funds": funds, "card_types": CARD_TYPES}
    await world.run(rows_of(2), deadline=0.1, concurrency=1, **settings)
    have["USD"] = Decimal(60)  # what is left after a part of the rows does not stop the others
    assert (await world.run(rows_of(2), **settings)).ok
    have["USD"] = Decimal(0)
    assert (await world.run(rows_of(2), funds=funds, card_types=CARD_TYPES)).ok


def test_sums_are_exact() -> None:
    """Sums keep every digit, beyond the 28 of the usual context."""
    rows = [
        replace(rows_of(1)[0], row_id=str(n), amount=Decimal(amount))
        for n, amount in enumerate(["999999999999999998", "1.000000000000000001"])
    ]

    async def amounts() -> dict[str, Decimal]:
        plan = RowPlan(rows, operation=OPEN, job=JOB)
        async for _ in plan:
            pass
        return plan.sum.amounts

    assert anyio.run(amounts) == {"?": Decimal("999999999999999999.000000000000000001")}


@pytest.mark.anyio
async def test_memory_holds_the_secrets_only(world: World) -> None:
    """Of a million rows the plan keeps nothing but what no journal may hold."""
    plan = plan_of([*rows_of(30), plastic("OFFLINE-1")])
    async for _ in plan:
        pass
    assert list(plan.secrets) == [30]
    assert isinstance(world.job(), BulkIssue)
