"""What is wrong with an input file: all of it at once, by file and line."""

from __future__ import annotations

from dataclasses import dataclass

from fincard_async.errors import ValidationError


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
    """The rows cannot be used; nothing was sent. ``faults`` has everything that is wrong."""

    def __init__(self, faults: tuple[InputFault, ...]) -> None:
        super().__init__("\n".join(str(fault) for fault in faults))
        self.faults = faults


class Faults:
    """Collects what is wrong with one file."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._found: list[InputFault] = []

    def add(self, line: int | None, message: str) -> None:
        """Note a fault."""
        self._found.append(InputFault(self._file, line, message))

    def raise_if_any(self) -> None:
        """Raise InputError with every fault so far, in order of lines."""
        if self._found:
            raise InputError(tuple(sorted(self._found, key=lambda fault: fault.line or 0)))
