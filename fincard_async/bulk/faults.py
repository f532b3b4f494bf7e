"""What is wrong with an input: by file and line, the first faults of any number of them.

A file of a million wrong rows must not fill the memory, so a bounded number of faults is kept,
those that stand first in the file, and the rest is counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from fincard_async.errors import ValidationError

MOST_KEPT: Final = 50


@dataclass(frozen=True, slots=True)
class InputFault:
    """One thing that is wrong with an input file."""

    file: str
    line: int | None
    message: str

    def __str__(self) -> str:
        where = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{where}: {self.message}"


class InputError(ValidationError):
    """The rows cannot be used; nothing was sent.

    Attributes:
        faults: The first faults, at most 50, in order of lines.
        count: How many there are.
    """

    def __init__(self, faults: tuple[InputFault, ...], count: int | None = None) -> None:
        self.faults = faults
        self.count = len(faults) if count is None else count
        lines = [str(fault) for fault in faults]
        if (more := self.count - len(faults)) > 0:
            lines.append(f"and {more} more")
        super().__init__("\n".join(lines))


class Faults:
    """Collects what is wrong with one file."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._found: list[InputFault] = []
        self.count = 0

    def add(self, line: int | None, message: str) -> None:
        """Note a fault."""
        self.count += 1
        self._found.append(InputFault(self._file, line, message))
        if len(self._found) == 2 * MOST_KEPT:
            self._found = self._first()

    def _first(self) -> list[InputFault]:
        return sorted(self._found, key=lambda fault: fault.line or 0)[:MOST_KEPT]

    def raise_if_any(self) -> None:
        """Raise InputError with the first faults so far, in order of lines."""
        if self._found:
            raise InputError(tuple(self._first()), self.count)
