"""Rows per second of 100-row pages, and client CPU per row, beside what one would write by hand.

All read the same answers of a server that knows its answers beforehand, in a process of its own:
``json`` is a bare aiohttp loop with ``json.loads``, ``pydantic`` the same with pydantic v2 models
(amounts as Decimal), ``pages`` the client with typed, exact records, and ``seen`` adds what the row
loop does with each record so that none comes twice. Rounds alternate, so that noise meets all.

``--sandbox`` puts the HTTP edge of the sandbox in place of that server: a real list of operations,
a login, every header checked; it answers slowly, which a client's CPU does not see.

``--memory N`` reads N rows once through the row loop and prints how much memory grew meanwhile;
``--export N`` writes N rows to a file with ``export_to_file`` and prints the same.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import resource
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import aiohttp
import msgspec

from benchmarks.canned_server import canned_server
from fincard_async import BearerToken, FincardClient, RequestContext, SessionLogin
from fincard_async._generated.models.auth import LoginReply
from fincard_async._generated.models.transactions import OperationRecord
from fincard_async._generated.operations.transactions import OPERATIONS
from fincard_async._generated.wire import CONTEXT_HEADERS
from fincard_async._runtime.credentials import token_in
from fincard_async._runtime.paginator import PageReader
from fincard_async._runtime.ports import SystemClock
from fincard_async._sansio.headers import context_headers
from fincard_async._sansio.model import PageData
from fincard_async._sansio.operation import Paging
from fincard_async._sansio.requests import build_request
from fincard_async._sansio.seen import Seen
from fincard_async.exports import export_to_file
from fincard_async.sandbox import Sandbox, SandboxSettings
from fincard_async.sandbox.app import serve
from fincard_async.testing import sandbox_client, sandbox_login

SIZE = 100
Read = Callable[[int], Awaitable[int]]
"""Reads so many pages; returns the rows."""


def row(number: int) -> dict[str, object]:
    """An operation as the server lists it."""
    return {
        "orderNo": f"19921758346{number:08d}",
        "merchantOrderNo": f"UJZDEGXDNCF32EPF3DHO{number:012d}",
        "cardNo": f"WB20261122101500000{number:05d}",
        "currency": "USD",
        "amount": "50.10",
        "fee": 1,
        "receivedAmount": "50.10",
        "receivedCurrency": "USD",
        "type": "create",
        "status": "success",
        "description": None,
        "remark": None,
        "transactionTime": 1_795_342_500_000 - number,
    }


def answer(total: int) -> bytes:
    """One full page."""
    data = {"total": total, "records": [row(number) for number in range(SIZE)]}
    return json.dumps({"success": True, "code": 200, "msg": "Success", "data": data}).encode()


def by_hand(session: aiohttp.ClientSession, place: Place, decode: Callable[[bytes], int]) -> Read:
    """A loop over page numbers with a bare session."""
    url = place.origin + OPERATIONS.path

    async def read(pages: int) -> int:
        rows, headers = 0, {"Content-Type": "application/json", **place.headers}
        for number in range(1, pages + 1):
            body = json.dumps({"pageNum": place.page(number), "pageSize": SIZE}).encode()
            async with session.post(url, data=body, headers=headers) as response:
                rows += decode(await response.read())
        return rows

    return read


def with_pydantic() -> Callable[[bytes], int]:
    """The decoder that pydantic makes of the documented fields."""
    from decimal import Decimal

    from pydantic import BaseModel

    class Record(BaseModel):
        orderNo: str
        merchantOrderNo: str | None = None
        cardNo: str | None = None
        currency: str | None = None
        amount: Decimal | None = None
        fee: Decimal | None = None
        receivedAmount: Decimal | None = None
        receivedCurrency: str | None = None
        type: str
        status: str
        description: str | None = None
        remark: str | None = None
        transactionTime: int | None = None

    class Page(BaseModel):
        total: int
        records: list[Record]

    class Envelope(BaseModel):
        success: bool
        code: int
        data: Page

    return lambda body: len(Envelope.model_validate_json(body).data.records)


def through_pages(client: FincardClient, place: Place, *, distinct: bool = False) -> Read:
    """Page after page; the server repeats one page, so each has a memory of its own."""
    paging = OPERATIONS.paging
    assert paging is not None

    async def read(pages: int) -> int:
        reader, rows = client.transactions.operations(page_size=SIZE), 0
        for number in range(1, pages + 1):
            records = (await reader.page(place.page(number))).records
            if distinct:
                seen = Seen(paging.natural_key, paging.time)
                rows += sum(map(seen.is_new, records))
            else:
                rows += len(records)
        return rows

    return read


def fresh(number: int, size: int = SIZE) -> list[OperationRecord]:
    """The records of a page, each with a key of its own."""
    return [
        OperationRecord(
            order_no=f"19921758346{key:08d}",
            type="create",  # type: ignore[arg-type]  # text does
            status="success",  # type: ignore[arg-type]  # text does
            transaction_time=1_795_342_500_000 - key,
        )
        for key in range((number - 1) * size, number * size)
    ]


@dataclass(frozen=True)
class Place:
    """A server to read from."""

    origin: str
    auth: BearerToken | SessionLogin
    tenant: str
    headers: Mapping[str, str]
    """What a call by hand sends with each request."""
    last: int
    """Pages that there are; after them the first comes again."""

    def page(self, number: int) -> int:
        """The page to ask for."""
        return (number - 1) % self.last + 1


def _sandbox(pipe: Connection) -> None:
    async def main() -> None:
        sandbox = Sandbox(SandboxSettings(latency_ms=0))
        async with sandbox_client(sandbox=sandbox) as client:
            for _ in range(2 * SIZE):
                await client.cards.open(card_type_id=111001, amount=10)
        async with serve(sandbox) as url:
            pipe.send(url)
            await asyncio.Event().wait()

    asyncio.run(main())


@contextmanager
def canned() -> Iterator[Place]:
    """The server that knows its answers."""
    with canned_server({"*": answer(10**9)}) as address:
        headers = {"Authorization": "Bearer token"}
        yield Place(address.plain, BearerToken("token"), "bench", headers, 10**9)


@contextmanager
def sandbox_edge() -> Iterator[Place]:
    """The HTTP edge of a sandbox with two pages of operations, in a process of its own."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_sandbox, args=(there,), daemon=True)
    process.start()
    try:
        url = here.recv()
        settings = SandboxSettings()
        login = sandbox_login(settings)
        headers = asyncio.run(_headers(url, login, settings.tenant_id))
        yield Place(url, login, settings.tenant_id, headers, 2)
    finally:
        process.kill()
        process.join()


