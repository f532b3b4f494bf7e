"""Rows on which a person must decide: to a file, and back from it.

The file of ``--parked`` says what is known of each row and asks a question. The person answers in
its columns ``decision`` and ``evidence`` (and ``card_no``, where a card is to be adopted), and
gives the same file to ``--resolve``. Rows without a decision stay as they are.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, cast

from fincard_async.bulk import Decision, RowFile, RowResult, RowState
from fincard_async.bulk.decisions import Verdict
from fincard_async.bulk.formats import Columns
from fincard_async.bulk.rows import Fields

from .output import plain, printable

_FACTS: Final = (
    "order_no",
    "reason",
    "amount",
    "currency",
    "attempts",
    "first_sent_at",
    "message",
    "question",
)
_ANSWERS: Final = ("decision", "evidence", "card_no")
_COLUMNS: Final = Columns(
    required=("row_id", "decision", "evidence"), optional=("card_no", *_FACTS)
)
_FORMULA: Final = ("=", "+", "-", "@")


def write_parked(target: Path, rows: Iterable[RowResult]) -> int:
    """Write the parked rows, beside the target and then moved there; returns how many."""
    made = target.with_name(f"{target.name}.{os.getpid()}.tmp")
    count = 0
    with made.open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(("row_id", *_FACTS, *_ANSWERS))
        for row in rows:
            if row.state is RowState.PARKED:
                count += 1
                lines.writerow((row.row_id, *map(_cell, _facts(row)), "", "", row.card_no or ""))
    made.replace(target)
    return count


def _facts(row: RowResult) -> Iterator[object]:
    for name in _FACTS:
        if name == "question":
            yield None if row.reason is None else row.reason.question
        elif name == "first_sent_at":
            yield row.first_sent_at and _moment(row.first_sent_at)
        else:
            yield plain(getattr(row, name))


def _cell(value: object) -> str:
    """Text for a spreadsheet, which must not take what a server said for a formula."""
    text = "" if value is None else printable(str(value))
    return f" {text}" if text.startswith(_FORMULA) else text


def _moment(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="seconds")


def read_decisions(path: Path, *, sheet: str | None = None) -> list[Decision]:
    """The decisions in a file; CSV, NDJSON, a workbook or Parquet.

    Raises:
        InputError: The file cannot be used.
    """
    return [decision for decision in RowFile(path, _COLUMNS, _decision, sheet=sheet) if decision]


def _decision(fields: Fields) -> Decision | None:
    verdict = fields.text("decision")
    if verdict is None:
        return None
    return Decision(
        row_id=fields.row_id(),
        decision=cast("Verdict", verdict.strip().lower()),
        evidence=fields.text("evidence", required=True) or "",
        card_no=fields.text("card_no") if verdict.strip().lower() == "issued" else None,
    )
