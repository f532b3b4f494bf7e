"""Every paged endpoint, read in every way, through the client against the sandbox.

The endpoints come from the generated operations, so a new one is in here by itself.
"""

from __future__ import annotations

import json
import warnings
from typing import Any, Final

import pytest

from fincard_async import NO_RETRY, FincardClient, Paginator
from fincard_async._generated.operations import OPERATION_NAMES, load
from fincard_async._sansio.operation import Paging
from fincard_async._sansio.paging import natural_key
from fincard_async.errors import TransportError, ValidationError
from fincard_async.sandbox import SandboxTransport
from fincard_async.testing import ScriptedFaults, sandbox_client
from tests.sandbox.kit import KEY, Api

pytestmark = pytest.mark.anyio

PAGED: Final = [name for name in OPERATION_NAMES if load(name).shape == "page"]
TIMED: Final = [name for name in PAGED if (it := load(name).paging) is not None and it.time]
CARDS: Final = 12
DAY: Final = 86_400_000


class World:
    """A sandbox in which every query has rows, some of them in one millisecond."""

    def __init__(self) -> None:
        self.api = Api()
        for number in range(CARDS):
            card_no = self.api.card(amount=100)
            for _ in range(2):
                trade = self.api.controls.simulate_purchase(card_no, 10).trade_no
                self.api.controls.simulate_fee_patch(card_no, 1, origin_trade_no=trade)
                self.api.controls.simulate_otp(card_no, 10)
            self.api.call("accounts.create", accountName=f"Team {number}")
            self.api.time.pass_ms(500 * (number % 3))
        self.api.settle()

    def window(self, name: str) -> dict[str, Any]:
        """What an export has to be told: nothing, unless the server's windows are short."""
        now = self.api.state.now
        return {"since": now - 45 * DAY, "until": now + 1} if paging(name).max_days else {}

    def client(self, faults: ScriptedFaults | None = None) -> Any:
        """A client of this sandbox."""
        transport = SandboxTransport(self.api.sandbox, faults=faults)
        return sandbox_client(
            sandbox=self.api.sandbox, transport=transport, card_key=KEY, retry=NO_RETRY
        )


@pytest.fixture(scope="module")
def world() -> World:
    """Read-only for all tests of this file, but for lists that are set in motion."""
    return World()


def query(client: FincardClient, name: str, **options: Any) -> Paginator[Any]:
    """The paginator of an endpoint."""
    resource, _, method = name.partition(".")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        found: Paginator[Any] = getattr(getattr(client, resource), method)(**options)
    return found


def paging(name: str) -> Paging:
    """How the schema says an endpoint is paged."""
    found = load(name).paging
    assert found is not None
    return found


def time_of(name: str, row: object) -> int:
    """The time of a row; 0 where rows have none."""
    field = paging(name).time
    time: int = 0 if field is None else getattr(row, field)
    return time


def keys(name: str, rows: list[Any]) -> list[Any]:
    """The natural keys of rows."""
    return [natural_key(row, paging(name).natural_key) for row in rows]


def test_there_are_paged_endpoints() -> None:
    """The suite below is not empty."""
    assert len(PAGED) >= 6
    assert all(load(name).paging is not None for name in PAGED)


@pytest.mark.parametrize("name", PAGED)
@pytest.mark.parametrize("prefetch", [0, 3])
async def test_rows_and_pages(world: World, name: str, prefetch: int) -> None:
    """Rows come once, newest first, and as many as the server counts; pages hold the same ones."""
    async with world.client() as client:
        paged = query(client, name, page_size=5, prefetch=prefetch)
        rows = await paged.collect()
        found = keys(name, rows)
        assert len(found) == len(set(found)) == await paged.total() > 10
        times = [time_of(name, row) for row in rows]
        assert times == sorted(times, reverse=True)
        pages = [page async for page in paged.pages()]
        assert keys(name, [row for page in pages for row in page.records]) == found
        assert [page.number for page in pages] == list(range(1, len(pages) + 1))
        assert keys(name, list((await paged.page(2)).records)) == found[5:10]
        assert keys(name, [await paged.first()]) == found[:1]
        assert keys(name, await paged.collect(7)) == found[:7]


