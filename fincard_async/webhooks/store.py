"""What an inbox remembers: two phases for each event, and how far each subject is.

The law of a store: ``claim`` gives an event to one handler at a time, for as long as its lease;
only ``finish`` makes it done, and the same step moves the state of its subject forward, never back.
An event whose handler failed or died is given out again. A store keeps the body as it was signed,
with sealed values still sealed, and only until the event is done.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from fincard_async._sansio.webhook import Standing


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A verified event as it is kept."""

    digest: str
    """Its identity: equal for repeats."""
    category: str | None
    event_id: str | None
    subject: str | None
    body: bytes
    attempts: int = 0
    """How often a handler was given it."""

    def __repr__(self) -> str:
        return f"Entry({self.category or 'no category'}, {self.digest[:12]})"


ClaimState = Literal["claimed", "done", "busy"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """The answer of ``claim``.

    Attributes:
        state: ``claimed``: handle it now. ``done``: it was handled before. ``busy``: another
            handler has it, or another event of its subject.
        token: Proves the claim to ``finish`` and ``release``.
        attempts: How often it was given out, this time included.
        known: How far its subject is.
    """

    state: ClaimState
    token: str = ""
    attempts: int = 0
    known: Standing | None = None


class InboxStore(Protocol):
    """Where an inbox keeps its events; all times are seconds since the epoch."""

    async def claim(self, entry: Entry, *, token: str, now: float, lease: float) -> Claim:
        """Keep the event if it is new, and give it out unless it is done or another has it."""
        ...

    async def finish(
        self, digest: str, *, token: str, now: float, standing: Standing | None
    ) -> bool:
        """Make it done and move its subject forward; False if the claim was lost meanwhile, or the
        event is not known.

        The subject moves even then: what the handler did was done.
        """
        ...

    async def release(self, digest: str, *, token: str, error: str) -> None:
        """Give it back after a failure; ``error`` is the name of an exception's class."""
        ...

    async def known(self, subject: str) -> Standing | None:
        """How far a subject is."""
        ...

    async def waiting(self, *, now: float, limit: int, below: int) -> Sequence[Entry]:
        """Events that are not done, that nobody has, and that were given out less often than
        ``below``; first those that were given out least, then the oldest.
        """
        ...

    async def prune(self, *, before: float) -> int:
        """Forget events that were done before a moment; returns how many."""
        ...

    async def aclose(self) -> None:
        """Let go of what it holds open."""
        ...


@dataclass(slots=True)
class _Kept:
    entry: Entry
    lease_until: float
    token: str
    done_at: float | None = None


class MemoryStore:
    """Keeps events in this process; they are gone with it. For tests, and for hints only."""

    def __init__(self) -> None:
        self._kept: dict[str, _Kept] = {}
        self._known: dict[str, Standing] = {}
        self._holders: dict[str, _Kept] = {}
        """The last event of each subject that was given out."""

    async def claim(self, entry: Entry, *, token: str, now: float, lease: float) -> Claim:
        """See ``InboxStore``."""
        kept = self._kept.get(entry.digest)
        if kept is not None and kept.done_at is not None:
            return Claim(state="done")
        if kept is None:
            kept = self._kept[entry.digest] = _Kept(entry, 0.0, "")
        if kept.lease_until > now or self._taken(entry, now):
            return Claim(state="busy")
        kept.lease_until, kept.token = now + lease, token
        if entry.subject is not None:
            self._holders[entry.subject] = kept
        kept.entry = replace(kept.entry, attempts=kept.entry.attempts + 1)
        known = None if entry.subject is None else self._known.get(entry.subject)
        return Claim(state="claimed", token=token, attempts=kept.entry.attempts, known=known)

    def _taken(self, entry: Entry, now: float) -> bool:
        """True if another event of the subject is being handled."""
        holder = self._holders.get(entry.subject or "")
        return holder is not None and holder.done_at is None and holder.lease_until > now

    async def finish(
        self, digest: str, *, token: str, now: float, standing: Standing | None
    ) -> bool:
        """See ``InboxStore``."""
        kept = self._kept.get(digest)
        if kept is None:
            return False
        subject = kept.entry.subject
        if standing is not None and subject is not None:
            self._known[subject] = max(standing, self._known.get(subject, standing))
        if kept.token != token:
            return False
        kept.done_at, kept.lease_until = now, 0.0
        kept.entry = replace(kept.entry, body=b"")
        return True

    async def release(self, digest: str, *, token: str, error: str) -> None:
        """See ``InboxStore``."""
        kept = self._kept.get(digest)
        if kept is not None and kept.token == token:
            kept.lease_until = 0.0

    async def known(self, subject: str) -> Standing | None:
        """See ``InboxStore``."""
        return self._known.get(subject)

    async def waiting(self, *, now: float, limit: int, below: int) -> Sequence[Entry]:
        """See ``InboxStore``."""
        found = [
            kept.entry
            for kept in self._kept.values()
            if kept.done_at is None and kept.lease_until <= now and kept.entry.attempts < below
        ]
        return sorted(found, key=lambda entry: entry.attempts)[:limit]

    async def prune(self, *, before: float) -> int:
        """See ``InboxStore``."""
        old = [
            digest
            for digest, kept in self._kept.items()
            if kept.done_at is not None and kept.done_at < before
        ]
        for digest in old:
            del self._kept[digest]
        return len(old)

    async def aclose(self) -> None:
        """Nothing is held open."""
