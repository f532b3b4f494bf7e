"""Every fault of the table, met by every kind of call: each ends in the class that it must."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product

import anyio
import pytest

from .calls import MUTATIONS, READS, SENSITIVE
from .cases import GROUPS
from .driver import TRANSPORTS, Case, Connect, Tally, run
from .rows import Row
from .verdicts import Column, Kind

pytestmark = [pytest.mark.anyio, pytest.mark.faults]

AT_ONCE = 40
"""Cases that run together."""
APART = 0.01
"""Seconds between two cases that wait for a time-out."""
FIRST = next(iter(TRANSPORTS.values()))
OF_THE_WIRE = ("Before the request", "The connection", "Time", "HTTP", "Redirects")
"""Groups that every transport must pass; of the others, only what is in the wire."""
WRITES: tuple[Column, ...] = ("error", "none", "settled")


def cases_of(row: Row) -> Iterator[Case]:
    """Every kind of call, connection, setting and repetition that can meet a fault."""
    for operation in row.only or (*READS, *MUTATIONS):
        reads = operation in READS
        kind = (row.read if reads else row.write).kind
        read: Column = "sensitive" if operation == SENSITIVE else "read"
        columns: tuple[Column, ...] = (read,) if reads else WRITES
        if operation == "cards.deposit" and kind is Kind.AGAIN:
            columns = (*WRITES, "replay")
        for column, (kept, lasting) in product(columns, _ways(row, kind)):
            # Not carried out and never found: that look-up has a test of its own.
            if column != "settled" or row.commits or kind is Kind.REFUSED:
                yield Case(row, operation, column, kept, lasting)


def _ways(row: Row, kind: Kind) -> set[tuple[bool, bool]]:
    """(over a connection that was used before, every attempt meets it): not all four.

    Where every attempt meets the fault, all but the first have a new connection anyway.
    """
    used = row.wired and row.keeps
    passes = kind is Kind.AGAIN and row.passes
    return {(False, True), (used, not passes)}


@pytest.mark.parametrize("group", GROUPS)
async def test_every_case_ends_as_the_table_says(
    group: str, connect: Connect, record_property: Callable[[str, object], None]
) -> None:
    """The class, its cause, the number of requests, the books and the doubts: all as they must."""
    rows = [row for row in GROUPS[group] if connect is FIRST or group in OF_THE_WIRE or row.wired]
    if not rows:
        pytest.skip("what is said is the same over every transport")
    tally, wrong = Tally(), list[str]()
    places = anyio.CapacityLimiter(AT_ONCE)

    async def one(case: Case) -> None:
        async with places:
            wrong.extend(await run(case, connect, tally))

    async with anyio.create_task_group() as tasks:
        for row in rows:
            for case in cases_of(row):
                if row.hangs:  # it only waits: many may, as long as they do not begin at once
                    tasks.start_soon(run_alone, case, connect, tally, wrong)
                    await anyio.sleep(APART)
                else:
                    tasks.start_soon(one, case)
    record_property("wire faults", vars(tally))
    assert not wrong, f"{len(wrong)} of {tally.cases}:\n" + "\n".join(sorted(wrong)[:60])


async def run_alone(case: Case, connect: Connect, tally: Tally, wrong: list[str]) -> None:
    """Outside of the line."""
    wrong.extend(await run(case, connect, tally))