async def _headers(url: str, login: SessionLogin, tenant: str) -> dict[str, str]:
    """Log in by hand."""
    asked = login.request(tenant)
    prepared = build_request(asked.operation, asked.request, money_as="number", path=asked.path)
    headers = {
        **context_headers(RequestContext(), CONTEXT_HEADERS),
        CONTEXT_HEADERS["tenant_id"]: tenant,
        "Content-Type": "application/json",
    }
    async with (
        aiohttp.ClientSession() as session,
        session.post(url + prepared.path, data=prepared.body, headers=headers) as response,
    ):
        found = token_in(
            msgspec.json.decode(await response.read(), type=LoginReply, dec_hook=_open)
        )
    assert found is not None
    return {**headers, CONTEXT_HEADERS["authorization"]: f"Bearer {found[0].reveal()}"}


def _open(kind: type, value: object) -> object:
    return kind(value)


class Endless:
    """A list of so many rows that are made when they are asked for, newest first."""

    def __init__(self, total: int) -> None:
        assert OPERATIONS.paging is not None
        self.paging: Paging = OPERATIONS.paging
        self.size, self.since, self.until = SIZE, None, None
        self.clock = SystemClock()
        self.newest, self.total = 1_795_342_500_000, total

    def name(self, *, window: bool) -> str:
        """The query's name, which says what its columns are."""
        return f"{OPERATIONS.name}:endless"

    async def read(
        self, number: int, *, size: int, since: int | None, until: int | None, sweep: bool
    ) -> PageData[OperationRecord]:
        """One page of a window; a row to each millisecond."""
        low = max(since or 0, self.newest - self.total + 1)
        high = self.newest if until is None else min(until, self.newest)
        keys = range(self.newest - high, self.newest - low + 1)
        shown = keys[(number - 1) * size : number * size]
        records = [record for key in shown for record in fresh(key + 1, 1)]
        return PageData(total=len(keys), records=records)


