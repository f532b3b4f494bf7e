"""Files of other operations: columns and types are those of the request in the schema."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest

from fincard_async.bulk import BulkOperation, InputError, OperationRow, SqliteJournal
from fincard_async.bulk.operation_rows import columns_of, operation_rows
from fincard_async.errors import ValidationError
from fincard_async.sandbox.catalog import PREPAID

from .kit import World


def write(folder: Path, content: str, name: str = "rows.csv") -> Path:
    """Make an input file."""
    path = folder / name
    path.write_text(content, "utf-8")
    return path


def test_columns() -> None:
    """Required fields are required columns; the order number is no column; ids are codes."""
    columns = columns_of("deposit")
    assert columns.required == ("row_id", "card_no", "amount")
    assert columns.optional == ("client_remark",)
    assert columns.codes == {"card_no"}
    assert columns_of("open").codes == {"card_number"}
    assert columns_of("update").nested


def test_rows(tmp_path: Path) -> None:
    """Values have the types of their fields; a value that cannot is a fault of its line."""
    path = write(tmp_path, "row_id,card_no,amount,client_remark\na,FC1,5.50,\nb,FC2,6,hello\n")
    assert list(operation_rows("deposit", path))[1] == OperationRow(
        row_id="b",
        values={"card_no": "FC2", "amount": Decimal(6), "client_remark": "hello"},
        line=3,
    )
    path = write(tmp_path, "row_id,card_no,amount\na,,1e3\n")
    with pytest.raises(InputError) as caught:
        list(operation_rows("deposit", path))
    assert [fault.message for fault in caught.value.faults] == [
        "card_no is missing",
        "amount must be a plain decimal number such as 12.50",
    ]


def test_what_cannot_be_done_in_bulk(tmp_path: Path) -> None:
    """A PIN is in no file of ours."""
    with pytest.raises(ValidationError, match="cannot be done in bulk"):
        operation_rows("update_pin", tmp_path / "f")  # type: ignore[arg-type]  # no such kind


@pytest.mark.anyio
async def test_deposits_from_a_file(world: World, tmp_path: Path) -> None:
    """The engine takes the rows of a file, and the money arrives."""
    cards = [
        (await world.client.cards.open(card_type_id=PREPAID, amount=50)).card_no for _ in range(3)
    ]
    lines = "".join(f"{n},{card},20.5{n}\n" for n, card in enumerate(cards))
    path = write(tmp_path, f"row_id,card_no,amount\n{lines}")
    job = BulkOperation(
        world.client,
        kind="deposit",
        journal=SqliteJournal(tmp_path / "j"),
        clock=world.clock,
    )
    report = await job.run(operation_rows("deposit", path), job="top-up")
    assert report.ok
    assert report.amounts == {"USD": Decimal("61.53")}
    for card, row in zip(cards, report.results, strict=True):
        balance = await world.client.cards.get_balance(card or "")
        assert (row.card_no, balance.amount) == (card, 50 + (row.received_amount or 0))


def test_nested_values_in_ndjson(tmp_path: Path) -> None:
    """Lists and objects may stand as they are in NDJSON, and as JSON text anywhere."""
    nested = sorted(columns_of("update").nested)[0]
    values: list[object] = [[], "[]"]
    for value in values:
        line = json.dumps({"row_id": "a", "card_no": "FC1", nested: value})
        [row] = operation_rows("update", write(tmp_path, line, "rows.ndjson"))
        assert row.values[nested] == "[]"
