"""What a run tells: progress while it goes on, a result per row, and the sums at the end.

Nothing here grows with the number of rows: results are handed out one by one, and what stays is
counts, sums and a histogram.
"""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType
from typing import Final, overload

from fincard_async.errors import UsageError

from .entry import Entry, Reason, RowState
from .guards import Sums, add

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
    reason: Reason | None
    """Why it is parked; ``reason.question`` says what a person has to find out."""
    card_no: str | None
    """The card that was made, or that the row is about."""
    currency: str | None
    """Currency of amount and fee."""
    amount: Decimal | None
    """What the row moves; None for an operation without an amount."""
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
    first_sent_at: int | None
    """Epoch milliseconds."""
    ended_at: int | None
    """When it became final or was parked; epoch milliseconds."""

    @property
    def seconds(self) -> float | None:
        """From the first attempt to the end."""
        if self.first_sent_at is None or self.ended_at is None:
            return None
        return max(0, self.ended_at - self.first_sent_at) / 1000


def to_result(entry: Entry) -> RowResult:
    """The public face of a row of the journal."""
    return RowResult(
        row_id=entry.row_id,
        order_no=entry.order_no,
        state=entry.state,
        reason=entry.reason,
        card_no=entry.card_no or entry.target,
        currency=entry.currency,
        amount=entry.amount,
        fee=entry.fee,
        received_amount=entry.received_amount,
        received_currency=entry.received_currency,
        code=entry.code,
        message=entry.message,
        attempts=entry.sends,
        first_sent_at=entry.first_sent_at,
        ended_at=entry.ended_at,
    )


Reader = Callable[[int, int], Sequence[RowResult]]
"""Results of the rows after a seq, at most so many."""
_PAGE: Final = 1000


class Results(Sequence[RowResult]):
    """The result of each row, in the order of the input, read from the journal when asked for."""

    def __init__(self, reader: Reader | None, count: int) -> None:
        self._reader = reader
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[RowResult]:
        after = -1
        while page := self._read(after, _PAGE):
            yield from page
            after += len(page)

    @overload
    def __getitem__(self, index: int) -> RowResult: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[RowResult]: ...
    def __getitem__(self, index: int | slice) -> RowResult | Sequence[RowResult]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(self._count))]
        place = index + self._count if index < 0 else index
        if not 0 <= place < self._count:
            raise IndexError("the job has no such row")
        return self._read(place - 1, 1)[0]

    def _read(self, after: int, limit: int) -> Sequence[RowResult]:
        if self._reader is None:
            raise UsageError("this journal cannot be read row by row after the run")
        return self._reader(after, limit)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timings:
    """Seconds from the first attempt of a row to its end, within 5 %; None if no row has ended."""

    count: int
    p50: float | None
    p99: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """How a run ended. Counts and sums are those of the whole job, earlier runs included."""

    job: str
    kind: str
    """Name of the method of ``client.cards``."""
    counts: Mapping[RowState, int]
    codes: Mapping[tuple[RowState, int | str], int]
    """Rows that were refused, failed or left, by state and business code."""
    received: Mapping[str, Decimal]
    """Sum of what arrived on the cards of issued rows, by currency."""
    amounts: Mapping[str, Decimal]
    """Sum of what issued rows asked for, by currency."""
    fees: Mapping[str, Decimal]
    """Sum of the fees of issued rows, by currency."""
    timings: Timings
    interrupted: bool
    """True if the run ended early: by ``stop()``, a deadline, a breaker, or no connection."""
    reason: str | None = None
    """Why it ended early, if it was not asked to."""
    elapsed: float = field(default=0.0, compare=False)
    """Seconds that the run took."""
    results: Results = field(default_factory=lambda: Results(None, 0), compare=False, repr=False)
    """The result of each row, in the order of the input; read from the journal as you go."""

    @property
    def complete(self) -> bool:
        """True if every row is final: nothing is unknown, pending or parked."""
        return all(state.final for state, count in self.counts.items() if count)

    @property
    def ok(self) -> bool:
        """True if every row was carried out, but for those that a person took back."""
        good = (RowState.ISSUED, RowState.WITHDRAWN)
        return all(state in good for state, count in self.counts.items() if count)


class Summary:
    """Adds up the rows of a job."""

    def __init__(self) -> None:
        self.codes: Counter[tuple[RowState, int | str]] = Counter()
        self.received: Sums = {}
        self.amounts: Sums = {}
        self.fees: Sums = {}
        self._times = Histogram()

    def add(self, entries: Iterable[Entry]) -> None:
        """Some rows more."""
        for entry in entries:
            if entry.code is not None:
                self.codes[entry.state, entry.code] += 1
            if entry.state is RowState.ISSUED:
                add(self.received, entry.received_currency or entry.currency, entry.received_amount)
                add(self.amounts, entry.currency, entry.amount)
                add(self.fees, entry.currency, entry.fee)
            if entry.ended_at is not None and entry.first_sent_at is not None:
                self._times.add((entry.ended_at - entry.first_sent_at) / 1000)

    def timings(self) -> Timings:
        """How long rows took."""
        times = self._times
        return Timings(count=times.count, p50=times.quantile(0.5), p99=times.quantile(0.99))


class Histogram:
    """Counts durations in boxes that are each 5 % wider than the one before, from 1 ms up."""

    _GROWTH: Final = math.log(1.05)

    def __init__(self) -> None:
        self.count = 0
        self._boxes: Counter[int] = Counter()

    def add(self, seconds: float) -> None:
        """One duration more; what is below 1 ms counts as that."""
        self.count += 1
        self._boxes[math.ceil(math.log(max(seconds, 0.001) * 1000) / self._GROWTH)] += 1

    def quantile(self, share: float) -> float | None:
        """The upper end of the box below which so large a share is; None if there is nothing."""
        left = share * self.count
        for box, count in sorted(self._boxes.items()):
            left -= count
            if left <= 0:
                return math.exp(box * self._GROWTH) / 1000
        return None


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
        self.total = sum(self.counts.values())
        self._tell = tell
        self._monotonic = monotonic
        self._started = monotonic()
        self.changed()

    @property
    def elapsed(self) -> float:
        """Seconds since the run began."""
        return self._monotonic() - self._started

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
            total=self.total,
            counts=MappingProxyType(dict(self.counts)),
            in_flight=self.in_flight,
            elapsed=self.elapsed,
        )
        try:
            self._tell(progress)
        except Exception as error:  # noqa: BLE001 - foreign code
            self._tell = None
            logger.warning("progress callback dropped after %s", type(error).__name__)
