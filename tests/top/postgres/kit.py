"""What the tests of journals in PostgreSQL share: plans, headers, a session to look with."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import msgspec

from fincard_async._sansio import order_no
from fincard_async.bulk.entry import Entry, Header
from fincard_async.bulk.postgres.connect import Connection, Place
from fincard_async.errors import ValidationError

JOB = "payroll"
HEADER = Header(job=JOB, kind="open", server="http://127.0.0.1", tenant="sandbox")


def entries_of(count: int, job: str = JOB) -> list[Entry]:
    """Planned rows with different amounts."""
    return [
        Entry(
            seq=seq,
            row_id=f"row-{seq}",
            order_no=order_no.derive(namespace=job, operation="cards.open", row_key=f"row-{seq}"),
            payload=f'{{"cardTypeId":111001,"amount":{50 + seq}}}',
            amount=Decimal(50) + seq,
        )
        for seq in range(count)
    ]


class ListPlan:
    """A plan of entries that are there already."""

    def __init__(self, entries: Sequence[Entry], digest: str = "digest", batch: int = 3) -> None:
        self.entries = entries
        self.sum = digest
        self.batch = batch
        self.faults: list[str] = []

    def __aiter__(self) -> AsyncIterator[Sequence[Entry]]:
        return self.unlike({})

    async def unlike(self, marks: Mapping[int, str]) -> AsyncIterator[Sequence[Entry]]:
        for start in range(0, len(self.entries), self.batch):
            yield self.entries[start : start + self.batch]

    @property
    def rows(self) -> int:
        return len(self.entries)

    @property
    def mark(self) -> str:
        return ""

    def repeated(self, entry: Entry, first: int) -> None:
        self.faults.append(f"{entry.row_id} repeats {first}")

    def finish(self) -> str:
        if self.faults:
            raise ValidationError("; ".join(self.faults))
        return self.sum


PLAN = ListPlan(entries_of(5))


@asynccontextmanager
async def session(url: str) -> AsyncGenerator[Connection]:
    """A session of somebody else."""
    connection = await Place(url).connect()
    try:
        yield connection
    finally:
        connection.terminate()


def changed(entry: Entry, **values: Any) -> Entry:
    """The same row with other values."""
    return msgspec.structs.replace(entry, **values)
