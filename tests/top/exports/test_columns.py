"""What a record is in a file."""

from __future__ import annotations

from decimal import Decimal

import pytest
from msgspec import field

from fincard_async import Sealed, Secret
from fincard_async._generated.models.common import (
    AuthorizationStatus,
    AuthorizationType,
    OperationStatus,
    OperationType,
    ThreeDsType,
)
from fincard_async._generated.models.transactions import (
    AuthorizationRecord,
    MerchantData,
    OperationRecord,
    ThreeDsRecord,
)
from fincard_async._generated.operations import OPERATION_NAMES, load
from fincard_async._sansio.model import Model
from fincard_async._sansio.money import Money
from fincard_async._sansio.operation import Operation, Safety
from fincard_async.exports import columns_of, row_of

PAGED = [name for name in OPERATION_NAMES if load(name).shape == "page"]
OPERATIONS = load("transactions.operations")


@pytest.mark.parametrize("name", PAGED)
def test_columns_are_the_schemas(name: str) -> None:
    """Every field has a column but sealed ones, and every moment has a second one."""
    operation = load(name)
    columns = columns_of(operation)
    sealed = {path.rpartition(".")[2] for path in operation.sealed}
    names = [column.name for column in columns if column.moment_of is None]
    assert set(names) == set(operation.output.__struct_fields__) - sealed
    assert [column.moment_of for column in columns if column.moment_of] == list(operation.times)
    assert operation.times
    kinds = {c.kind for c in columns if "amount" in c.name or "balance" in c.name}
    assert kinds == {"money"}


def test_an_operation() -> None:
    """Amounts keep their digits, enumerations their text, and what is absent has no value."""
    record = OperationRecord(
        order_no="1992175834650001409",
        type=OperationType("create"),
        status=OperationStatus("something new"),
        amount=Decimal("50.10"),
        fee=Decimal("0.000000000000000001"),
        transaction_time=1_795_342_500_120,
    )
    assert row_of(record, columns_of(OPERATIONS)) == {
        "order_no": "1992175834650001409",
        "type": "create",
        "status": "something new",
        "amount": "50.10",
        "fee": "0.000000000000000001",
        "transaction_time": 1_795_342_500_120,
        "transaction_time_iso": "2026-11-22T10:15:00.120+00:00",
    }


def test_what_is_nested_or_sealed() -> None:
    """A merchant is JSON; a sealed value is nowhere, whatever it holds."""
    merchant = MerchantData(name="NORTHWIND", mid=4471)
    record = AuthorizationRecord(
        card_no="C",
        trade_no="T",
        type=AuthorizationType("auth"),
        status=AuthorizationStatus("authorized"),
        merchant_data=merchant,
    )
    row = row_of(record, columns_of(load("transactions.authorizations")))
    assert row["merchant_data"] == '{"name":"NORTHWIND","mid":4471}'
    message = ThreeDsRecord(card_no="C", type=ThreeDsType("auth_url"), values=Sealed("c2VjcmV0"))
    assert row_of(message, columns_of(load("transactions.three_ds"))) == {
        "card_no": "C",
        "type": "auth_url",
    }


def test_a_moment_that_no_calendar_has() -> None:
    """The milliseconds stay as they are."""
    record = OperationRecord(
        order_no="1",
        type=OperationType("create"),
        status=OperationStatus("success"),
        transaction_time=10**18,
    )
    row = row_of(record, columns_of(OPERATIONS))
    assert row["transaction_time"] == 10**18
    assert "transaction_time_iso" not in row


class Inner(Model, frozen=True, kw_only=True):
    """Something nested."""

    code: Secret | None = None
    price: Money | None = None
    kind: OperationType | None = None
    names: list[str] = field(default_factory=list)


class Outer(Model, frozen=True, kw_only=True):
    """A record with every kind of field."""

    mixed: int | str
    flag: bool
    inner: Inner | None = None
    several: list[Inner] = field(default_factory=list)


def test_every_kind_of_field() -> None:
    """Either of two types is text; a list and a struct are JSON, without what is secret."""
    operation = Operation(
        name="t.t", path="/t", input=Outer, output=Outer, shape="page", safety=Safety.READ, rules=()
    )
    columns = columns_of(operation)
    assert [column.kind for column in columns] == ["text", "boolean", "json", "json"]
    inner = Inner(code=Secret("x"), price=Decimal("1.50"), kind=OperationType("create"))
    record = Outer(mixed=5, flag=False, inner=inner, several=[inner, Inner(names=["a"])])
    assert row_of(record, columns) == {
        "mixed": "5",
        "flag": False,
        "inner": '{"price":"1.50","kind":"create","names":[]}',
        "several": '[{"price":"1.50","kind":"create","names":[]},{"names":["a"]}]',
    }
