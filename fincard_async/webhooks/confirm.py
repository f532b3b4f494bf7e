"""One query tells whether a money event is true: a signature alone never says when."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fincard_async._generated.operations import load
from fincard_async._sansio.paging import Page, Paginator
from fincard_async._sansio.webhook import Standing, WebhookEvent, standing

if TYPE_CHECKING:
    from fincard_async.client import FincardClient


class NotConfirmed(Exception):
    """No query tells the same, so far."""


async def confirmed(client: FincardClient, event: WebhookEvent[Any]) -> WebhookEvent[Any]:
    """The event with the query's row in place of its payload; as it is if no query knows it.

    A row that is further than the event is as good: the event was late, and the row is the truth.

    Raises:
        NotConfirmed: There is no such row, or it is not as far as the event says.
        FincardError: The query failed.
    """
    asked = event.kind.confirmed_by
    if asked is None:
        return event
    page = await _page(client, asked.query, asked.filter, getattr(event.data, asked.filter))
    rows = [replace(event, data=row, confirmed=True) for row in page.records]
    found = [(_standing(row), row) for row in rows if row.key == event.key]
    best = max(found, key=lambda pair: pair[0], default=None)
    claimed = _standing(event)
    if best is None or best[0].step < claimed.step:
        raise NotConfirmed("no row of the query says so")
    return best[1]


async def _page(client: FincardClient, query: str, name: str, value: object) -> Page[Any]:
    resource, _, method = load(query).name.partition(".")
    rows: Paginator[Any] = getattr(getattr(client, resource), method)(**{name: value})
    return await rows.page(1)


def _standing(event: WebhookEvent[Any]) -> Standing:
    found = standing(event.kind, event.data, event.digest)
    assert found is not None, "the schema: what is confirmed has states"
    return found
