"""At-least-once made safe: verify, claim, confirm, handle, and only then done.

An event is given to its handlers once they have not failed yet: if one fails, or the process dies,
the event stays and comes again, from the platform or by ``sweep``. A status that is proven to be
older than what was handled is acknowledged and not handed over. Nothing signed carries a time, so
an old event can be sent again by anybody who has a copy: what is about money is confirmed by one
query, and handlers see the query's row. Source: contract 4, 9 row 14; correctness 2.5.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, TypeVar

import anyio

from fincard_async._generated.events import ENVELOPE, KINDS
from fincard_async._sansio.messages import HttpResponse
from fincard_async._sansio.webhook import Event, Standing, WebhookEvent, kept_body, read_event
from fincard_async.errors import (
    ConfigError,
    FincardError,
    WebhookRefused,
    WebhookUnreadable,
)

from .confirm import NotConfirmed, confirmed
from .replies import reply_for
from .store import Claim, Entry, InboxStore, MemoryStore
from .verifier import Headers, WebhookVerifier

if TYPE_CHECKING:
    from fincard_async.client import FincardClient

Outcome = Literal[
    "handled", "duplicate", "late", "busy", "unconfirmed", "failed", "refused", "unreadable"
]
Handler: TypeAlias = Callable[[Any], Awaitable[None]]
Subscriber: TypeAlias = Callable[[Event], None]
H = TypeVar("H", bound=Handler)

LEASE_SECONDS: Final = 60.0
RETENTION_SECONDS: Final = 7 * 86_400.0
MOST_ATTEMPTS: Final = 100
_SWEPT: Final = 100

_log = logging.getLogger("fincard_async")


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What became of a delivery.

    Attributes:
        outcome: ``handled``, or ``duplicate`` or ``late``, which need no handling. The sender is
            asked to come again after ``busy`` (another has it), ``unconfirmed`` (no query tells the
            same yet) and ``failed`` (a handler raised). ``refused``: not signed by the platform.
            ``unreadable``: signed, but not what its category promises.
        event: The event; None if there is none to be trusted.
        error: Name of the class of what was raised.
    """

    outcome: Outcome
    event: Event | None = None
    error: str | None = None

    @property
    def accepted(self) -> bool:
        """True if the sender need not come again."""
        return self.outcome in ("handled", "duplicate", "late")

    @property
    def reply(self) -> HttpResponse:
        """What to answer the sender; nothing in it tells a reason."""
        return reply_for(self.outcome)


