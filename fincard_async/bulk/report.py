"""What a run tells: progress while it goes on, a result per row, and the sums at the end."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType

from .plan import Entry, RowState

logger = logging.getLogger("fincard_async")


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """A job at one moment."""

    total: int
    counts: Mapping[RowState, int]
    """Rows by state; every state has a count."""
    in_flight: int
    """Orders that wait for their answer."""
    elapsed: float
    """Seconds since the run began."""

    @property
    def done(self) -> int:
        """Rows that are final, those of earlier runs included."""
        return sum(count for state, count in self.counts.items() if state.final)


@dataclass(frozen=True, slots=True, kw_only=True)
class RowResult:
    """How one row ended, or how far it is."""

    row_id: str
    order_no: str
    """``merchantOrderNo``: the same for this row of this job in every run."""
    state: RowState
    card_no: str | None
    currency: str | None
    """Currency of amount and fee."""
    amount: Decimal
    fee: Decimal | None
    received_amount: Decimal | None
    """What arrived on the card, in ``received_currency``; None unless issued."""
    received_currency: str | None
    code: int | str | None
    """Business code of the last refusal."""
    message: str | None
    """What the server said, on one line and without long numbers; or why the row is not final."""
    attempts: int
    """How often the order was sent, or about to be sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """How a run ended."""

    job: str
    results: tuple[RowResult, ...]
    """One for each row, in the order of the input."""
    counts: Mapping[RowState, int]
    received: Mapping[str, Decimal]
    """Sum of what arrived on the issued cards, by currency."""
    interrupted: bool
    """True if the run ended early, by ``stop()`` or because the server could not be reached."""
    reason: str | None = None
    """Why it ended early, if it was not asked to."""

    @property
    def complete(self) -> bool:
        """True if every row is final: nothing is unknown, pending or parked."""
        return all(state.final for state, count in self.counts.items() if count)

    @property
    def ok(self) -> bool:
        """True if every row has its card."""
        return all(state is RowState.ISSUED for state, count in self.counts.items() if count)


def to_result(entry: Entry) -> RowResult:
    """The public face of a row of the journal."""
    return RowResult(
        row_id=entry.row_id,
        order_no=entry.order_no,
        state=entry.state,
        card_no=entry.card_no,
        currency=entry.currency,
        amount=entry.amount,
        fee=entry.fee,
        received_amount=entry.received_amount,
        received_currency=entry.received_currency,
        code=entry.code,
        message=entry.message,
        attempts=entry.sends,
    )


def sum_received(results: Iterable[RowResult]) -> dict[str, Decimal]:
    """What arrived on the issued cards, by currency."""
    sums: dict[str, Decimal] = {}
    for result in results:
        if result.state is RowState.ISSUED and result.received_amount is not None:
            currency = result.received_currency or result.currency or "unknown"
            sums[currency] = sums.get(currency, Decimal(0)) + result.received_amount
    return sums


class Tally:
    """Counts rows by state while they move, and tells a callback.

    A callback that raises is logged once and dropped: nothing that only watches may end a run.
    """

    def __init__(
        self,
        counts: Mapping[RowState, int],
        tell: Callable[[Progress], None] | None,
        monotonic: Callable[[], float],
    ) -> None:
        self.counts = {state: counts.get(state, 0) for state in RowState}
        self.in_flight = 0
        self._total = sum(self.counts.values())
        self._tell = tell
        self._monotonic = monotonic
        self._started = monotonic()
        self.changed()

    def moved(self, before: RowState, after: RowState) -> None:
        """A row went from one state to another."""
        self.counts[before] -= 1
        self.counts[after] += 1
        self.changed()

    def flying(self, change: int) -> None:
        """An order is sent (+1), or its answer is there (-1)."""
        self.in_flight += change
        self.changed()

    def changed(self) -> None:
        """Tell the callback how things stand."""
        if self._tell is None:
            return
        progress = Progress(
            total=self._total,
            counts=MappingProxyType(dict(self.counts)),
            in_flight=self.in_flight,
            elapsed=self._monotonic() - self._started,
        )
        try:
            self._tell(progress)
        except Exception as error:  # noqa: BLE001 - foreign code
            self._tell = None
            logger.warning("progress callback dropped after %s", type(error).__name__)
