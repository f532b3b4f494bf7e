"""Carry out one operation through the client and print what it answers."""

from __future__ import annotations

import warnings
from collections.abc import AsyncIterable, AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import msgspec

from fincard_async import FincardClient
from fincard_async._generated import operations
from fincard_async._sansio.commands import Command
from fincard_async._sansio.secret import Sealed, Secret

from .output import Row, print_record, print_rows, record, say


async def carry_out(
    client: FincardClient,
    command: Command,
    arguments: Mapping[str, object],
    *,
    form: str,
    limit: int | None,
    reveal: bool,
    window: Window | None = None,
) -> None:
    """Call the method that the generated table names; print its answer.

    Args:
        client: Closed at the end.
        command: The operation.
        arguments: By the names of the method.
        form: One of ``output.FORMATS``.
        limit: Most rows of a paged answer; None for all.
        reveal: Open sealed values.
        window: Read the rows of this window whole, oldest first, and not page by page.

    Raises:
        FincardError: As the method does.
    """
    async with client:
        with warnings.catch_warnings():
            # click has said so already.
            warnings.simplefilter("ignore", DeprecationWarning)
            answer = call(client, command, arguments)
            if command.shape != "page":
                answer = await answer
        if command.shape in ("object", "bare"):
            print_record(await _row(client, answer, reveal=reveal), form)
            return
        rows = answer if command.shape == "page" else _each(answer)
        if window is not None:
            rows = answer.export(since=window.since, until=window.until)
        kept = _Kept(rows, limit)
        columns = operations.load(command.operation_name).output.__struct_fields__
        await print_rows(_rows(client, kept, reveal=reveal), columns, form)
        if kept.more:
            say(f"the first {limit} rows; --limit 0 shows all", err=True)


@dataclass(frozen=True, slots=True)
class Window:
    """A span of time, in milliseconds; None leaves an end open."""

    since: int | None
    until: int | None


def call(client: FincardClient, command: Command, arguments: Mapping[str, object]) -> Any:
    """Call the method of the client; what is not a page must be awaited."""
    method = command.operation_name.partition(".")[2]
    return getattr(getattr(client, command.resource), method)(**arguments)


class _Kept:
    """The first rows of many; ``more`` tells whether there was another one."""

    def __init__(self, rows: AsyncIterable[msgspec.Struct], limit: int | None) -> None:
        self._rows = rows
        self._limit = limit
        self.more = False

    async def __aiter__(self) -> AsyncIterator[msgspec.Struct]:
        count = 0
        async for row in self._rows:
            if count == self._limit:
                self.more = True
                return
            count += 1
            yield row


async def _each(rows: Sequence[msgspec.Struct]) -> AsyncIterator[msgspec.Struct]:
    for row in rows:
        yield row


async def _rows(client: FincardClient, rows: _Kept, *, reveal: bool) -> AsyncIterator[Row]:
    async for row in rows:
        yield await _row(client, row, reveal=reveal)


async def _row(client: FincardClient, struct: msgspec.Struct, *, reveal: bool) -> Row:
    """A record to print; with ``reveal`` its sealed values are opened."""
    row = record(struct)
    if not reveal:
        return row
    opened: Any = await client.unseal(cast(Any, struct))
    for name in struct.__struct_fields__:
        if isinstance(getattr(struct, name), Sealed):
            value = getattr(opened, name, opened)
            row[name] = value.reveal() if isinstance(value, Secret) else None
    return row
