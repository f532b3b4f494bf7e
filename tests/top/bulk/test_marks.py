"""The same rows are not planned again, and no other rows are taken for the same."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import IO, Any, Final

import anyio
import pytest

from fincard_async._sansio.secret import Secret
from fincard_async.bulk import (
    GuardTripped,
    InputError,
    IssueRow,
    RowFile,
    SqliteJournal,
    issue_rows,
    operation_rows,
)
from fincard_async.bulk.formats import Columns
from fincard_async.bulk.guards import make_guards
from fincard_async.bulk.kinds import BulkKind, operation_of
from fincard_async.bulk.planning import BATCH, RowPlan
from fincard_async.bulk.rows import Fields
from fincard_async.errors import JournalError
from fincard_async.sandbox import Sandbox
from fincard_async.testing import sandbox_client

from .kit import HEADER, JOB, plan_of, rows_of

pytestmark = pytest.mark.anyio

COUNT = 3 * BATCH + 7
KINDS: Final[tuple[BulkKind, BulkKind]] = ("freeze", "cancel")
ROWS = rows_of(COUNT)
LASTS = [BATCH - 1, 2 * BATCH - 1, 3 * BATCH - 1, COUNT - 1]
"""The last seq of each batch."""


async def marks_of(plan: RowPlan) -> dict[int, str]:
    """The mark of each batch."""
    return {batch[-1].seq: plan.mark async for batch in plan}


async def planned_again(plan: RowPlan, marks: dict[int, str]) -> list[int]:
    """The last seq of each batch that is not left out."""
    return [batch[-1].seq async for batch in plan.unlike(marks)]


def changed(place: int, **values: Any) -> list[IssueRow]:
    """The rows with another value in one of them."""
    return [*ROWS[:place], replace(ROWS[place], **values), *ROWS[place + 1 :]]


async def test_the_same_rows_are_left_out() -> None:
    """All but the first batch, of which a sample is shown; the sums are those of all rows."""
    plan = plan_of(ROWS)
    marks = await marks_of(plan)
    assert list(marks) == LASTS
    again = plan_of(ROWS)
    assert await planned_again(again, marks) == LASTS[:1]
    again.finish()
    assert again.rows == COUNT
    assert again.sum == plan.sum


@pytest.mark.parametrize(
    "change",
    [
        {"row_id": "other"},
        {"amount": Decimal("50.01")},
        {"amount": Decimal("2050.0")},
        {"card_type_id": 1},
        {"holder_id": 1},
        {"account_id": 1},
        {"generation": 1},
    ],
    ids=str,
)
async def test_any_change_is_planned(change: dict[str, Any]) -> None:
    """The batch of a row that was given otherwise is planned, and no other."""
    marks = await marks_of(plan_of(ROWS))
    assert await planned_again(plan_of(changed(2000, **change)), marks) == [LASTS[0], LASTS[2]]


async def test_rows_more_or_fewer() -> None:
    """A batch that ends elsewhere has no mark, and one whose rows are moved has another."""
    marks = await marks_of(plan_of(ROWS))
    assert await planned_again(plan_of(ROWS[:-1]), marks) == [LASTS[0], COUNT - 2]
    moved = [*ROWS[:1500], *ROWS[1501:], ROWS[1500]]
    assert await planned_again(plan_of(moved), marks) == LASTS


async def test_a_mark_is_of_its_plan() -> None:
    """Another job, operation or list of card types is another plan; so is a mark of old."""
    with Sandbox() as sandbox:
        async with sandbox_client(sandbox=sandbox) as client:
            types = {each.card_type_id: each for each in await client.cards.list_types()}
    marks = await marks_of(plan_of(ROWS))
    assert await planned_again(plan_of(ROWS, "another job"), marks) == LASTS
    operation = operation_of("open")
    checked = RowPlan(ROWS, operation=operation, job=JOB, card_types=types)
    assert await planned_again(checked, marks) == LASTS
    assert await planned_again(plan_of(ROWS), dict.fromkeys(marks, "a" * 64)) == LASTS


async def test_secrets_are_read_again() -> None:
    """Nothing is kept of a batch with card numbers, and every run has them from the rows."""
    rows = changed(1500, card_number=Secret("4111111111111111"))
    marks = await marks_of(plan_of(rows))
    assert [bool(mark) for mark in marks.values()] == [True, False, True, True]
    again = plan_of(rows)
    assert await planned_again(again, marks) == LASTS[:2]
    assert again.secrets[1500]["card_number"].reveal() == "4111111111111111"


@pytest.mark.parametrize("limits", [{"max_rows": COUNT - 1}, {"max_total": 1_000_000}], ids=str)
async def test_guards_hold_for_what_is_left_out(limits: dict[str, Any]) -> None:
    """A limit that was lowered stops the next run as well."""
    marks = await marks_of(plan_of(ROWS))
    plan = RowPlan(
        ROWS,
        operation=operation_of("open"),
        job=JOB,
        guards=make_guards(limits.get("max_rows"), limits.get("max_total")),
    )
    with pytest.raises(GuardTripped):
        await planned_again(plan, marks)


def written(path: Path, amounts: dict[int, str] | None = None, count: int = COUNT) -> Path:
    """A CSV file of rows; ``amounts`` of some of them."""
    lines = (f"row-{n},111001,{(amounts or {}).get(n, '50')}\n" for n in range(count))
    path.write_text("row_id,card_type_id,amount\n" + "".join(lines))
    return path


def file_plan(path: Path, job: str = JOB) -> RowPlan:
    """The plan of a file."""
    return RowPlan(issue_rows(path), operation=operation_of("open"), job=job)


@pytest.mark.parametrize("count", [COUNT, 3 * BATCH])
async def test_a_file_that_nobody_touched_is_not_read(tmp_path: Path, count: int) -> None:
    """Nothing but its first batch, whatever the marks of the others say; the sums are the same."""
    path = written(tmp_path / "rows.csv", count=count)
    plan = file_plan(path)
    marks = await marks_of(plan)
    last = {seq: mark if seq == count - 1 else "" for seq, mark in marks.items()}
    again = file_plan(path)
    assert await planned_again(again, last) == LASTS[:1]
    assert again.rows == count
    assert again.sum == plan.sum


async def test_any_change_of_a_file_is_read(tmp_path: Path) -> None:
    """Of equal length and at the same time as before, too; and for another job."""
    path = written(tmp_path / "rows.csv")
    marks = await marks_of(file_plan(path))
    before = path.stat()
    written(path, {2000: "51"})
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    assert await planned_again(file_plan(path), marks) == [LASTS[0], LASTS[2]]
    written(path)
    assert await planned_again(file_plan(path, "another job"), marks) == LASTS


async def test_a_digest_of_a_file_with_secrets_is_not_kept(tmp_path: Path) -> None:
    """In no mark, wherever in the file the card number stands; every run reads it."""
    for place in (0, 1500, COUNT - 1):
        path = written(tmp_path / "rows.csv")
        lines = path.read_text().splitlines()
        lines[0] += ",card_number"
        found = [
            f"{line},4111111111111111" if n == place else f"{line},"
            for n, line in enumerate(lines[1:])
        ]
        path.write_text("\n".join([lines[0], *found]))
        marks = await marks_of(file_plan(path))
        heads = [json.loads(mark)[2] for mark in marks.values() if mark]
        assert heads == [""] * 3
        again = file_plan(path)
        await planned_again(again, marks)
        assert set(again.secrets) == {place}


async def test_rows_that_a_caller_makes_are_read(tmp_path: Path) -> None:
    """The same file does not mean the same rows, where other code makes rows of it."""
    path = written(tmp_path / "rows.csv")

    def plan(card_type: int) -> RowPlan:
        def build(fields: Fields) -> IssueRow:
            return IssueRow(row_id=fields.row_id(), card_type_id=card_type, amount=Decimal(50))

        columns = Columns(required=("row_id", "card_type_id", "amount"))
        return RowPlan(RowFile(path, columns, build), operation=operation_of("open"), job=JOB)

    marks = await marks_of(plan(1))
    assert await planned_again(plan(2), marks) == LASTS


async def test_a_file_that_changes_while_it_is_planned(tmp_path: Path) -> None:
    """What is planned is what the digest was made of, or nothing is planned."""
    path = written(tmp_path / "rows.csv")
    plan = file_plan(path)
    batches = plan.unlike({})
    await anext(batches)
    written(path, count=COUNT + 1)
    async for _ in batches:
        pass
    with pytest.raises(InputError, match="has changed since it was read first"):
        plan.finish()


class Trap(type(Path())):  # type: ignore[misc]  # the class of a path depends on the platform
    """A path on which something happens when the bytes of its file are asked for."""

    after_open: Callable[[IO[bytes]], IO[bytes]]

    def open(self, mode: str = "r", *args: Any, **kwargs: Any) -> IO[Any]:  # pyright: ignore[reportIncompatibleMethodOverride]  # it has many overloads
        """Once, and as any path afterwards."""
        file: IO[Any] = super().open(mode, *args, **kwargs)
        trap, self.after_open = self.after_open, _unharmed
        return trap(file)


def _unharmed(file: IO[bytes]) -> IO[bytes]:
    return file


async def test_a_file_that_is_replaced_while_it_is_opened(tmp_path: Path) -> None:
    """The digest is never that of one file, and the rows those of another."""
    path = written(tmp_path / "rows.csv")
    other = written(tmp_path / "other.csv", {2000: "51"})
    rows = issue_rows(path)
    rows.path = Trap(path)

    def replace_it(file: IO[bytes]) -> IO[bytes]:
        other.replace(path)
        return file

    rows.path.after_open = replace_it
    plan = RowPlan(rows, operation=operation_of("open"), job=JOB)
    await marks_of(plan)
    with pytest.raises(InputError, match="has changed since it was read first"):
        plan.finish()


async def test_a_file_that_could_be_read_half_has_no_digest(tmp_path: Path) -> None:
    """A disk that failed once: the half says nothing of the rest, which may be another one."""
    path = written(tmp_path / "rows.csv")

    class Torn(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell():
                raise OSError("the disk failed")
            return super().read(10_000)

    rows = issue_rows(path)
    rows.path = Trap(path)

    def tear(file: IO[bytes]) -> IO[bytes]:
        with file:
            return Torn(file.read())

    rows.path.after_open = tear
    plan = RowPlan(rows, operation=operation_of("open"), job=JOB)
    marks = await marks_of(plan)
    plan.finish()
    assert [json.loads(mark)[2] for mark in marks.values()] == [""] * 4


def test_a_file_for_another_operation_has_other_content(tmp_path: Path) -> None:
    """The same file does not mean the same rows, where its columns are read as something else."""
    path = tmp_path / "rows.csv"
    path.write_text("row_id,card_no\n1,card-1\n")
    freeze, cancel = (b"".join(operation_rows(kind, path).content()) for kind in KINDS)
    assert freeze != cancel


def opened_with(path: Path, rows: Sequence[IssueRow]) -> None:
    """Open a journal with these rows, and close it."""

    async def main() -> None:
        journal = SqliteJournal(path)
        await journal.open(HEADER, plan_of(rows))
        await journal.close()

    anyio.run(main)


def test_a_journal_refuses_other_rows(tmp_path: Path) -> None:
    """Wherever a row differs, it is named; where it stands in its file makes no difference."""
    path = tmp_path / "cards.journal"
    opened_with(path, ROWS)
    opened_with(path, ROWS)
    opened_with(path, changed(2500, line=7))
    with pytest.raises(JournalError, match="row 2501 has another amount than before"):
        opened_with(path, changed(2500, amount=Decimal("2550.01")))
    with pytest.raises(JournalError, match=f"{COUNT} and not {COUNT - 1}"):
        opened_with(path, ROWS[:-1])
    with pytest.raises(JournalError, match=f"{COUNT} and not {2 * BATCH}"):
        opened_with(path, ROWS[: 2 * BATCH])
    with pytest.raises(JournalError, match=f"{COUNT} and not {COUNT + 1}"):
        opened_with(path, rows_of(COUNT + 1))
