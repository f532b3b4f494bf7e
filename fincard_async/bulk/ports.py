"""What the engine needs of a journal; ``SqliteJournal`` is one, and the PostgreSQL one another.

Barriers (correctness 3.3), for everybody who writes a journal::

    B1  every row is durable before the first is sent              open()
    B2  an intent is durable before the first byte of its request  await commit()
    B3  a result is written soon; losing it costs one look-up      record()
    B4  everything is durable before the report                    await flush()

After an error of the storage nothing is written any more, and every later call raises it again: the
run must halt before the next send. Whatever the engine has recorded, ``read``, ``find`` and
``counts`` show, in the order of the calls.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Protocol, runtime_checkable

from .entry import Entry, Header, RowState


class Plan(Protocol):
    """The rows of a job as a stream of batches; read once, by ``Journal.open``.

    A faulty row is left out of its batch and remembered, so the whole input is read and every fault
    (up to a bound) is in one error.
    """

    def __aiter__(self) -> AsyncIterator[Sequence[Entry]]:
        """Batches in order of ``seq``; together they are every row."""
        ...

    @property
    def mark(self) -> str:
        """Of the batch given out last: kept with it, it tells next time whether it is the same."""
        ...

    def unlike(self, marks: Mapping[int, str]) -> AsyncIterator[Sequence[Entry]]:
        """The same batches, but for those that certainly are as they were.

        Args:
            marks: What ``mark`` was, by the last ``seq`` of each batch.
        """
        ...

    @property
    def rows(self) -> int:
        """How many rows there were so far, with those that were left out."""
        ...

    def repeated(self, entry: Entry, first: int) -> None:
        """Tell that the order number of this entry was in the plan before, at seq ``first``."""
        ...

    def finish(self) -> str:
        """After the last batch: the digest of the rows, for ``Header.input``.

        Raises:
            InputError: Rows are faulty; nothing of the plan may become durable.
        """
        ...


@runtime_checkable
class Journal(Protocol):
    """What is durable of one job. Opened by one holder at a time, or by one for each chunk."""

    @property
    def header(self) -> Header:
        """What the open journal belongs to, complete with the digest."""
        ...

    async def open(self, header: Header, plan: Plan) -> None:
        """Lock; a new journal gets every row of the plan at once (B1), an old one must fit it.

        Raises:
            InputError: From ``plan.finish()``; then nothing was written.
            JournalLocked: Somebody else holds it; the message says who.
            JournalMismatch: It belongs to something else; the message says to what.
            JournalError: It cannot be used.
        """
        ...

    async def attach(self) -> Header:
        """Lock a journal that exists, whatever it belongs to, and go on without its rows.

        Raises:
            JournalLocked: Somebody else holds it; the message says who.
            JournalError: There is none, or it cannot be used.
        """
        ...

    async def commit(self, entries: Sequence[Entry]) -> None:
        """Bring entries up to date; they are durable when this returns (B2)."""
        ...

    def record(self, entry: Entry) -> None:
        """Bring an entry up to date soon (B3); an error shows at the next call."""
        ...

    async def flush(self) -> None:
        """Return when everything recorded so far is durable (B4)."""
        ...

    def check(self) -> None:
        """Raise if the storage has failed or the lock is lost: nothing may be sent any more."""
        ...

    async def read(
        self,
        states: Iterable[RowState],
        *,
        after: int,
        limit: int,
        until: int | None = None,
        in_turn: bool = False,
    ) -> list[Entry]:
        """Entries with ``after < seq <= until`` in order of ``seq``, at most ``limit`` of them.

        Args:
            states: In any of these states; none means all.
            after: Exclusive; -1 begins at the first row.
            limit: Most entries.
            until: Inclusive; None for the end.
            in_turn: Only rows whose turn it is: no earlier row of the job with the same ``target``
                is not final yet. Rows without target always have their turn.
        """
        ...

    async def find(self, order_nos: Sequence[str]) -> list[Entry]:
        """Entries with any of these order numbers, in any order; at most a few hundred."""
        ...

    async def counts(self, *, after: int = -1, until: int | None = None) -> dict[RowState, int]:
        """How many rows with ``after < seq <= until`` are in each state; zeros are left out."""
        ...

    async def close(self) -> None:
        """Make durable what is recorded and let go, even when cancelled."""
        ...
