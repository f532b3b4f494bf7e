"""Settle the outcome of a mutation by its order number, in this process or a later one.

The client does this by itself after an unknown outcome, inside the call's deadline. What is left
over (``OutcomeUnknown``, a cancelled task, a crash) is settled here; an order number is enough.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ._generated.models.common import OperationStatus
from ._generated.operations import load
from ._sansio.model import Model
from ._sansio.money import Amount, to_money
from ._sansio.operation import Operation
from ._sansio.settlement import Sought, differences, proves_absence
from .errors import FincardError, ResponseMismatch, UsageError, ValidationError

if TYPE_CHECKING:
    from ._generated.models.transactions import OperationRecord
    from .client import FincardClient

SETTLE_TIME = 900.0
"""Seconds for which a request may still be on its way, and a query behind, after it was sent."""
_LAST_LOOK = 1.0
"""Seconds kept for the last look before the timeout."""
_PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)

State = Literal["success", "fail", "pending", "absent", "unknown"]

_STATES: Mapping[OperationStatus, State] = {
    OperationStatus.SUCCESS: "success",
    OperationStatus.FAIL: "fail",
}
"""Any other status is not final, also one that the schema does not know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """What is known of an order.

    Attributes:
        order_no: The ``merchantOrderNo``.
        state: ``success`` or ``fail``: final. ``pending``: the server has it and works on it; see
            ``waiters.wait_until_final``. ``absent``: it was never carried out, and will not be.
            ``unknown``: not found so far, which proves nothing yet; ask again later.
        record: The row of the operation query; None unless the server has the order.
    """

    order_no: str
    state: State
    record: OperationRecord | None = None


async def settle(
    client: FincardClient,
    order_no: str,
    *,
    kind: str = "open",
    amount: Amount | None = None,
    card_no: str | None = None,
    sent_at: float | None = None,
    settle_time: float = SETTLE_TIME,
    timeout: float = 30.0,
) -> Settlement:
    """Find out by query what became of a mutation. Sends nothing but reads.

    Args:
        client: Any client of the same tenant.
        order_no: The ``merchantOrderNo`` of the mutation.
        kind: Name of the method of ``client.cards`` that was called, such as ``"deposit"``.
        amount: What was asked for, in the card's currency; compared where given.
        card_no: The card; compared where given.
        sent_at: Seconds since the epoch at which it was last sent. None means "just now", so that
            ``absent`` is never said before ``settle_time`` has passed.
        settle_time: Seconds after which a request can no longer arrive.
        timeout: Seconds to keep asking while the order is not found.

    Raises:
        ResponseMismatch: The number belongs to an order of another kind, card or amount.
        ValidationError: There is no such kind.
        FincardError: The last query failed, and none before it found the order.
    """
    operation = _operation(kind)
    sought = Sought(
        order_no=order_no,
        kind=operation.kind,
        card_no=card_no,
        amount=None if amount is None else to_money(amount),
    )
    settler, clock = client._settler(), client._clock
    sent = clock.wall() if sent_at is None else sent_at
    deadline = clock.monotonic() + timeout
    failure: FincardError | None = None
    pauses = itertools.chain(_PAUSES, itertools.repeat(_PAUSES[-1]))
    while True:
        began = clock.wall()
        try:
            found = await settler.look_up(operation, sought, deadline)
            failure = None
            if found.record is not None:
                settlement = _settlement(sought, found.record)
                client._settled(order_no)
                return settlement
            proven = proves_absence(
                complete=found.complete, control=True, now=began, sent_at=sent, wait=settle_time
            )
            if proven and await settler.controls_hold(operation, deadline):
                # One answer is no proof: a proxy may have mixed it up with another query's.
                again = await settler.look_up(operation, sought, deadline)
                if again.record is None and again.complete:
                    client._settled(order_no)
                    return Settlement(order_no=order_no, state="absent")
        except (UsageError, ResponseMismatch):
            raise
        except FincardError as error:
            failure = error
        left = deadline - clock.monotonic() - _LAST_LOOK
        if left <= 0:
            break
        await clock.sleep(min(left, next(pauses)))
    if failure is not None:
        raise failure
    return Settlement(order_no=order_no, state="unknown")


def _operation(kind: str) -> Operation[Model, object]:
    try:
        operation = load(f"cards.{kind}")
    except KeyError:
        operation = None
    if operation is None or operation.settled_by is None:
        raise ValidationError(f"{kind!r} is no mutation of client.cards")
    return operation


def _settlement(sought: Sought, record: OperationRecord) -> Settlement:
    if others := differences(sought, record):
        raise ResponseMismatch(
            f"the order exists with another {', '.join(others)}", order_no=sought.order_no
        )
    state = _STATES.get(record.status, "pending")
    return Settlement(order_no=sought.order_no, state=state, record=record)
