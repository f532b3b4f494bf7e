"""Everything that a log, a debugger or a crash reporter would make of an object or an error.

Frames of the tests themselves are left out, because there the canaries are put in.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Final

TESTS: Final = str(Path(__file__).parents[1])
MOST: Final = 100_000

CANARIES: Final = {
    "card number": "4929420573595709",
    "cvv": "7351",
    "pin": "828374",
    "one-time code": "QX7Z3K9W",
    "token": "canary-token-Zq81.eyJjYW5hcnkiOjF9.c2ln",
    "password": "canary-Pass word-55!",
    "tenant secret": "canary-tenant-secret",
    "private key": "MIICANARYKEY0123456789",
}

# A short number may stand inside an address or a time by chance.
_PATTERNS: Final = {
    name: re.compile(
        rf"(?<![\w.]){re.escape(value)}(?!\w)" if value.isdigit() else re.escape(value)
    )
    for name, value in CANARIES.items()
}


def hits(text: str) -> list[str]:
    """Names of the canaries in a text."""
    return [name for name, pattern in _PATTERNS.items() if pattern.search(text)]


def leaks(error: BaseException) -> list[str]:
    """Which canaries an error shows, by its text, its causes or the variables of its frames."""
    found: set[str] = set()
    for each in chain(error):
        texts = [str(each), repr(each), repr(each.args), repr(vars(each))]
        texts += map(str, getattr(each, "__notes__", ()))
        found.update(f"{type(each).__name__}: {name}" for name in hits("\n".join(texts)))
        for frame in frames(each):
            for variable, text in shown_in(frame):
                where = frame.f_code.co_name
                found.update(f"{where}, {variable}: {name}" for name in hits(text))
        found.update(f"captured: {name}" for name in hits("\n".join(_captured(each))))
    return sorted(found)


def chain(error: BaseException) -> Iterator[BaseException]:
    """An error and all that hangs on it, suppressed or not."""
    seen: set[int] = set()
    todo: list[BaseException | None] = [error]
    while todo:
        each = todo.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        todo += [each.__cause__, each.__context__]
        if isinstance(each, BaseExceptionGroup):
            todo += each.exceptions


def frames(error: BaseException) -> Iterator[FrameType]:
    """The frames of an error's traceback that are not the tests' own."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if not frame.f_code.co_filename.startswith(TESTS):
            yield frame


def shown_in(frame: FrameType) -> Iterator[tuple[str, str]]:
    """The variables of a frame, and one level of what they hold, as crash reporters take them."""
    for name, value in list(frame.f_locals.items()):
        yield name, shown(value)
        if isinstance(value, dict):
            yield from ((name, shown(item)) for pair in value.items() for item in pair)
        elif isinstance(value, list | tuple | set):
            yield from ((name, shown(item)) for item in value)


def shown(value: object) -> str:
    """The repr of anything; one that fails shows nothing."""
    try:
        return repr(value)[:MOST]
    except Exception as error:  # noqa: BLE001 - half-made objects stand in frames, too
        return type(error).__name__


def _captured(error: BaseException) -> list[str]:
    try:
        told = traceback.TracebackException.from_exception(error, capture_locals=True)
    except AttributeError:  # before Python 3.13 a half-made object in a frame stops it
        return []
    told.stack = traceback.StackSummary.from_list(
        [each for each in told.stack if not each.filename.startswith(TESTS)]
    )
    return list(told.format(chain=False))
