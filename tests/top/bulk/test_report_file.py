"""The file of results: a line for each row that ended, over any number of runs and kills."""

from __future__ import annotations

import json
import stat
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from fincard_async._sansio import order_no
from fincard_async.bulk import ReportFile, RowResult, RowState
from fincard_async.errors import ValidationError

from .kit import JOB


def result_of(row_id: str, **changes: Any) -> RowResult:
    """The result of a row, issued unless told otherwise."""
    settings: dict[str, Any] = {
        "row_id": row_id,
        "order_no": order_no.derive(namespace=JOB, operation="cards.open", row_key=row_id),
        "state": RowState.ISSUED,
        "card_no": f"FC{row_id}",
        "currency": "USD",
        "amount": Decimal("50.10"),
        "fee": None,
        "received_amount": None,
        "received_currency": None,
        "code": None,
        "message": None,
        "attempts": 1,
        "reason": None,
        "first_sent_at": None,
        "ended_at": None,
    }
    return RowResult(**{**settings, **changes})


def lines(path: Path) -> list[dict[str, Any]]:
    """What is in the file."""
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_a_line(tmp_path: Path) -> None:
    """A line has the job and the values that there are, amounts as exact text."""
    path = tmp_path / "r.ndjson"
    with ReportFile(path, "payroll") as report:
        report.write(result_of("a", fee=Decimal("1.50")))
        report.write(result_of("b", state=RowState.REFUSED, card_no=None, code=-1, message="no"))
    first, second = lines(path)
    assert {name: first[name] for name in ("job", "row_id", "state", "amount", "fee")} == {
        "job": "payroll",
        "row_id": "a",
        "state": "issued",
        "amount": "50.10",
        "fee": "1.50",
    }
    assert (second["code"], second["message"], "card_no" in second) == (-1, "no", False)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_rows_that_a_killed_run_did_not_write_are_added(tmp_path: Path) -> None:
    """The next run takes away a torn line and adds what is missing; nothing stands twice."""
    path = tmp_path / "r.ndjson"
    rows = [result_of(name) for name in "abcd"]
    with ReportFile(path, "payroll") as report:
        for row in rows[:2]:
            report.write(row)
    with path.open("ab") as file:
        file.write(b'{"job":"payroll","row_id":"c","ord')
    waiting = result_of("e", state=RowState.ACCEPTED)
    with ReportFile(path, "payroll") as report:
        report.write(rows[3])
        report.complete([*rows, waiting])
    assert [line["row_id"] for line in lines(path)] == ["a", "b", "d", "c"]


def test_a_decided_row_has_a_second_line(tmp_path: Path) -> None:
    """A row that was parked and is decided appears again; the last line counts."""
    path = tmp_path / "r.ndjson"
    row = result_of("a", state=RowState.PARKED)
    with ReportFile(path, "payroll") as report:
        report.complete([row])
    with ReportFile(path, "payroll") as report:
        report.complete([replace(row, state=RowState.ISSUED)])
    assert [line["state"] for line in lines(path)] == ["parked", "issued"]


@pytest.mark.parametrize(
    "content, told",
    [
        (b'{"job":"other","order_no":"1","state":"issued"}\n', "of another job: 'other'"),
        (b"row_id,amount\na,5\n", ":1: no line of a report"),
        (b"a letter to my aunt, without an end of line", ":1: no line of a report"),
        (b'{"job":"payroll","order_no":"1","state":"issued"}\nx\n', ":2: no line of a report"),
    ],
)
def test_other_files_are_left_alone(tmp_path: Path, content: bytes, told: str) -> None:
    """A file that is not this job's report is refused and stays as it was."""
    path = tmp_path / "r.ndjson"
    path.write_bytes(content)
    with pytest.raises(ValidationError, match=told):
        ReportFile(path, "payroll").__enter__()
    assert path.read_bytes() == content


def test_lines_can_be_followed(tmp_path: Path) -> None:
    """A line can be read by others about a second after its row ended."""
    path = tmp_path / "r.ndjson"
    now = 0.0
    with ReportFile(path, "payroll", now=lambda: now) as report:
        report.write(result_of("a"))
        assert path.read_bytes() == b""
        now = 1.0
        report.write(result_of("b"))
        assert len(lines(path)) == 2


def test_one_run_at_a_time(tmp_path: Path) -> None:
    """A second run is kept out while the first writes, so that no line is torn."""
    path = tmp_path / "r.ndjson"
    with ReportFile(path, "payroll") as report:
        with pytest.raises(ValidationError, match="being written by another run"):
            ReportFile(path, "payroll").__enter__()
        report.write(result_of("a"))
    assert len(lines(path)) == 1
    with ReportFile(path, "payroll"):
        """Now it is free."""
