"""What a journal keeps of a batch of rows, so that the same rows need not be planned again.

To derive order numbers and to check rules costs far more than to read rows. So the journal keeps
one mark for each batch: a digest of the rows as they were given, and what they ask for in all. A
batch whose mark fits is the same, and is left out. Any other batch is planned and compared with the
journal row by row, so that the same rows from a file of another format are still the same job.

Most often the rows come from a text file that nobody has touched. So the last mark also tells the
digest of the file, and what all rows ask for: if the file still has that digest, all its rows are
the same, and nothing but the first batch is read of them. A file with secrets in it has no digest
here, no more than its rows have: a hash of a card number could be reversed.

The digest covers whatever the plan was made from: the version of the package, the operation, the
job and the card types. Rows with secrets get no mark: secrets are in no journal, and what is read
again must be planned again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence

import msgspec
from anyio.lowlevel import checkpoint

from fincard_async._generated.models.cards import CardType
from fincard_async._version import __version__

from .guards import Asked
from .kinds import BulkOperationType
from .records import BulkRow


class _Mark(msgspec.Struct, frozen=True, array_like=True):
    """As the journal keeps it."""

    digest: str
    asked: Asked
    file: str = ""
    """In the last mark, the digest of the file; "" if there is none, or if it holds secrets."""
    rest: Asked | None = None
    """There, what all rows ask for but those of the first batch."""


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

    async def file(self, content: Iterable[bytes]) -> str:
        """Digest of a file; "" if there is nothing in it."""
        found = self._context.copy()
        empty = True
        for chunk in content:
            found.update(chunk)
            empty = False
            await checkpoint()
        return "" if empty else found.hexdigest()

    def mark(self, digest: str, asked: Asked, file: str = "", rest: Asked | None = None) -> str:
        """What is kept; "" if nothing is."""
        if not digest:
            return ""
        return msgspec.json.encode(_Mark(digest, asked, file, rest)).decode()

    def same(self, mark: str | None, digest: str) -> Asked | None:
        """What the rows ask for, if they have this mark; None if they must be planned."""
        found = _read(mark) if digest else None
        return found.asked if found is not None and found.digest == digest else None

    def same_file(self, marks: Mapping[int, str], file: str) -> Asked | None:
        """What all rows but those of the first batch ask for, if they are those of this file; None
        if they must be read.
        """
        found = _read(marks[max(marks)]) if file and len(marks) > 1 else None
        return found.rest if found is not None and found.file == file else None


def _read(mark: str | None) -> _Mark | None:
    try:
        return _DECODER.decode(mark) if mark else None
    except msgspec.MsgspecError:
        return None  # of an earlier format
