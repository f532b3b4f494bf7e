"""What a journal keeps of a batch of rows, so that the same rows need not be planned again.

To derive order numbers and to check rules costs far more than to read rows. So the journal keeps
one mark for each batch: a digest of the rows as they were given, and what they ask for in all. A
batch whose mark fits is the same, and is left out. Any other batch is planned and compared with the
journal row by row, so that the same rows from a file of another format are still the same job.

The digest covers whatever the plan was made from: the version of the package, the operation, the
job and the card types. Rows with secrets get no mark: secrets are in no journal, and what is read
again must be planned again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import msgspec

from fincard_async._generated.models.cards import CardType
from fincard_async._version import __version__

from .guards import Asked
from .kinds import BulkOperationType
from .records import BulkRow


class _Mark(msgspec.Struct, frozen=True, array_like=True):
    """As the journal keeps it."""

    digest: str
    asked: Asked


_DECODER = msgspec.json.Decoder(_Mark)


class Marking:
    """Makes and compares the marks of one plan."""

    def __init__(
        self, operation: BulkOperationType, job: str, card_types: Mapping[int, CardType] | None
    ) -> None:
        types = None if card_types is None else [card_types[name] for name in sorted(card_types)]
        parts = (__version__, operation.name, job, types)
        self._context = hashlib.sha256(msgspec.msgpack.encode(parts))

    def digest(self, rows: Sequence[BulkRow]) -> str:
        """Of rows as they were given; "" if they hold what cannot be encoded, such as a secret."""
        try:
            data = msgspec.msgpack.encode(rows)
        except (TypeError, ValueError, OverflowError, RecursionError):
            return ""
        found = self._context.copy()
        found.update(data)
        return found.hexdigest()

    def mark(self, digest: str, asked: Asked) -> str:
        """What is kept; "" if nothing is."""
        return msgspec.json.encode(_Mark(digest, asked)).decode() if digest else ""

    def same(self, mark: str | None, digest: str) -> Asked | None:
        """What the rows ask for, if they have this mark; None if they must be planned."""
        if not mark or not digest:
            return None
        try:
            found = _DECODER.decode(mark)
        except msgspec.MsgspecError:
            return None  # of an earlier format
        return found.asked if found.digest == digest else None
