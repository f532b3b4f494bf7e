"""What people decide on rows that the program cannot decide on. Source: correctness 3.4, PARKED.

Every decision is checked before the first takes effect, and all take effect in one transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from fincard_async._runtime.ports import Clock, SystemClock
from fincard_async._sansio.responses import scrub
from fincard_async.errors import ValidationError

from .entry import Entry, Reason, RowState
from .plan import Event, advance, replace
from .ports import Journal
from .report import RowResult, to_result

Verdict: TypeAlias = Literal["issued", "failed", "resend", "withdraw"]

_EVENTS: Final[Mapping[str, tuple[RowState, Event]]] = {
    "issued": (RowState.PARKED, Event.JUDGED_ISSUED),
    "failed": (RowState.PARKED, Event.JUDGED_FAILED),
    "resend": (RowState.PARKED, Event.JUDGED_RESEND),
    "withdraw": (RowState.PLANNED, Event.WITHDRAWN),
}
"""By decision: the state that a row must be in, and what happens to it."""
_NOT_FOUND: Final = (Reason.ABSENT, Reason.UNPROVABLE)
"""Why rows are parked of whose number the server has no order."""
_READ: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a person decided on one row.

    Attributes:
        row_id: The row.
        decision: ``issued``: it was carried out. ``failed``: it was not, will not be, and is wanted
            no more. ``resend``: it was not and will not be, and the next run shall send it again
            under its number; only where the server has no order of that number. ``withdraw``: the
            row, never sent, shall not be sent.
        evidence: How the person knows, such as the provider's ticket. It is kept with the row; long
            numbers in it are masked.
        card_no: With ``issued``, the card; not needed where the row is about a card.
    """

    row_id: str
    decision: Verdict
    evidence: str
    card_no: str | None = None


async def resolve(
    journal: Journal, decisions: Iterable[Decision], *, clock: Clock | None = None
) -> tuple[RowResult, ...]:
    """Feed decisions back into the journal of a job that is not running.

    Args:
        journal: Not open; it is locked meanwhile.
        decisions: At most one for each row.
        clock: Time; for tests.

    Returns:
        The rows decided on, as they are now, in the order of the input.

    Raises:
        ValidationError: A decision cannot be taken; none took effect.
        JournalLocked: The job is running.
        JournalError: There is no such journal, or it cannot be written.
    """
    wanted = _by_row(decisions)
    now = int((clock or SystemClock()).wall() * 1000)
    await journal.attach()
    try:
        found = await _find(journal, wanted)
        changed = [_decided(entry, wanted[entry.row_id], now) for entry in found]
        await journal.commit(changed)
    finally:
        await journal.close()
    return tuple(map(to_result, changed))


def _by_row(decisions: Iterable[Decision]) -> dict[str, Decision]:
    wanted: dict[str, Decision] = {}
    for decision in decisions:
        if decision.row_id in wanted:
            raise _fault(decision, "has two decisions")
        if decision.decision not in _EVENTS:
            raise _fault(decision, f"the decision must be one of {', '.join(_EVENTS)}")
        if not decision.evidence.strip():
            raise _fault(decision, "the evidence is missing")
        if decision.card_no is not None and decision.decision != "issued":
            raise _fault(decision, "a card_no goes with the decision issued only")
        wanted[decision.row_id] = decision
    return wanted


async def _find(journal: Journal, wanted: Mapping[str, Decision]) -> list[Entry]:
    """The rows, in order.

    Raises:
        ValidationError: A row is not in the journal, or not in a state to be decided on.
    """
    found: list[Entry] = []
    after = -1
    while len(found) < len(wanted) and (
        entries := await journal.read((), after=after, limit=_READ)
    ):
        after = entries[-1].seq
        found += [entry for entry in entries if entry.row_id in wanted]
    known = {entry.row_id for entry in found}
    for row_id, decision in wanted.items():
        if row_id not in known:
            raise _fault(decision, "the journal has no such row")
    return found


def _decided(entry: Entry, decision: Decision, now: int) -> Entry:
    state, event = _EVENTS[decision.decision]
    if entry.state is not state:
        raise _fault(
            decision, f"is {entry.state.value}, and only what is {state.value} can be decided so"
        )
    if event is Event.JUDGED_RESEND and entry.reason not in _NOT_FOUND:
        raise _fault(decision, "cannot be sent again: the server has an order of its number")
    card_no = decision.card_no or entry.target
    if event is Event.JUDGED_ISSUED and not card_no:
        raise _fault(decision, "the card_no is missing")
    text = f"{decision.decision} by decision: {scrub(decision.evidence)}"
    after = replace(advance(entry, event, now=now), code=None, message=text)
    return replace(after, card_no=card_no) if event is Event.JUDGED_ISSUED else after


def _fault(decision: Decision, what: str) -> ValidationError:
    return ValidationError(f"row {scrub(decision.row_id)}: {what}")
