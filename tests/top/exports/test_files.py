"""Queries as files: whole, exact, and never half a file under the final name."""

from __future__ import annotations

import csv
import json
import stat
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from shutil import copy
from typing import Any

import anyio
import pytest

from fincard_async._generated.operations import load
from fincard_async.errors import ConfigError, ExportError, TransportError
from fincard_async.exports import FORMATS, columns_of, export_to_file
from fincard_async.exports.spool import Spool, Window

from .kit import Books

pytestmark = pytest.mark.anyio

COLUMNS = [column.name for column in columns_of(load("transactions.operations"))]
FAULT = ("transactions.operations", 6, "drop-before-commit")
LATE_FAULT = ("transactions.operations", 15, "drop-before-commit")


@pytest.fixture(scope="module")
def books() -> Books:
    """Read-only for all tests of this file."""
    return Books()


@pytest.fixture(scope="module")
def whole(books: Books, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The CSV file of an export that nothing disturbed."""
    path = tmp_path_factory.mktemp("whole") / "a.csv"
    anyio.run(save, books, path)
    return path.read_bytes()


async def save(books: Books, path: Path, *faults: Any, size: int = 5, **more: Any) -> Any:
    """Export the operations."""
    async with books.client(*faults) as client:
        return await export_to_file(
            client.transactions.operations(page_size=size), path, concurrency=2, **more
        )


def only(folder: Path) -> list[str]:
    """What is in a folder."""
    return sorted(path.name for path in folder.iterdir())


async def test_csv(books: Books, tmp_path: Path) -> None:
    """A header from the schema, rows oldest first, amounts as they were, times twice."""
    report = await save(books, tmp_path / "a.csv")
    assert (report.rows, report.resumed, report.best_effort) == (60, 0, 0)
    with (tmp_path / "a.csv").open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    assert header == COLUMNS
    found = [dict(zip(header, row, strict=True)) for row in rows]
    assert len({row["order_no"] for row in found}) == 60
    assert {row["amount"] for row in found} == {"50.10"}
    times = [int(row["transaction_time"]) for row in found]
    assert times == sorted(times)
    assert all(
        datetime.fromisoformat(row["transaction_time_iso"])
        == datetime.fromtimestamp(int(row["transaction_time"]) / 1000, UTC)
        for row in found
    )
    assert only(tmp_path) == ["a.csv"]
    assert stat.S_IMODE((tmp_path / "a.csv").stat().st_mode) == 0o600


async def test_ndjson(books: Books, tmp_path: Path) -> None:
    """An object to a line; what a row does not have is left out."""
    await save(books, tmp_path / "a.ndjson")
    lines = (tmp_path / "a.ndjson").read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    assert len(rows) == 60
    assert rows[0]["amount"] == "50.10"
    assert all(row.keys() <= set(COLUMNS) and None not in row.values() for row in rows)


async def test_excel(books: Books, tmp_path: Path) -> None:
    """Numbers that a cell can hold are numbers, ids are text."""
    calamine = pytest.importorskip("python_calamine")
    pytest.importorskip("xlsxwriter")
    await save(books, tmp_path / "a.xlsx")
    book = calamine.CalamineWorkbook.from_path(tmp_path / "a.xlsx")
    header, *rows = book.get_sheet_by_index(0).to_python()
    assert header == COLUMNS
    assert len(rows) == 60
    row = dict(zip(header, rows[0], strict=True))
    assert isinstance(row["order_no"], str)
    assert len(row["order_no"]) == 19
    assert Decimal(repr(row["amount"])) == Decimal("50.1")


async def test_parquet(books: Books, tmp_path: Path) -> None:
    """Amounts are decimals, exactly; moments are integers and text."""
    parquet = pytest.importorskip("pyarrow.parquet")
    await save(books, tmp_path / "a.parquet")
    table = parquet.read_table(tmp_path / "a.parquet")
    assert table.column_names == COLUMNS
    rows = table.to_pylist()
    assert len(rows) == 60
    assert {row["amount"] for row in rows} == {Decimal("50.100000000000000000")}
    assert isinstance(rows[0]["transaction_time"], int)


@pytest.mark.parametrize("nth", [1, 4, 9, 15])
async def test_an_interrupted_export_goes_on(
    books: Books, whole: bytes, tmp_path: Path, nth: int
) -> None:
    """After any call that failed, the second run's file equals that of an undisturbed one."""
    path = tmp_path / "broken.csv"
    with pytest.raises(TransportError):
        await save(books, path, ("transactions.operations", nth, "drop-before-commit"))
    assert not path.exists()
    report = await save(books, path)
    assert report.rows == 60
    assert path.read_bytes() == whole
    assert only(tmp_path) == ["broken.csv"]


async def test_what_was_read_is_not_read_again(books: Books, tmp_path: Path) -> None:
    """The second run goes on behind the rows that the first one had."""
    path = tmp_path / "a.csv"
    with pytest.raises(TransportError):
        await save(books, path, LATE_FAULT)
    report = await save(books, path)
    assert 0 < report.resumed < report.rows == 60


async def test_a_torn_part_file(books: Books, whole: bytes, tmp_path: Path) -> None:
    """What a crash left behind the last checkpoint is cut off, and read again."""
    path = tmp_path / "a.csv"
    with pytest.raises(TransportError):
        await save(books, path, LATE_FAULT)
    with (tmp_path / "a.csv.part").open("ab") as file:
        file.write(b'{"order_no": "half a li')
    await save(books, path)
    assert path.read_bytes() == whole


async def test_a_crash_at_any_moment(books: Books, whole: bytes, tmp_path: Path) -> None:
    """The part file and its state, as they lie on disk between any two writes, are enough."""
    crashes: list[Path] = []

    def crash(rows: int, _: int) -> None:
        if rows % 4 == 0 and len(crashes) < 4:
            folder = tmp_path / f"crash at {rows}"
            folder.mkdir()
            for path in tmp_path.glob("a.csv.part*"):
                copy(path, folder)
            crashes.append(folder / "a.csv")

    await save(books, tmp_path / "a.csv", progress=crash, commit_seconds=0.0)
    assert len(crashes) == 4
    for path in crashes:
        report = await save(books, path)
        assert report.rows == 60
        assert path.read_bytes() == whole


async def test_an_old_file_stays_until_the_new_one_is_whole(books: Books, tmp_path: Path) -> None:
    """Nobody ever sees half a file under the final name."""
    path = tmp_path / "a.csv"
    path.write_text("old")
    with pytest.raises(TransportError):
        await save(books, path, FAULT)
    assert path.read_text() == "old"
    await save(books, path)
    assert path.read_text().startswith("order_no")


async def test_a_file_that_cannot_be_written(books: Books, tmp_path: Path) -> None:
    """The old file stays, and what was read is there for the next run."""
    path = tmp_path / "a.csv"
    path.write_text("old")
    (tmp_path / "a.csv.new").mkdir()
    with pytest.raises(OSError, match="directory"):
        await save(books, path)
    assert path.read_text() == "old"
    (tmp_path / "a.csv.new").rmdir()
    report = await save(books, path)
    assert report.resumed == report.rows == 60
    assert only(tmp_path) == ["a.csv"]


async def test_the_part_file_of_another_export(books: Books, tmp_path: Path) -> None:
    """Rows of two exports are never mixed: another window, other filters, a shorter file."""
    path = tmp_path / "a.csv"
    with pytest.raises(TransportError):
        await save(books, path, LATE_FAULT, since=1)
    with pytest.raises(ExportError, match="belongs to another export"):
        await save(books, path)
    async with books.client() as client:
        with pytest.raises(ExportError, match="belongs to another export"):
            await export_to_file(client.transactions.operations(type="create"), path, since=1)
    (tmp_path / "a.csv.part").write_bytes(b"")
    with pytest.raises(ExportError, match="shorter than it was"):
        await save(books, path, since=1)
    (tmp_path / "a.csv.part.state").write_bytes(b"{")
    with pytest.raises(ExportError, match="cannot be read"):
        await save(books, path, since=1)


async def test_two_runs_on_one_file(books: Books, tmp_path: Path) -> None:
    """The second one is refused, and the first one does not notice."""
    pytest.importorskip("fcntl")
    spool = Spool(tmp_path / "a.csv", Window(None, None))
    try:
        with pytest.raises(ExportError, match="another run"):
            await save(books, tmp_path / "a.csv")
    finally:
        spool.close()
    await save(books, tmp_path / "a.csv")


async def test_a_format_that_nobody_knows(books: Books, tmp_path: Path) -> None:
    """Refused before anything is sent or written."""
    with pytest.raises(ConfigError, match="csv, ndjson, xlsx, parquet"):
        await save(books, tmp_path / "a.pdf")
    assert only(tmp_path) == []
    assert list(FORMATS) == ["csv", "ndjson", "xlsx", "parquet"]


async def test_progress_and_window(books: Books, tmp_path: Path) -> None:
    """Progress counts rows against the server's count; the window is the export's."""
    seen: list[tuple[int, int]] = []
    middle = books.api.state.operations.rows[30].accepted_at
    report = await save(
        books, tmp_path / "a.csv", until=middle, progress=lambda *facts: seen.append(facts)
    )
    assert seen[-1] == (report.rows, report.rows)
    assert report.rows == sum(row.accepted_at < middle for row in books.api.state.operations.rows)
