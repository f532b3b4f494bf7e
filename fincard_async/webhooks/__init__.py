"""Webhooks: signed events, verified, typed, and handled at least once without harm.

::

    verifier = WebhookVerifier(PLATFORM_KEY)
    event = verifier.verify(headers, raw_body)          # raises, or it is from the platform

    inbox = Inbox(verifier, SqliteStore("inbox.db"), client=client)
    app.mount("/webhooks", WebhookApp(inbox))           # ASGI; aiohttp: webhook_handler(inbox)

Layout: ``verifier`` (signature, then content) -> ``inbox`` (claim, confirm, handle, done) over a
``store`` (memory, ``sqlite``, ``postgres``); ``asgi`` and ``aiohttp_web`` are its edges. See
``docs/webhooks.md``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fincard_async._generated.events import (
    KINDS,
    AuthorizationEvent,
    EmailChangeEvent,
    FeeEvent,
    HolderEvent,
    OperationEvent,
    PhysicalCardEvent,
    ThreeDsEvent,
    WalletDepositEvent,
    WalletEvent,
    WorkOrderEvent,
)
from fincard_async._sansio.webhook import (
    MAX_EVENT_BYTES,
    Event,
    EventKind,
    Standing,
    UnknownEvent,
    WebhookEvent,
)
from fincard_async.errors import WebhookError, WebhookRefused, WebhookUnreadable

from .aiohttp_web import serve_webhooks, webhook_handler
from .asgi import WebhookApp
from .inbox import Inbox, Receipt
from .postgres import PostgresStore
from .replies import ack
from .store import Claim, Entry, InboxStore, MemoryStore
from .verifier import TimedKey, WebhookVerifier

if TYPE_CHECKING:
    from .sqlite import SqliteStore

__all__ = [
    "KINDS",
    "MAX_EVENT_BYTES",
    "AuthorizationEvent",
    "Claim",
    "EmailChangeEvent",
    "Entry",
    "Event",
    "EventKind",
    "FeeEvent",
    "HolderEvent",
    "Inbox",
    "InboxStore",
    "MemoryStore",
    "OperationEvent",
    "PhysicalCardEvent",
    "PostgresStore",
    "Receipt",
    "SqliteStore",
    "Standing",
    "ThreeDsEvent",
    "TimedKey",
    "UnknownEvent",
    "WalletDepositEvent",
    "WalletEvent",
    "WebhookApp",
    "WebhookError",
    "WebhookEvent",
    "WebhookRefused",
    "WebhookUnreadable",
    "WebhookVerifier",
    "WorkOrderEvent",
    "ack",
    "serve_webhooks",
    "webhook_handler",
]


def __getattr__(name: str) -> object:
    """Import ``sqlite3`` only for those who use it: a Python may be built without."""
    if name == "SqliteStore":
        from .sqlite import SqliteStore

        return SqliteStore
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
