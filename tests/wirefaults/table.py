"""The table of faults as text, for ``docs/reliability.md``.

``python -m tests.wirefaults`` puts it there.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from fincard_async.errors import FincardError

from .cases import GROUPS
from .verdicts import Column, Kind, Verdict, expected

PAGE: Final = Path(__file__).parents[2] / "docs" / "reliability.md"
BEGIN: Final = "<!-- faults: python -m tests.wirefaults -->\n"
END: Final = "<!-- end of faults -->\n"
COLUMNS: Final[tuple[tuple[Column, str], ...]] = (
    ("read", "read"),
    ("sensitive", "read of card data"),
    ("error", 'mutation, `dedupe="error"`'),
    ("none", 'mutation, `dedupe="none"`'),
    ("settled", "mutation, looked up"),
)
"""The fourth is without a look-up, as is the third."""
MARK: Final = (FincardError,)


def in_page(page: str, table: str) -> str:
    """The page with this table in place of the one that it has."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}{table}{END}{after}"


def render() -> str:
    """First what each kind of fault leads to, then the faults."""
    return "\n".join([*_kinds(), "", *(line for name in GROUPS for line in _group(name))])


def _kinds() -> Iterator[str]:
    yield "| | proves | " + " | ".join(title for _, title in COLUMNS) + " |"
    yield "|---|---|" + "---|" * len(COLUMNS)
    for kind in Kind:
        ends = " | ".join(_ending(kind, column) for column, _ in COLUMNS)
        yield f"| {kind.value} | {_meaning(kind)} | {ends} |"


def _meaning(kind: Kind) -> str:
    return {
        Kind.RESULT: "an answer like any other",
        Kind.NOT_SENT: "no byte left; another attempt may get through",
        Kind.HOPELESS: "no byte left; no attempt will get through",
        Kind.AGAIN: "it may have happened; the same bytes may go again where that does no harm",
        Kind.ONCE: "it may have happened; sending it again would teach nothing",
        Kind.REFUSED: "nothing happened, the server says, finally",
        Kind.DUPLICATE: "an earlier call with this number arrived; this one did nothing",
    }[kind]


def _ending(kind: Kind, column: Column) -> str:
    if kind is Kind.DUPLICATE and column in ("read", "sensitive"):
        return ""
    done = kind not in (Kind.REFUSED, Kind.DUPLICATE)
    ending = expected(Verdict(kind, MARK), column, lasting=True, commits=done)
    names = [cls.__name__ for cls in ending.error if cls is not FincardError]
    what = "the error" if ending.error == MARK else f"`{names[0]}`" if names else "the result"
    return f"{what}, {ending.requests or 'no'} request{'s' * (ending.requests != 1)}"


def _group(name: str) -> Iterator[str]:
    yield f"| {name} | read | mutation |"
    yield "|---|---|---|"
    alike: dict[tuple[Verdict, Verdict], dict[str, None]] = {}
    for row in GROUPS[name]:
        fault = row.name if row.only is None or len(row.only) > 1 else _without_operation(row.name)
        alike.setdefault((row.read, row.write), {})[fault] = None
    for (read, write), faults in alike.items():
        yield f"| {'; '.join(faults)} | {_short(read)} | {_short(write)} |"
    yield ""


def _without_operation(name: str) -> str:
    operation, colon, fault = name.partition(": ")
    return fault if colon and "." in operation else name


def _short(verdict: Verdict) -> str:
    errors = " or ".join(f"`{cls.__name__}`" for cls in verdict.errors)
    far = ", no retry before the deadline" if verdict.far else ""
    return f"{verdict.kind.value}{': ' * bool(errors)}{errors}{far}"
