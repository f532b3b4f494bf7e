"""A row as every journal keeps it, and what a journal belongs to.

What is fixed stays fixed: the order number and the request (``payload``) are decided when the job
is planned, and every attempt of every run sends exactly them (correctness 3.2, L1). The payload
never holds a card number, a PIN or any other field that the schema calls secret; ``withheld`` names
those that the row needs beside it.
"""

from __future__ import annotations

import enum
from decimal import Decimal
from typing import Final

import msgspec

FORMAT: Final = 2
"""Version of what stands in a journal; see ``migrations`` for what was before."""


class RowState(enum.Enum):
    """Where a row stands."""

    __hash__ = object.__hash__  # that of Enum is written in Python, and every row needs it often

    PLANNED = "planned"
    """In the journal; never sent."""
    INTENT = "intent"
    """About to be sent, or sent; nothing is recorded of an answer."""
    UNKNOWN = "unknown"
    """Sent, and the answer does not tell whether it was carried out."""
    ACCEPTED = "accepted"
    """The server works on it."""
    ISSUED = "issued"
    """Carried out: there is a card, or the money has moved. Final."""
    FAILED = "failed"
    """The server took the order, and it ended without effect. Final."""
    REFUSED = "refused"
    """The server did not take the order. Final."""
    WITHDRAWN = "withdrawn"
    """Taken back by a person before it was ever sent. Final."""
    PARKED = "parked"
    """The program cannot tell what to do; a person must decide."""

    @property
    def final(self) -> bool:
        """True if nothing is left to do."""
        return self in FINAL


FINAL: Final = frozenset({RowState.ISSUED, RowState.FAILED, RowState.REFUSED, RowState.WITHDRAWN})
UNSETTLED: Final = frozenset({RowState.INTENT, RowState.UNKNOWN})
"""States in which an attempt may be open and the server must be asked before anything is sent."""


class Reason(enum.Enum):
    """Why a row is parked."""

    MISMATCH = "mismatch"
    """The order under the row's number is of another kind, card or amount."""
    SEVERAL = "several"
    """The server has several orders under the row's number."""
    CONTRADICTION = "contradiction"
    """The server took back what it had said of an accepted order, such as its card."""
    ABSENT = "absent"
    """Sent; the server does not refuse a repeated number, and later had no such order."""
    UNPROVABLE = "unprovable"
    """Sent, and not found later; but the server has no order at all by which the query could be
    checked, so that not to find one proves nothing."""

    @property
    def question(self) -> str:
        """What a person has to find out."""
        return _QUESTIONS[self]


_QUESTIONS: Final = {
    Reason.MISMATCH: "who made the order under this number, and does the row still need its own?",
    Reason.SEVERAL: "which of the orders under this number is wanted, and what of the others?",
    Reason.CONTRADICTION: "which of the two answers of the server is true?",
    Reason.ABSENT: "does the provider confirm that this order was never carried out?",
    Reason.UNPROVABLE: "does the provider know anything of an order of this number?",
}


class Entry(msgspec.Struct, frozen=True, kw_only=True, gc=False, array_like=True):
    """A row as the journal keeps it. The first fields are fixed when the job is planned.

    It encodes as an array in the order of its fields, which is the order of the columns: one JSON
    text carries a whole group of rows to or from a database.
    """

    seq: int
    """Position in the input, from 0."""
    row_id: str
    order_no: str
    payload: str
    """The request as canonical JSON, by wire names: without order number and without secrets."""
    amount: Decimal | None = None
    """What the row moves; None for an operation without an amount."""
    target: str | None = None
    """``cardNo`` of the card that the row is about; None where a card is made."""
    generation: int = 0
    """Raised to repeat a row on purpose, under another order number."""
    withheld: str = ""
    """Names of the secret fields that the request needs beside the payload, with spaces between."""
    state: RowState = RowState.PLANNED
    reason: Reason | None = None
    """Why it is parked."""
    sends: int = 0
    """Attempts begun."""
    closed: int = 0
    """Attempts proven to have done nothing."""
    first_sent_at: int | None = None
    """When the first attempt that may still be open began; epoch milliseconds, as all times."""
    last_sent_at: int | None = None
    """When the last attempt that may still be open began; once it is given up, when that was."""
    ended_at: int | None = None
    """When the row became final or was parked."""
    card_no: str | None = None
    currency: str | None = None
    fee: Decimal | None = None
    received_amount: Decimal | None = None
    received_currency: str | None = None
    code: int | str | None = None
    message: str | None = None

    @property
    def open(self) -> int:
        """Attempts that may have reached the server, or may still reach it."""
        return self.sends - self.closed


FIXED: Final = (
    "seq",
    "row_id",
    "order_no",
    "payload",
    "amount",
    "target",
    "generation",
    "withheld",
)
"""Fields of an entry that never change after the plan is durable. All others of a row that is
planned have their defaults: nothing leads back to that state."""


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """What a journal belongs to. A journal of anything else is refused."""

    job: str
    kind: str
    """Name of the method of ``client.cards``, such as ``open``."""
    server: str
    """Origin."""
    tenant: str
    input: str = ""
    """Digest of the rows; "" until every row was read."""
    format: int = FORMAT


HEADER_DIFFERS: Final = {
    "job": "another job; use another journal file for each job",
    "kind": "another operation; use another journal file for each job",
    "server": "another server; point the client at that server, or use another journal file",
    "tenant": "another tenant; use that tenant, or another journal file",
}


def differs(found: Header, wanted: Header) -> str | None:
    """What a journal belongs to that is not wanted; the digest of the rows is compared later."""
    for name, words in HEADER_DIFFERS.items():
        if getattr(found, name) != getattr(wanted, name):
            return words
    return None
