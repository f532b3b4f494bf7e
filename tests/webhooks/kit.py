"""What the tests of webhooks share: the schema's examples, and events that move."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

from ruamel.yaml import YAML

from fincard_async._generated.events import KINDS
from fincard_async._sansio.webhook import Event
from fincard_async.testing import platform_key, sign_webhook
from fincard_async.webhooks import Inbox, InboxStore, WebhookVerifier
from tests.schema_examples import SCHEMA


class Sample(NamedTuple):
    """One example of the schema."""

    category: str
    name: str
    body: dict[str, Any]

    @property
    def id(self) -> str:
        """Name of the test case."""
        return f"{self.category}-{self.name}"


@lru_cache(maxsize=1)
def samples() -> tuple[Sample, ...]:
    """Every example of every category."""
    document = YAML(typ="safe", pure=True).load((SCHEMA / "webhooks.yaml").read_text("utf-8"))
    return tuple(
        Sample(category, name, example["value"])
        for category, item in document["webhooks"].items()
        for name, example in item["post"]["requestBody"]["content"]["application/json"][
            "examples"
        ].items()
    )


def sample(category: str, **changes: Any) -> dict[str, Any]:
    """The first example of a category, changed."""
    return {**next(s.body for s in samples() if s.category == category), **changes}


OPERATION, AUTHORIZATION = "card_transaction", "card_auth_transaction"
assert {OPERATION, AUTHORIZATION} < set(KINDS)


class Clock:
    """Seconds since the epoch, moved by hand."""

    def __init__(self) -> None:
        self.now = 1_795_342_500.0

    def __call__(self) -> float:
        return self.now


class Desk:
    """An inbox without a client, and what its handler was given."""

    def __init__(self, store: InboxStore | None = None) -> None:
        self.clock = Clock()
        self.inbox = Inbox(verifier(), store, confirm=False, clock=self.clock)
        self.seen: list[Event] = []
        self.failures = 0
        """How many times the handler fails from now on."""
        self.inbox.on()(self.handle)

    async def handle(self, event: Event) -> None:
        """Take an event, or fail."""
        if self.failures:
            self.failures -= 1
            raise RuntimeError("canary-of-the-handler")
        self.seen.append(event)

    async def send(self, category: str, **changes: Any) -> str:
        """Deliver the first example of a category, changed; the outcome."""
        headers, body = sign_webhook(sample(category, **changes), category=category)
        return (await self.inbox.receive(headers, body)).outcome


def verifier() -> WebhookVerifier:
    """Knows the make-believe platform."""
    return WebhookVerifier(platform_key().public_key())
