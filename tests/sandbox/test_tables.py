"""Indexed rows against a plain scan."""

from __future__ import annotations

from typing import NamedTuple

from hypothesis import given, strategies as st

from fincard_async.sandbox.tables import Table


class Row(NamedTuple):
    """A row with one unique and two shared keys."""

    name: str
    colour: str
    size: str | None
    time: int


ROWS = st.lists(
    st.tuples(st.sampled_from("rgb"), st.sampled_from(["s", "l", None]), st.integers(0, 3)),
    max_size=40,
)


def table_of(rows: list[Row]) -> Table[Row]:
    """A table of the given rows."""
    table: Table[Row] = Table(
        lambda row: row.time,
        unique={"name": lambda row: row.name},
        shared={"colour": lambda row: row.colour, "size": lambda row: row.size},
    )
    for row in rows:
        table.append(row)
    return table


@given(
    steps=ROWS,
    name=st.none() | st.integers(0, 45).map(str),
    colour=st.none() | st.sampled_from("rgbx"),
    size=st.none() | st.sampled_from(["s", "l"]),
    start=st.none() | st.integers(-1, 90),
    end=st.none() | st.integers(-1, 90),
    page_size=st.integers(1, 10),
)
def test_pages_equal_a_scan(
    steps: list[tuple[str, str | None, int]],
    name: str | None,
    colour: str | None,
    size: str | None,
    start: int | None,
    end: int | None,
    page_size: int,
) -> None:
    """All pages of any filter together are what a scan of all rows finds, newest first."""
    rows, time = [], 0
    for index, (shade, letter, step) in enumerate(steps):
        time += step
        rows.append(Row(str(index), shade, letter, time))
    wanted = [
        row
        for row in reversed(rows)
        if name in (None, row.name)
        and colour in (None, row.colour)
        and size in (None, row.size)
        and (start is None or row.time >= start)
        and (end is None or row.time <= end)
    ]
    table, filters = table_of(rows), {"name": name, "colour": colour, "size": size}
    found = []
    for number in range(1, len(rows) // page_size + 3):
        total, page = table.page(filters, start=start, end=end, number=number, size=page_size)
        assert total == len(wanted)
        assert len(page) <= page_size
        found += page
    assert found == wanted


def test_find() -> None:
    """A unique key finds its row or nothing."""
    row = Row("a", "r", None, 1)
    assert table_of([row]).find("name", "a") is row
    assert table_of([row]).find("name", "b") is None
