"""A client and a server in one process, and a judge that believes the server's books alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random
from typing import Final, Literal

from fincard_async import FincardClient
from fincard_async._generated.models.cards import CardOperation
from fincard_async._generated.models.transactions import OperationRecord
from fincard_async._runtime.hooks import CallEvent
from fincard_async.errors import (
    ApiError,
    ConnectFailed,
    DuplicateOrder,
    OutcomeUnknown,
)
from fincard_async.sandbox import Sandbox
from fincard_async.settle import settle
from fincard_async.testing import Fault, FaultPlan, Injection

from .virtual import LoopClock

KINDS: Final[Mapping[str, str]] = {
    "open": "create",
    "deposit": "deposit",
    "withdraw": "withdraw",
    "freeze": "Freeze",
    "unfreeze": "UnFreeze",
}
"""Method of ``client.cards`` -> ``type`` in the operation query."""
PREPAID: Final = 111001
End = Literal["not-called", "in-flight", "result", "refused", "not-sent", "unknown"]


@dataclass(slots=True)
class Intent:
    """One thing that somebody wants once, and what the client said of it."""

    method: str
    card_no: str | None = None
    amount: Decimal | None = None
    number: str | None = None
    """None until the client mints one."""
    end: End = "not-called"
    result: CardOperation | None = None
    called_until: float = 0.0
    """When the call ended or was cancelled, since the epoch."""
    settled: str | None = None

    @property
    def is_open(self) -> bool:
        """True if nobody told what became of it."""
        return self.settled in (None, "pending") and self.end in ("in-flight", "unknown")


_current: ContextVar[Intent | None] = ContextVar("_current", default=None)


@dataclass
class Trace:
    """An observer: it notes everything, and which number was minted for whom."""

    clock: LoopClock
    lines: list[str] = field(default_factory=list)

    def __call__(self, event: CallEvent) -> None:
        """Take one event."""
        at = f"{self.clock.monotonic():.6f}"
        facts = (event.operation, event.order_no, event.attempt, event.error, event.status)
        self.lines.append(" ".join(map(str, (at, event.point, *facts))))
        intent = _current.get()
        if intent is not None and event.point == "prepared" and intent.number is None:
            intent.number = event.order_no


async def carry_out(client: FincardClient, intent: Intent, clock: LoopClock) -> None:
    """Call, and keep what the client says; a cancelled call stays ``in-flight``."""
    intent.end = "in-flight"
    mark = _current.set(intent)
    try:
        intent.result = await _call(client, intent)
        intent.end = "result"
    except (OutcomeUnknown, DuplicateOrder):
        intent.end = "unknown"
    except ConnectFailed:
        intent.end = "not-sent"
    except ApiError:
        intent.end = "refused"
    finally:
        intent.called_until = clock.wall()
        _current.reset(mark)


async def _call(client: FincardClient, intent: Intent) -> CardOperation:
    cards, number = client.cards, intent.number
    if intent.method == "open":
        assert intent.amount is not None
        return await cards.open(
            card_type_id=PREPAID, amount=intent.amount, merchant_order_no=number
        )
    assert intent.card_no is not None
    if intent.method in ("deposit", "withdraw"):
        assert intent.amount is not None
        move = cards.deposit if intent.method == "deposit" else cards.withdraw
        return await move(intent.card_no, amount=intent.amount, merchant_order_no=number)
    change = cards.freeze if intent.method == "freeze" else cards.unfreeze
    return await change(intent.card_no, merchant_order_no=number)


async def settle_intent(
    client: FincardClient, intent: Intent, *, settle_time: float, timeout: float
) -> None:
    """Ask what became of an intent that is open."""
    if intent.number is None:  # cancelled before the client had one: nothing was sent
        intent.settled = "absent"
        return
    found = await settle(
        client,
        intent.number,
        kind=intent.method,
        amount=intent.amount,
        card_no=intent.card_no,
        sent_at=intent.called_until,
        settle_time=settle_time,
        timeout=timeout,
    )
    intent.settled = None if found.state == "unknown" else found.state


def judge(
    sandbox: Sandbox, rows: Sequence[OperationRecord], intents: Sequence[Intent]
) -> list[str]:
    """Everything that the client said or did and that the books do not bear out."""
    wrong = [f"{number} was carried out twice" for number in sandbox.controls.doubled()]
    books = sandbox.controls.ledger()
    parts = (books.wallet, books.shared, books.on_cards, books.held, books.fees, books.spent)
    if sum(parts) != books.paid_in:
        wrong.append(f"money: {sum(parts)} is not {books.paid_in}")
    count = Counter(row.merchant_order_no for row in rows)
    wrong += [f"{number} has {times} rows" for number, times in count.items() if times > 1]
    known = {row.merchant_order_no: row for row in rows}
    wanted = {intent.number for intent in intents}
    wrong += [f"nobody wanted {number}" for number in known if number not in wanted]
    for intent in intents:
        wrong += [f"{intent.method} {intent.number}: {fault}" for fault in _faults(intent, known)]
    return wrong


def _faults(intent: Intent, known: Mapping[str | None, OperationRecord]) -> list[str]:
    row = None if intent.number is None else known.get(intent.number)
    if intent.end in ("refused", "not-sent", "not-called") and row is not None:
        return [f"ended as {intent.end}, and was carried out"]
    if intent.settled == "absent" and row is not None:
        return ["settled as absent, and was carried out"]
    if intent.settled in ("success", "fail", "pending") and row is None:
        return [f"settled as {intent.settled}, and is not on the books"]
    if intent.settled in ("success", "fail") and row is not None and row.status != intent.settled:
        return [f"settled as {intent.settled}, and is {row.status}"]
    if row is not None and row.type != KINDS[intent.method]:
        return [f"the books say {row.type}"]
    if row is not None and intent.amount is not None and row.amount != intent.amount:
        return [f"the books say {row.amount}"]
    if intent.end != "result":
        return []
    result = intent.result
    if row is None or result is None:
        return ["a result was told, and is not on the books"]
    told = (result.merchant_order_no, result.card_no or row.card_no)
    if told != (intent.number, row.card_no) or (result.order_no or row.order_no) != row.order_no:
        return ["the result is that of another order"]
    if intent.card_no is not None and row.card_no != intent.card_no:
        return ["carried out on another card"]
    return []


async def all_rows(client: FincardClient) -> list[OperationRecord]:
    """The whole operation query."""
    return [row async for row in client.transactions.operations()]


class Seeded:
    """Entropy that a seed repeats."""

    def __init__(self, seed: str) -> None:
        self._random = Random(seed)

    def token_bytes(self, count: int) -> bytes:
        """Bytes for a number."""
        return self._random.randbytes(count)

    def fraction(self) -> float:
        """Jitter."""
        return self._random.random()


class Switch:
    """A plan of faults that can be turned off."""

    def __init__(self, plan: FaultPlan) -> None:
        self._plan = plan
        self.on = False
        self.met: Counter[str] = plan.met
        self.injected: list[Injection] = plan.injected

    def choose(self, operation_name: str, nth: int, mutates: bool) -> Fault | None:
        """What the plan says, while it is on."""
        return self._plan.choose(operation_name, nth, mutates) if self.on else None
