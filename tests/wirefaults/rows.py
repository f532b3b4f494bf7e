"""One fault and what must become of a call that meets it, as a row of the table."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from typing import Any, Final

from fincard_async import RetryPolicy
from fincard_async.errors import FincardError

from .books import Memory
from .server import Server, Spoil, serving
from .spoils import HASTY
from .verdicts import Kind, Verdict

Errors = type[FincardError] | tuple[type[FincardError], ...]
RESULT: Final = Verdict(Kind.RESULT)


@dataclass(frozen=True)
class Row:
    """One fault, and what must become of a call that meets it."""

    name: str
    spoil: Spoil
    read: Verdict
    write: Verdict
    commits: bool = True
    """The server carries the request out before it spoils the answer."""
    hangs: bool = False
    """The attempt must end by its time-out."""
    wired: bool = True
    """The fault is in the wire, so that a connection's past may matter."""
    keeps: bool = True
    """It can happen on a connection that was used before."""
    passes: bool = True
    """It can strike once and be gone."""
    counted: bool = True
    """False: there is no server that could count the requests, or be asked afterwards."""
    only: tuple[str, ...] | None = None
    """Operations that can meet it; None: all."""
    place: Callable[[Memory], AbstractAsyncContextManager[Server]] = serving

    def patience(self, policy: RetryPolicy) -> RetryPolicy:
        """The policy of a call, with a short time-out where the row needs it to end."""
        return replace(policy, attempt_timeout=HASTY) if self.hangs else policy


def means(kind: Kind, errors: Errors) -> Verdict:
    """A verdict with one error or several."""
    return Verdict(kind, errors if isinstance(errors, tuple) else (errors,))


def again(name: str, errors: Errors, spoil: Spoil, **facts: Any) -> Row:
    """It may have happened; the same request may be sent again where that does no harm."""
    verdict = means(Kind.AGAIN, errors)
    return Row(name, spoil, verdict, verdict, **facts)


def once(name: str, errors: Errors, spoil: Spoil, **facts: Any) -> Row:
    """It may have happened; another request would teach nothing."""
    verdict = means(Kind.ONCE, errors)
    return Row(name, spoil, verdict, verdict, **facts)


def refused(name: str, errors: Errors, spoil: Spoil, **facts: Any) -> Row:
    """A final refusal: nothing happened."""
    verdict = means(Kind.REFUSED, errors)
    return Row(name, spoil, verdict, verdict, commits=False, **facts)


def fine(name: str, spoil: Spoil, **facts: Any) -> Row:
    """Odd, and an answer all the same."""
    return Row(name, spoil, RESULT, RESULT, **facts)
