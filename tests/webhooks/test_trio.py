"""Inbox, stores and the ASGI application also hold on trio; the client's edges are asyncio's."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fincard_async.testing import sign_webhook
from fincard_async.webhooks import InboxStore, MemoryStore, SqliteStore, WebhookApp

from .kit import OPERATION, Desk, sample
from .stores import StoreTests
from .test_asgi import ACK, call

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """The other event loop."""
    return "trio"


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[InboxStore]:
    """A store of each kind that needs no server."""
    made = MemoryStore() if request.param == "memory" else SqliteStore(tmp_path / "inbox.db")
    yield made
    await made.aclose()


class TestStores(StoreTests):
    """Every store keeps the law."""


async def test_the_application() -> None:
    """A delivery is acknowledged."""
    desk = Desk()
    headers, body = sign_webhook(sample(OPERATION))
    assert (await call(WebhookApp(desk.inbox), [body], headers)).body == ACK
    assert len(desk.seen) == 1