async def test_a_list_without_times(world: World) -> None:
    """Accounts have no time filter: an export has all of them, and a part cannot be asked for."""
    async with world.client() as client:
        accounts = client.accounts.list_all(page_size=4)
        exported = keys("accounts.list_all", [row async for row in accounts.export()])
        assert sorted(exported) == sorted(keys("accounts.list_all", await accounts.collect()))
        with pytest.raises(ValidationError, match="no time filter"):
            accounts.export(since=0)


@pytest.mark.parametrize("name", TIMED)
async def test_an_export_is_the_whole_window(world: World, name: str) -> None:
    """All rows oldest first, and any part of the window is the same part of the rows."""
    async with world.client() as client:
        paged = query(client, name, page_size=4)
        everything = sorted(
            await paged.collect(),
            key=lambda row: (time_of(name, row), str(keys(name, [row])[0])),
        )
        window = world.window(name)
        export = paged.export(**window, concurrency=3)
        assert keys(name, [row async for row in export]) == keys(name, everything)
        middle = time_of(name, everything[len(everything) // 2])
        before, after = dict(window), dict(window)
        before["until"] = after["since"] = middle
        early = [row async for row in paged.export(**before)]
        late = [row async for row in paged.export(**after)]
        assert keys(name, early + late) == keys(name, everything)
        assert await paged.export(**before).total() == len(early)


@pytest.mark.parametrize("name", TIMED)
async def test_lists_in_motion(name: str) -> None:
    """A paginator repeats nothing, and an export has every row that stood still exactly once."""
    world = World()
    world.api.controls.move_lists(
        seed=5, inserts=0.2, late=0.1, leaves=0.2, unstable_ties=True, stale_totals=0.2, steps=30
    )
    async with world.client() as client:
        found = keys(
            name,
            [row async for row in query(client, name, page_size=4).export(**world.window(name))],
        )
        assert len(found) == len(set(found))
        world.api.controls.move_lists(seed=None)
        everything = set(keys(name, await query(client, name).collect()))
        assert set(found) <= everything
        assert len(found) >= len(everything) * 0.5
        world.api.controls.move_lists(seed=6, inserts=0.3, steps=20)
        rows = keys(name, await query(client, name, page_size=4).collect())
        assert len(rows) == len(set(rows)) >= len(everything) * 0.65


@pytest.mark.parametrize("name", PAGED)
async def test_breaking_off_and_going_on(world: World, name: str) -> None:
    """Rows before an error, and those of the resumed reader in another client, are the list."""
    async with world.client() as client:
        whole = keys(name, await query(client, name, page_size=4).collect())
    faults = ScriptedFaults([(name, 3, "drop-before-commit")])
    async with world.client(faults) as client:
        with pytest.raises(TransportError) as caught:
            await query(client, name, page_size=4).collect()
    token = caught.value.resume_token
    assert token is not None
    assert json.loads(token)["query"].startswith(name)
    async with world.client() as client:
        rest = await query(client, name, page_size=4).resume(token).collect()
        assert keys(name, [*caught.value.rows, *rest]) == whole
        other = next(item for item in PAGED if item != name)
        with pytest.raises(ValidationError, match="another query"):
            query(client, other).resume(token)


@pytest.mark.parametrize("name", PAGED)
async def test_page_sizes(world: World, name: str) -> None:
    """The bounds are the schema's, and hold before anything is sent."""
    most = paging(name).max_size
    async with world.client() as client:
        for wrong in (0, most + 1):
            with pytest.raises(ValidationError, match=rf"1\.\.{most}"):
                query(client, name, page_size=wrong)
        assert (await query(client, name).page(1)).size == most