class Inbox:
    """Receives webhooks for some handlers.

    ::

        inbox = Inbox(WebhookVerifier(KEY), SqliteStore("inbox.db"), client=client)

        @inbox.on(OperationEvent)
        async def settled(event: OperationEvent) -> None: ...

        receipt = await inbox.receive(headers, raw_body)

    Args:
        verifier: Says what the platform signed.
        store: Where events are kept until they are done; None keeps them in this process only.
        client: Asks whether money events are true.
        confirm: False believes money events as they come. Whoever has an old delivery can send it
            again, so handlers must then ask by themselves.
        lease: Seconds that handlers have for one event. They are cancelled before it ends, so that
            no two of them have one event at a time.
        retention: Seconds for which an event is remembered after it was done.
        clock: Seconds since the epoch.

    Raises:
        ConfigError: Events are to be confirmed, and there is no client to do it.
    """

    def __init__(
        self,
        verifier: WebhookVerifier,
        store: InboxStore | None = None,
        *,
        client: FincardClient | None = None,
        confirm: bool = True,
        lease: float = LEASE_SECONDS,
        retention: float = RETENTION_SECONDS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if confirm and client is None:
            raise ConfigError(
                "an inbox confirms money events by query: give client, or confirm=False"
            )
        self._verifier = verifier
        self.store: InboxStore = MemoryStore() if store is None else store
        self._client = client if confirm else None
        self._lease, self._retention, self._clock = lease, retention, clock
        self._handlers: list[tuple[type[Event], Handler]] = []
        self._subscribers: list[Subscriber] = []
        self._turns: dict[str, _Turn] = {}

    def on(self, *kinds: type[Event]) -> Callable[[H], H]:
        """Let a coroutine function handle events of some types; ``Event`` stands for all.

        It may get an event again, after a failure. If one of several handlers fails, all get the
        event again.
        """

        def register(handler: H) -> H:
            self._handlers += [(kind, handler) for kind in kinds or (Event,)]
            return handler

        return register

    def subscribe(self, subscriber: Subscriber) -> Callable[[], None]:
        """Tell a function of every new event, before the handlers; returns how to end that.

        It is called synchronously, must be quick, and is dropped if it raises. What it is told may
        be unconfirmed: a hint to look, not a fact. ``waiters`` and watchers of balances use it.
        """
        self._subscribers.append(subscriber)

        def unsubscribe() -> None:
            if subscriber in self._subscribers:
                self._subscribers.remove(subscriber)

        return unsubscribe

    async def receive(self, headers: Headers, raw_body: bytes) -> Receipt:
        """Take one delivery.

        Raises:
            ArgumentTypeError: The body is not bytes.
        """
        try:
            event = self._verifier.verify(headers, raw_body)
        except WebhookRefused:
            return Receipt(outcome="refused")
        except WebhookUnreadable as error:
            _log.error("a signed webhook cannot be read: %s", error)
            return Receipt(outcome="unreadable", error=type(error).__name__)
        return await self._take(event, _entry(event))

    async def sweep(self) -> int:
        """Handle again what failed or was left behind by a crash, and forget what is old.

        Call it now and then, such as every minute; returns how many events were handled. After
        ``MOST_ATTEMPTS`` an event is left alone: it stays in the store, and the log has said so.
        """
        handled = 0
        now = self._clock()
        for entry in await self.store.waiting(now=now, limit=_SWEPT, below=MOST_ATTEMPTS):
            event = read_event(
                entry.body, KINDS, ENVELOPE, category=entry.category, request_id=entry.event_id
            )
            # What is not kept is not in the body any more; the event is the same one.
            event = replace(event, digest=entry.digest)
            handled += (await self._take(event, entry)).accepted
        await self.store.prune(before=self._clock() - self._retention)
        return handled

    async def aclose(self) -> None:
        """Let go of the store."""
        await self.store.aclose()

    async def _take(self, event: Event, entry: Entry) -> Receipt:
        token = secrets.token_hex(16)
        async with self._turn(event.subject or event.digest):
            claim = await self.store.claim(entry, token=token, now=self._clock(), lease=self._lease)
            if claim.state == "done":
                return Receipt(outcome="duplicate", event=event)
            if claim.state == "busy":
                return Receipt(outcome="busy", event=event)
            return await self._settled(event, claim)

    async def _settled(self, event: Event, claim: Claim) -> Receipt:
        """Handle a claimed event; whatever happens, the claim ends."""
        try:
            # A handler must not go on when the lease has ended and another may have the event.
            with anyio.fail_after(self._lease * 0.9):
                receipt = await self._handled(event, claim)
        except BaseException as error:
            name = type(error).__name__
            with anyio.CancelScope(shield=True):
                await self.store.release(event.digest, token=claim.token, error=name)
            if not isinstance(error, Exception):
                raise
            doubt = isinstance(error, NotConfirmed)
            level = logging.ERROR if claim.attempts >= MOST_ATTEMPTS else logging.WARNING
            _log.log(level, "webhook %s, attempt %d: %s", event.category, claim.attempts, name)
            return Receipt(outcome="unconfirmed" if doubt else "failed", event=event, error=name)
        kept = False
        with anyio.CancelScope(shield=True):
            kept = await self.store.finish(
                event.digest,
                token=claim.token,
                now=self._clock(),
                standing=_standing(receipt.event),
            )
        if not kept:
            _log.warning("webhook %s: the lease ended before the handler did", event.category)
        return receipt

    async def _handled(self, event: Event, claim: Claim) -> Receipt:
        standing = _standing(event)
        if standing is not None and claim.known is not None:
            if standing.is_late_for(claim.known):
                return Receipt(outcome="late", event=event)
            if standing.contradicts(claim.known):
                _log.error("webhook %s: two final states of one subject", event.category)
        event = await self._asked(event)
        for kind, handler in tuple(self._handlers):
            if isinstance(event, kind):
                await handler(event)
        return Receipt(outcome="handled", event=event)

    async def _asked(self, event: Event) -> Event:
        """The event as a query confirms it; subscribers are told in any case."""
        if self._client is None or not isinstance(event, WebhookEvent):
            self._tell(event)
            return event
        try:
            event = await confirmed(self._client, event)
        except FincardError as error:
            self._tell(event)
            raise NotConfirmed(type(error).__name__) from None
        except NotConfirmed:
            self._tell(event)
            raise
        self._tell(event)
        return event

    def _tell(self, event: Event) -> None:
        for subscriber in tuple(self._subscribers):
            try:
                subscriber(event)
            except Exception as error:  # noqa: BLE001 - foreign code must not lose an event
                self._subscribers.remove(subscriber)
                _log.warning("subscriber dropped after %s", type(error).__name__)

    @asynccontextmanager
    async def _turn(self, subject: str) -> AsyncGenerator[None]:
        """Events of one subject take turns in this process, instead of sending each other away."""
        turn = self._turns.setdefault(subject, _Turn(anyio.Lock()))
        turn.users += 1
        try:
            async with turn.lock:
                yield
        finally:
            turn.users -= 1
            if turn.users == 0:
                self._turns.pop(subject, None)


@dataclass(slots=True)
class _Turn:
    lock: anyio.Lock
    users: int = 0


def _standing(event: Event | None) -> Standing | None:
    return event.standing if isinstance(event, WebhookEvent) else None


def _entry(event: Event) -> Entry:
    return Entry(
        digest=event.digest,
        category=event.category,
        event_id=event.event_id,
        subject=event.subject,
        body=kept_body(event),
    )
