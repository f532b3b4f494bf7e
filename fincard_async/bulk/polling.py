"""Following accepted orders until they are final, with as few calls as their number allows."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Final, TypeAlias

from fincard_async._generated.models.transactions import OperationRecord
from fincard_async.client import FincardClient

from .entry import Entry, RowState
from .lookup import PAGE, look_up, newest_orders
from .ports import Journal

FEW: Final = 20
"""Up to so many orders are asked for one by one; more are found in the list of the newest."""
MOST_PAGES: Final = 200
"""Pages of the list in one sweep, so that what is remembered of it stays small."""
FIRST_WAIT: Final = 0.5
LONGEST_WAIT: Final = 30.0

Learn: TypeAlias = Callable[[Entry, Sequence[OperationRecord]], Entry]


class Poller:
    """Asks for the accepted orders of a job.

    Args:
        client: Who asks.
        kind: What the server calls the operation.
        journal: Knows which rows are accepted.
        first, last: The rows of the run, by seq; ``last`` is None for the end.
        learn: Told what the server has on a row, if it has anything.
        pending: How many rows are accepted now.
    """

    def __init__(
        self,
        client: FincardClient,
        kind: str | None,
        journal: Journal,
        first: int,
        last: int | None,
        learn: Learn,
        pending: Callable[[], int],
    ) -> None:
        self._client = client
        self._kind = kind
        self._journal = journal
        self._first = first
        self._until = last
        self._learn = learn
        self._pending = pending
        self._last = first - 1

    async def follow(self, pause: Callable[[float], Awaitable[bool]]) -> None:
        """Ask again and again until no row is accepted, or ``pause`` returns False.

        The wait doubles while nothing becomes final, and begins anew when something does.
        """
        wait = FIRST_WAIT
        while self._pending() and await pause(wait):
            settled = await self.sweep()
            wait = FIRST_WAIT if settled else min(LONGEST_WAIT, wait * 2)

    async def sweep(self) -> int:
        """Ask once for every accepted order; return how many need not be asked for again."""
        seen = await self._scan() if self._pending() > FEW else dict[int, bool]()
        for entry in await self._unseen(seen):
            finding = await look_up(self._client, entry.order_no)
            if finding.records:
                seen[entry.seq] = self._settled(entry, finding.records)
        return sum(seen.values())

    def _settled(self, entry: Entry, records: Sequence[OperationRecord]) -> bool:
        return self._learn(entry, records).state is not RowState.ACCEPTED

    async def _scan(self) -> dict[int, bool]:
        """Read the list of the newest orders until every accepted one was in it.

        Orders of others stand in the same list, so it may take more pages than there are rows.
        What is not found within the bound is asked for by its number, a few at a time.

        Returns:
            The rows that were in the list, and whether each is settled.
        """
        pending, seen = self._pending(), dict[int, bool]()
        pages = min(MOST_PAGES, 2 * (pending // PAGE + 1) + 10)
        async for records in newest_orders(self._client, self._kind, pages):
            by_number: dict[str, list[OperationRecord]] = {}
            for record in records:
                by_number.setdefault(record.merchant_order_no or "", []).append(record)
            for entry in await self._journal.find(list(by_number)):
                if entry.state is RowState.ACCEPTED and self._is_ours(entry):
                    seen[entry.seq] = self._settled(entry, by_number[entry.order_no])
            if len(seen) >= pending:
                break
        return seen

    def _is_ours(self, entry: Entry) -> bool:
        return entry.seq >= self._first and (self._until is None or entry.seq <= self._until)

    async def _unseen(self, seen: Collection[int]) -> list[Entry]:
        """A few accepted rows beside those seen, from where the last call ended."""
        if not self._pending():
            return []
        few = await self._few_after(self._last, seen, FEW)
        if len(few) < FEW:
            more = await self._few_after(self._first - 1, seen, FEW - len(few))
            known = {entry.seq for entry in few}
            few += [entry for entry in more if entry.seq not in known]
        self._last = few[-1].seq if few else self._first - 1
        return few

    async def _few_after(self, after: int, seen: Collection[int], most: int) -> list[Entry]:
        few: list[Entry] = []
        while len(few) < most:
            entries = await self._journal.read(
                [RowState.ACCEPTED], after=after, until=self._until, limit=PAGE
            )
            if not entries:
                break
            after = entries[-1].seq
            few += [entry for entry in entries if entry.seq not in seen]
        return few[:most]
