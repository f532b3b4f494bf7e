"""Wait until an operation is final.

Many waiters of one client share one poller: whoever finds nobody polling takes the turn, asks for
all, and tells everybody. A few orders are asked for one by one; from ``LIST_FROM`` on, the newest
operations are listed, one call for a hundred orders. A cancelled waiter passes the turn on.

With an inbox attached, webhook and poll race: a confirmed event ends a wait at once, any other one
makes the next look come at once. Without webhooks nothing is lost but time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary, WeakSet

import anyio

from ._generated.events import OperationEvent
from ._generated.models.common import OperationStatus
from ._generated.operations import load
from ._runtime.hooks import logger
from ._sansio.settlement import Sought
from ._sansio.webhook import Event
from .errors import FincardError, StatusContradiction, TimedOut, UsageError, ValidationError

if TYPE_CHECKING:
    from ._generated.models.cards import Activation, CardOperation
    from ._generated.models.transactions import OperationRecord
    from ._runtime.ports import Clock
    from ._runtime.settlement import Settler
    from .client import FincardClient
    from .webhooks import Inbox

FINAL: Final = frozenset({OperationStatus.SUCCESS, OperationStatus.FAIL})
LIST_FROM: Final = 6
"""Orders from which on one list is read instead of asking for each."""
LIST_PAGES: Final = 50
_FIRST, _LONGEST = 0.5, 30.0


async def wait_until_final(
    client: FincardClient,
    operation: CardOperation | Activation | OperationRecord | str,
    *,
    timeout: float,
    inbox: Inbox | None = None,
) -> OperationRecord:
    """Wait for ``success`` or ``fail`` and return the operation's row.

    Asks after half a second, then less and less often, up to every 30 s. An order number is enough,
    so a wait that a restart cut short goes on in the next process.

    Args:
        client: Any client of the same tenant.
        operation: The answer of a mutation, a row of the operation query, or an order number.
        timeout: Seconds to wait at most.
        inbox: Its webhooks end waits of this client early, from now on; see ``attach``.

    Raises:
        TimedOut: It was not final in time; ``order_no`` is on the error, and waiting may go on.
        StatusContradiction: It was final before (in ``operation``, or in a webhook), and the query
            says that it ended the other way.
        UsageError: The client cannot be used, such as after it was closed.
        FincardError: The last query before the end failed.
    """
    number = operation if isinstance(operation, str) else operation.merchant_order_no
    if not number:
        raise ValidationError("the operation has no order number to wait for")
    if timeout <= 0:
        raise ValidationError("timeout must be more than 0 seconds")
    hub = _hub(client)
    if inbox is not None:
        hub.listen(inbox)
    record = await hub.wait(number, hub.clock.monotonic() + timeout)
    if not isinstance(operation, str):
        _agree(number, operation.status, record.status)
    return record


def attach(client: FincardClient, inbox: Inbox) -> None:
    """Let the webhooks of an inbox end the waits of a client, until either is gone."""
    _hub(client).listen(inbox)


@dataclass(slots=True)
class _Wait:
    """One order that somebody waits for."""

    waiters: int = 0
    record: OperationRecord | None = None
    failure: FincardError | None = None
    contradiction: StatusContradiction | None = None
    asked: int = 0
    next_at: float = 0.0


@dataclass(slots=True)
class _Hub:
    """The waits of one client, and whose turn it is to poll."""

    settler: Settler
    clock: Clock
    waits: dict[str, _Wait] = field(default_factory=dict)
    turn: anyio.Event | None = None
    """Set at the end of the round that is under way; None if nobody polls."""
    nap: anyio.CancelScope | None = None
    """Around the sleep of the one who polls."""
    inboxes: WeakSet[Inbox] = field(default_factory=WeakSet)
    told: bool = False
    """True if a webhook ended a wait since the last round."""

    def listen(self, inbox: Inbox) -> None:
        if inbox not in self.inboxes:
            self.inboxes.add(inbox)
            inbox.subscribe(self.hint)

    def hint(self, event: Event) -> None:
        """A webhook came: take its row if a query has confirmed it, else look at once."""
        wait = self.waits.get(event.merchant_order_no or "")
        if wait is None:
            return
        if isinstance(event, OperationEvent) and event.confirmed:
            _take(wait, event.data)
        self.told = self.told or wait.record is not None
        if wait.record is None:
            wait.next_at = self.clock.monotonic()
        if self.nap is not None:
            self.nap.cancel()

    async def wait(self, number: str, deadline: float) -> OperationRecord:
        wait = self.waits.setdefault(number, _Wait(next_at=self.clock.monotonic() + _FIRST))
        wait.waiters += 1
        if self.nap is not None:
            self.nap.cancel()  # it may have to end sooner now
        try:
            while wait.record is None:
                left = deadline - self.clock.monotonic()
                if left <= 0:
                    raise wait.failure or TimedOut("the operation is not final", order_no=number)
                if self.turn is not None:
                    with self.clock.limit(left):
                        await self.turn.wait()
                else:
                    await self._round(deadline)
            if wait.contradiction is not None:
                raise wait.contradiction
            return wait.record
        finally:
            wait.waiters -= 1
            if wait.waiters == 0:
                self.waits.pop(number, None)

    async def _round(self, deadline: float) -> None:
        """Sleep until the next order is due, then ask for all that are."""
        turn = self.turn = anyio.Event()
        try:
            await self._until_due(deadline)
            await self._poll(deadline)
        finally:
            self.turn = None
            turn.set()

    async def _until_due(self, deadline: float) -> None:
        while not self.told:
            due = min(wait.next_at for wait in self.waits.values())
            pause = min(due, deadline) - self.clock.monotonic()
            if pause <= 0:
                return
            try:
                with anyio.CancelScope() as self.nap:
                    await self.clock.sleep(pause)
            finally:
                self.nap = None
        self.told = False

    async def _poll(self, deadline: float) -> None:
        now = self.clock.monotonic()
        due = {
            number: wait
            for number, wait in self.waits.items()
            if wait.next_at <= now and wait.record is None
        }
        for wait in due.values():
            wait.asked += 1
            wait.next_at = now + min(_LONGEST, _FIRST * 2.0 ** min(wait.asked, 10))
        try:
            if len(due) >= LIST_FROM:
                await self._list(due, deadline)
            else:
                for number, wait in due.items():
                    await self._ask(number, wait, deadline)
        except UsageError:
            raise  # the client cannot be used any more: no later query will fare better
        except FincardError as error:
            for wait in due.values():
                wait.failure = error

    async def _ask(self, number: str, wait: _Wait, deadline: float) -> None:
        found = await self.settler.look_up(_ANY, Sought(order_no=number), deadline)
        wait.failure = None
        _take(wait, found.record)

    async def _list(self, due: dict[str, _Wait], deadline: float) -> None:
        missing = set(due)
        for page in range(1, LIST_PAGES + 1):
            records = await self.settler.newest(_ANY, page, deadline)
            for record in records:
                if record.merchant_order_no in missing:
                    missing.discard(record.merchant_order_no)
                    due[record.merchant_order_no].failure = None
                    _take(due[record.merchant_order_no], record)
            if not missing or not records:
                break
        for number in missing:
            await self._ask(number, due[number], deadline)


def _take(wait: _Wait, record: OperationRecord | None) -> None:
    """The first final status stays; another one after it ends the wait loudly."""
    if record is None or record.status not in FINAL:
        return
    if wait.record is None:
        wait.record = record
        return
    try:
        _agree(record.merchant_order_no or "", wait.record.status, record.status)
    except StatusContradiction as error:
        wait.contradiction = error


def _agree(number: str, first: OperationStatus | None, then: OperationStatus | None) -> None:
    if first in FINAL and then in FINAL and first is not then:
        logger.error("order %s was %s, and now is %s", number, first, then)
        raise StatusContradiction(
            f"the order was {first}, and now is {then}",
            first=str(first),
            then=str(then),
            order_no=number,
        )


_ANY: Final = load("cards.open")
"""Any mutation: all are settled by the same query, and only its name is read from here."""

_hubs: WeakKeyDictionary[object, _Hub] = WeakKeyDictionary()


def _hub(client: FincardClient) -> _Hub:
    """The hub of a client; its views share it."""
    core = client._core
    if core not in _hubs:
        _hubs[core] = _Hub(client._settler(), client._clock)
    return _hubs[core]
