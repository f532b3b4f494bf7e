"""Input files to rows, with every fault found at once, before any money moves.

A message names the line and the rule, and never quotes a value: one column may hold card numbers,
and any value may stand in the wrong column.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Final, Generic, TypeVar

from fincard_async._sansio.money import parse_amount
from fincard_async._sansio.secret import Secret

from .duplicates import Marks, mark
from .faults import MOST_KEPT, Faults, InputError, InputFault
from .formats import NDJSON, Columns, Record, Values, is_text, reader_of

LONGEST_ROW_ID: Final = 200
_LONG: Final = re.compile(r"[0-9]{1,19}\Z")
_MOST_LONG: Final = (1 << 63) - 1
_CHUNK: Final = 1 << 20

ISSUE_COLUMNS: Final = Columns(
    required=("row_id", "card_type_id", "amount"),
    optional=("holder_id", "account_id", "card_number"),
    codes=frozenset({"card_number"}),
)

R = TypeVar("R")

__all__ = ["InputError", "InputFault", "IssueRow", "RowFile", "issue_rows", "read_rows"]


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueRow:
    """One card to issue."""

    row_id: str
    """Unique in the job: the order number is derived from it."""
    card_type_id: int
    amount: Decimal
    """Initial deposit; 0 for a card type that takes none."""
    holder_id: int | None = None
    account_id: int | None = None
    card_number: Secret | None = None
    """Printed number of a card that was bought offline."""
    generation: int = 0
    """Raise it to issue a second card for a row of the same id, on purpose."""
    line: int | None = None
    """Where it stands in its file."""


def issue_rows(path: str | os.PathLike[str], *, sheet: str | None = None) -> RowFile[IssueRow]:
    """The cards to issue that stand in a file, however many; see ``RowFile``.

    Columns or keys: ``row_id``, ``card_type_id``, ``amount``, and as the card type needs them
    ``holder_id``, ``account_id``, ``card_number``.

    Args:
        path: CSV with a header, NDJSON (``.ndjson``, ``.jsonl``), a workbook (``.xlsx``; extra
            ``excel``) or Parquet (``.parquet``; extra ``parquet``).
        sheet: Which sheet of a workbook, if several have something in them.
    """
    return RowFile(path, ISSUE_COLUMNS, _issue_row, sheet=sheet, form="issue")


def read_rows(path: str | os.PathLike[str], *, sheet: str | None = None) -> list[IssueRow]:
    """All rows of a file at once: ``list(issue_rows(path))``.

    Raises:
        InputError: The file or any of its rows cannot be used; it lists every fault.
        MissingExtraError: The format needs an extra that is not installed.
    """
    return list(issue_rows(path, sheet=sheet))


class RowFile(Generic[R]):
    """The rows of a file, read anew each time they are iterated, so that no number of them is held.

    An iteration yields the rows that are sound and, at its end, raises ``InputError`` if any was
    not, if a ``row_id`` stands twice, if there are none, or if the file has changed since the first
    time. So nothing may be done with a row before an iteration came to its end.

    Args:
        path: The file; its name decides the format.
        columns: Its columns, ``row_id`` among them.
        build: Makes a row of a record; None if it noted a fault.
        sheet: Which sheet of a workbook.
        form: Name of what ``build`` does, if the version of this package and the operation of the
            job decide it; "" if a caller's own code does, so that equal files may give other rows.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        columns: Columns,
        build: Callable[[Fields], R],
        *,
        sheet: str | None = None,
        form: str = "",
    ) -> None:
        self.path = Path(path)
        self._columns = columns
        self._build = build
        self._sheet = sheet
        self._form = form
        self._version: tuple[int, ...] | None = None

    def __iter__(self) -> Iterator[R]:
        faults, marks, empty = Faults(str(self.path)), Marks(), True
        for line, values in self._records(faults):
            if (row_id := values.get("row_id")) is not None:
                marks.add(row_id)
            fields = Fields(line, values, faults)
            row = self._build(fields)
            if fields.sound:
                empty = False
                yield row
        self._find_repeated(marks.repeated(), faults)
        if empty:
            faults.raise_if_any()
            faults.add(1, "there are no rows")
        faults.raise_if_any()

    def content(self) -> Iterator[bytes]:
        """Everything that decides the rows, and nothing else: equal content gives equal rows.

        Nothing if it is no text, or if a caller's own code makes its rows. What was read here is
        what an iteration must find later, or it ends with a fault.

        Raises:
            OSError: It cannot be read, or no further.
        """
        if not self._form or not is_text(self.path):
            return
        # First the version: a file that takes its place now is another one for the iteration.
        self._version = self._version or _version(self.path)
        with self.path.open("rb") as file:
            yield repr((self._form, self.path.suffix.lower() in NDJSON)).encode()
            while chunk := file.read(_CHUNK):
                yield chunk

    def first(self, count: int) -> list[R]:
        """The first rows; faults of later ones are not looked for."""
        rows = iter(self)
        try:
            return list(islice(rows, count))
        finally:
            if isinstance(rows, Generator):
                rows.close()

    def _records(self, faults: Faults) -> Iterator[Record]:
        try:
            before = _version(self.path)
            self._version = self._version or before
            yield from reader_of(self.path)(self.path, self._columns, faults, sheet=self._sheet)
            after = _version(self.path)
        except OSError as error:
            faults.add(None, f"cannot be read: {error.strerror}")
            faults.raise_if_any()
            raise
        if not self._version == before == after:
            faults.add(None, "has changed since it was read first; begin again")

    def _find_repeated(self, suspects: Mapping[int, int], faults: Faults) -> None:
        """Read again and look at the suspects: the first lines that repeat an id are faults."""
        if not suspects:
            return
        lines: dict[str, int] = {}
        found = 0
        for line, values in self._records(Faults(str(self.path))):
            row_id = values.get("row_id")
            if row_id is None or mark(row_id) not in suspects:
                continue
            if (first := lines.setdefault(row_id, line)) != line:
                faults.add(line, f"row_id is the same as on line {first}")
                if (found := found + 1) == MOST_KEPT:
                    faults.count += sum(suspects.values()) - found
                    return