async def cpu(read: Read, pages: int) -> tuple[float, float]:
    """Client CPU and seconds for one row."""
    before, begun = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    rows = await read(pages)
    after, ended = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return spent / rows, (ended - begun) / rows


async def compare(place: Place, pages: int, rounds: int) -> None:
    """Print the figures of all contestants."""
    async with (
        aiohttp.ClientSession() as first,
        aiohttp.ClientSession() as second,
        aiohttp.ClientSession() as third,
        FincardClient(
            base_url=place.origin,
            auth=place.auth,
            tenant_id=place.tenant,
        ) as client,
    ):
        contestants: dict[str, Read] = {
            "json": by_hand(first, place, lambda body: len(json.loads(body)["data"]["records"])),
            "control": by_hand(
                second, place, lambda body: len(json.loads(body)["data"]["records"])
            ),
            "pages": through_pages(client, place),
            "seen": through_pages(client, place, distinct=True),
        }
        try:
            contestants["pydantic"] = by_hand(third, place, with_pydantic())
        except ImportError:
            print("pydantic is not installed: left out")
        found: dict[str, list[tuple[float, float]]] = {name: [] for name in contestants}
        for number in range(rounds + 1):
            for name, read in contestants.items():
                figures = await cpu(read, pages)
                if number:  # the first round warms up
                    found[name].append(figures)
    for name, figures in found.items():
        ratios = [mine[0] / bare[0] for mine, bare in zip(figures, found["json"], strict=True)]
        each = statistics.median(figure[0] for figure in figures)
        rate = 1 / statistics.median(figure[1] for figure in figures)
        print(
            f"{name:<9} {statistics.median(ratios):.2f} x json"
            f" ({min(ratios):.2f}..{max(ratios):.2f}),"
            f" {each * 1e6:.1f} us CPU per row, {rate:,.0f} rows/s one page at a time"
        )


def resident() -> int:
    """Bytes of memory in use now."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * resource.getpagesize()


async def memory(total: int) -> None:
    """Read rows once; print how memory grew after the first tenth."""
    reader = PageReader(Endless(total))
    begun, rows, base, most = time.perf_counter(), 0, 0, 0
    async for _ in reader:
        rows += 1
        if rows == total // 10:
            base = resident()
        elif rows % 10_000 == 0:
            most = max(most, resident())
    seconds = time.perf_counter() - begun
    print(
        f"{rows:,} rows in {seconds:.1f} s, making them included; memory after the first tenth:"
        f" {base / 2**20:.1f} MiB, at most {(most - base) / 2**20:+.1f} MiB later"
    )


async def export(total: int, form: str) -> None:
    """Write rows to a file once; print how memory grew after the first tenth."""
    base = most = 0

    def watch(rows: int, _: int) -> None:
        nonlocal base, most
        if rows >= total // 10:
            base = base or resident()
            most = max(most, resident())

    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / f"rows.{form}"
        report = await export_to_file(PageReader(Endless(total)), target, progress=watch)
        size = target.stat().st_size
    seconds, after = time.perf_counter() - begun, resident()
    print(
        f"{report.rows:,} rows to {form} in {seconds:.1f} s ({size / 2**20:.0f} MiB);"
        f" memory after the first tenth: {base / 2**20:.1f} MiB, reading at most"
        f" {(most - base) / 2**20:+.1f} MiB, at the end {(after - base) / 2**20:+.1f} MiB"
    )


def main() -> None:
    """Parse the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pages", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--sandbox", action="store_true")
    parser.add_argument("--memory", type=int, default=0, metavar="ROWS")
    parser.add_argument("--export", type=int, default=0, metavar="ROWS")
    parser.add_argument("--format", default="csv")
    options = parser.parse_args()
    if options.memory:
        asyncio.run(memory(options.memory))
    if options.export:
        asyncio.run(export(options.export, options.format))
    if not (options.memory or options.export):
        with sandbox_edge() if options.sandbox else canned() as place:
            asyncio.run(compare(place, options.pages, options.rounds))


if __name__ == "__main__":
    main()
