"""Lists that move while they are read: what each reader loses and repeats, by seed.

The naive loop is the control: where it loses nothing, the test would prove nothing.
"""

from __future__ import annotations

import os
from collections import Counter
from contextlib import suppress
from random import Random
from typing import Any, NamedTuple

import anyio
import pytest

from fincard_async.errors import IncompletePagination
from fincard_async.testing import Motion
from tests.runtime.lists import Row, Shelf, Source

pytestmark = pytest.mark.faults

SEEDS = int(os.environ.get("FINCARD_LIST_SEEDS", "1000"))
SIZE, COUNT, SPAN = 6, 48, 40_000

SCENARIOS: dict[str, tuple[dict[str, Any], bool]] = {
    "inserted": ({"inserts": 0.4}, False),
    "leaving": ({"leaves": 0.4}, False),
    "ties": ({"unstable_ties": True}, True),
    "stale totals": ({"stale_totals": 0.5, "inserts": 0.2, "leaves": 0.2}, False),
    "together": (
        {
            "inserts": 0.2,
            "late": 0.2,
            "leaves": 0.2,
            "unstable_ties": True,
            "stale_totals": 0.2,
        },
        True,
    ),
}
"""Motion, and whether rows share their milliseconds."""


class Tally(NamedTuple):
    """What became of the rows over all seeds."""

    lost: int
    """Of those that stood still all the time."""
    repeated: int
    invented: int
    calls: int


def rows_of(seed: int, *, ties: bool) -> list[Row]:
    """Rows in the order of time; with ``ties`` up to a page of them in one millisecond."""
    chance = Random(seed)
    moments = [chance.randrange(SPAN) for _ in range(COUNT)]
    if ties:
        few = [chance.randrange(SPAN) for _ in range(COUNT // 3)]
        most = Counter[int]()
        moments = []
        while len(moments) < COUNT:
            moment = chance.choice(few)
            if most[moment] < SIZE - 1:
                most[moment] += 1
                moments.append(moment)
    return [Row(str(number), moment) for number, moment in enumerate(sorted(moments))]


async def naive(source: Source) -> list[Row]:
    """What one writes first: page after page until one is short."""
    rows: list[Row] = []
    for number in range(1, 200):
        page = await source.read(number, size=SIZE, since=None, until=None, sweep=False)
        rows += page.records
        if len(page.records) < SIZE:
            break
    return rows


async def paginated(source: Source) -> list[Row]:
    """The paginator, up to the error with which it says that a count does not fit."""
    rows: list[Row] = []
    with suppress(IncompletePagination):
        async for row in source.reader():
            rows.append(row)
    return rows


async def exported(source: Source) -> list[Row]:
    """The complete reader."""
    return [row async for row in source.reader().export(concurrency=3)]


READERS = {"naive": naive, "paginated": paginated, "exported": exported}


async def tally(reader: str, scenario: str, seeds: range) -> Tally:
    """Read one list for each seed."""
    motion, ties = SCENARIOS[scenario]
    lost = repeated = invented = calls = 0
    for seed in seeds:
        shelf = Shelf(rows_of(seed, ties=ties), Motion(seed=seed, steps=20, **motion), SIZE)
        source = Source(shelf, size=SIZE)
        found = Counter(row.no for row in await READERS[reader](source))
        still = {row.no for row in shelf.moving.stood_still(shelf.rows)}
        lost += len(still - found.keys())
        repeated += sum(count - 1 for count in found.values())
        invented += len(found.keys() - {row.no for row in shelf.rows})
        calls += len(source.asked)
    return Tally(lost, repeated, invented, calls)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_an_export_loses_nothing_and_repeats_nothing(scenario: str) -> None:
    """Every row that stood still comes exactly once, and no row comes twice, in every scenario."""
    found = anyio.run(tally, "exported", scenario, range(SEEDS))
    assert (found.lost, found.repeated, found.invented) == (0, 0, 0)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_paginator_repeats_nothing(scenario: str) -> None:
    """No row comes twice, whatever moves; where rows only come in, none is lost either."""
    found = anyio.run(tally, "paginated", scenario, range(SEEDS))
    assert (found.repeated, found.invented) == (0, 0)
    if scenario == "inserted":
        assert found.lost == 0


@pytest.mark.parametrize(
    ("scenario", "loses", "repeats"),
    [("inserted", False, True), ("leaving", True, False), ("ties", True, True)],
)
def test_the_naive_loop_does_not(scenario: str, loses: bool, repeats: bool) -> None:
    """The control: the same lists defeat a loop over page numbers, as the table says."""
    found = anyio.run(tally, "naive", scenario, range(200))
    assert (found.lost > 0, found.repeated > 0) == (loses, repeats)


@pytest.mark.parametrize("scenario", ["leaving", "ties"])
def test_what_a_paginator_still_loses(scenario: str) -> None:
    """De-duplication hides repeats and keeps the losses: that is why ``export`` exists."""
    assert anyio.run(tally, "paginated", scenario, range(200)).lost > 0
