"""What a journal's file is asked, and how a group of rows goes in and out with one statement.

``sqlite3`` lets go of the interpreter's lock at every step of a statement and has to win it back
from a busy event loop: with a step for each row a group of rows would take seconds, with one step
it takes milliseconds. So a plan goes in as the parameters of one statement, and everything else in
and out as one JSON text.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from operator import attrgetter
from typing import Final

import msgspec

from .entry import FIXED, Entry, RowState
from .migrations import BUSY

_COLUMNS: Final = Entry.__struct_fields__
_LISTED: Final = ", ".join(_COLUMNS)
_LISTED_PLANNED: Final = ", ".join(FIXED)
MOST_AT_ONCE: Final = 1000
"""Rows of a plan in one statement: 8,000 parameters, where SQLite takes 32,766."""


@lru_cache(maxsize=8)
def insert(count: int) -> str:
    """Adds so many rows that are planned and no more."""
    row = f"({', '.join('?' * len(FIXED))}, '{RowState.PLANNED.value}', 0, 0)"
    return (
        f"INSERT INTO rows ({', '.join(FIXED)}, state, sends, closed)"
        f" VALUES {', '.join([row] * count)} ON CONFLICT (order_no) DO NOTHING"
    )


class Update:
    """Changes some columns of a group of rows, with one statement; ``also`` is the same for all."""

    def __init__(self, *names: str, also: str = "") -> None:
        self._values_of = attrgetter("seq", *names)
        places = (f"{name} = {_place(n)}" for n, name in enumerate(names, start=1))
        changes = ", ".join([also, *places] if also else places)
        self.sql = f"UPDATE rows SET {changes} FROM json_each(?) WHERE seq = {_place(0)}"

    def parameters(self, entries: Iterable[Entry]) -> tuple[str]:
        """What the statement takes: the rows as one JSON text."""
        return (_ENCODER.encode([self._values_of(entry) for entry in entries]).decode(),)


def _place(number: int) -> str:
    return f"json_extract(value, '$[{number}]')"


_ENCODER: Final = msgspec.json.Encoder()
UPDATE: Final = Update(*(name for name in _COLUMNS if name not in FIXED))
FIRST_INTENT: Final = Update(
    "first_sent_at", "last_sent_at", also=f"state = '{RowState.INTENT.value}', sends = 1"
)
"""Every row has one, so that it is worth a statement of its own, at half of the cost."""
_OF_FIRST_INTENT: Final = frozenset({"state", "sends", "first_sent_at", "last_sent_at"})
_UNTOUCHED_OF: Final = attrgetter(
    *(name for name in _COLUMNS if name not in FIXED and name not in _OF_FIRST_INTENT)
)
_UNTOUCHED: Final = _UNTOUCHED_OF(Entry(seq=0, row_id="", order_no="", payload=""))
FILL_IN: Final = Update("payload", "amount", "target", "withheld")
_IN_TURN: Final = (
    "(target IS NULL OR NOT EXISTS (SELECT 1 FROM rows AS other WHERE other.target = rows.target"
    " AND other.seq < rows.seq AND other.state NOT IN ("
    + ", ".join(f"'{state.value}'" for state in RowState if state.final)
    + ")))"
)
_BUSY_STATES: Final = frozenset(RowState(name.strip("'")) for name in BUSY.split(", "))
_DECODER: Final = msgspec.json.Decoder(list[Entry])
_FIXED_OF: Final = attrgetter(*FIXED)


def select(terms: str, states: Sequence[RowState] = ()) -> str:
    """One JSON text of the rows for which ``terms`` hold."""
    listed = _LISTED_PLANNED if list(states) == [RowState.PLANNED] else _LISTED
    rows = f"SELECT * FROM rows WHERE {terms}"
    return f"SELECT json_group_array(json_array({listed})) FROM ({rows})"


def select_states(
    states: Sequence[RowState], after: int, limit: int, until: int | None, in_turn: bool
) -> tuple[str, list[object]]:
    """``select`` for ``ports.Journal.read``, with its parameters."""
    terms = ["seq > ?"]
    values: list[object] = [after]
    if until is not None:
        terms.append("seq <= ?")
        values.append(until)
    if states:
        terms.append(f"state IN ({', '.join('?' * len(states))})")
        values += [state.value for state in states]
    if states and _BUSY_STATES.issuperset(states):
        terms.append(f"state IN ({BUSY})")  # the words of the index, so that it is used
    if in_turn:
        terms.append(_IN_TURN)
    return select(f"{' AND '.join(terms)} ORDER BY seq LIMIT ?", states), [*values, limit]


def to_entries(text: str) -> list[Entry]:
    """What ``select`` gives; what is left out has its default."""
    return _DECODER.decode(text)


def is_first_intent(entry: Entry) -> bool:
    """True if the row was planned until now, or is as it was: nothing else leads to one attempt
    begun and none closed, so that the file has the defaults in all other columns.
    """
    return (
        entry.state is RowState.INTENT and entry.sends == 1 and _UNTOUCHED_OF(entry) == _UNTOUCHED
    )


def fixed_values(entries: Iterable[Entry]) -> list[object]:
    """What a plan has of rows, one after the other, in the order of ``FIXED``."""
    values: list[object] = []
    for entry in entries:
        seq, row_id, order_no, payload, amount, *others = _FIXED_OF(entry)
        values += (seq, row_id, order_no, payload, None if amount is None else str(amount), *others)
    return values