def _version(path: Path) -> tuple[int, ...]:
    found = path.stat()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _issue_row(fields: Fields) -> IssueRow:
    return IssueRow(
        row_id=fields.row_id(),
        card_type_id=fields.integer("card_type_id", required=True) or 0,
        amount=fields.money("amount", required=True) or Decimal(0),
        holder_id=fields.integer("holder_id"),
        account_id=fields.integer("account_id"),
        card_number=fields.secret("card_number"),
        line=fields.line,
    )


class Fields:
    """The values of one record; a value that cannot be used is a fault, and ``sound`` is False."""

    def __init__(self, line: int, values: Values, faults: Faults) -> None:
        self.sound = True
        self.line = line
        self._values = values
        self._faults = faults

    def fault(self, message: str) -> None:
        """The record cannot be used."""
        self.sound = False
        self._faults.add(self.line, message)

    def row_id(self) -> str:
        """The id of the row."""
        text = self._values.get("row_id", "")
        if not text.strip():
            self.fault("row_id is missing")
        elif not text.isprintable() or len(text) > LONGEST_ROW_ID:
            self.fault(f"row_id must be up to {LONGEST_ROW_ID} printable characters")
        return text

    def text(self, name: str, *, required: bool = False) -> str | None:
        """A value as it stands; None if there is none."""
        text = self._values.get(name)
        if text is None and required:
            self.fault(f"{name} is missing")
        return text

    def integer(self, name: str, *, required: bool = False) -> int | None:
        """A whole number that is not negative."""
        text = self.text(name, required=required)
        if text is None:
            return None
        value = int(text) if _LONG.match(text) else -1
        if not 0 <= value <= _MOST_LONG:
            self.fault(f"{name} must be a whole number")
        return value

    def money(self, name: str, *, required: bool = False) -> Decimal | None:
        """An exact amount that is not negative."""
        text = self.text(name, required=required)
        if text is None:
            return None
        try:
            amount = parse_amount(text)
        except ValueError:
            self.fault(f"{name} must be a plain decimal number such as 12.50")
            return None
        if amount < 0:
            self.fault(f"{name} must not be negative")
        return amount

    def secret(self, name: str) -> Secret | None:
        """A value that is not shown."""
        text = self._values.get(name)
        return None if text is None else Secret(text)
