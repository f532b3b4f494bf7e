"""The clients that are compared: each makes one call, and each is set up as its manual says."""

from __future__ import annotations

import os
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import aiohttp
import msgspec

from benchmarks.answers import BALANCE, CARD
from benchmarks.floor import Floor
from fincard_async import BearerToken, FincardClient, Limits
from fincard_async._generated.operations.cards import GET_BALANCE
from fincard_async._generated.operations.transactions import OPERATIONS
from fincard_async._sansio.messages import HttpRequest, HttpResponse
from fincard_async._transports.lean import LeanTransport

Call = Callable[[], Awaitable[object]]


class Setting(NamedTuple):
    """What a client is pointed at."""

    origin: str
    concurrency: int
    trust: ssl.SSLContext | None


Contestant = Callable[[Setting], AbstractAsyncContextManager[Call]]


class _Balance(msgspec.Struct):
    cardNo: str
    amount: Decimal
    usedAmount: Decimal
    currency: str


class _Record(msgspec.Struct):
    orderNo: str
    type: str
    status: str
    merchantOrderNo: str | None = None
    cardNo: str | None = None
    currency: str | None = None
    amount: Decimal | None = None
    fee: Decimal | None = None
    receivedAmount: Decimal | None = None
    receivedCurrency: str | None = None
    description: str | None = None
    remark: str | None = None
    transactionTime: int | None = None


class _Page(msgspec.Struct):
    total: int
    records: list[_Record]


class _Envelope(msgspec.Struct):
    success: bool
    code: int
    data: _Balance


class _PageEnvelope(msgspec.Struct):
    success: bool
    code: int
    data: _Page


def _bare(path: str, body: object, kind: type) -> Contestant:
    """What a careful engineer writes by hand."""

    @asynccontextmanager
    async def opened(setting: Setting) -> AsyncIterator[Call]:
        url, data = setting.origin + path, msgspec.json.encode(body)
        decoder = msgspec.json.Decoder(kind)
        headers = {"Authorization": "Bearer token", "Content-Type": "application/json"}
        connector = aiohttp.TCPConnector(limit=0, ssl=setting.trust or True)
        async with aiohttp.ClientSession(connector=connector) as session:

            async def call() -> object:
                async with session.post(url, data=data, headers=headers) as response:
                    return decoder.decode(await response.read())

            yield call

    return opened


@asynccontextmanager
async def _floor(setting: Setting) -> AsyncIterator[Call]:
    floor = Floor(setting.origin, GET_BALANCE.path, {"cardNo": CARD}, setting.trust)
    yield floor.call
    floor.close()


def _fincard(way: str, call_of: Callable[[FincardClient], Call]) -> Contestant:
    @asynccontextmanager
    async def opened(setting: Setting) -> AsyncIterator[Call]:
        os.environ["FINCARD_TRANSPORT"] = "" if way == "LeanTransport" else "session"
        async with FincardClient(
            base_url=setting.origin,
            auth=BearerToken("token"),
            tenant_id="bench",
            limits=Limits(max_concurrency=setting.concurrency),
            ssl_context=setting.trust,
        ) as client:
            if not client.transport_kind.startswith(way):
                raise ImportError(client.transport_kind)
            yield call_of(client)

    return opened


@asynccontextmanager
async def _transport(setting: Setting) -> AsyncIterator[Call]:
    headers = MappingProxyType(
        {"Authorization": "Bearer token", "Content-Type": "application/json"}
    )
    transport = LeanTransport(setting.origin, ssl_context=setting.trust)
    body = msgspec.json.encode({"cardNo": CARD})

    async def call() -> object:
        return await transport.send(HttpRequest(GET_BALANCE.path, headers, body), 15.0)

    yield call
    await transport.aclose()


class _AtOnce:
    """A transport that has the answer already."""

    async def send(self, request: HttpRequest, timeout: float) -> HttpResponse:
        """The balance."""
        return _BALANCE

    async def aclose(self) -> None:
        """Nothing is open."""


@asynccontextmanager
async def _above(setting: Setting) -> AsyncIterator[Call]:
    token, limits = BearerToken("token"), Limits(max_concurrency=setting.concurrency)
    async with FincardClient(
        base_url=setting.origin, auth=token, tenant_id="bench", limits=limits, transport=_AtOnce()
    ) as client:
        yield _balance(client)


@asynccontextmanager
async def _httpx(setting: Setting) -> AsyncIterator[Call]:
    import httpx
    import pydantic

    class Balance(pydantic.BaseModel):
        cardNo: str
        amount: Decimal
        usedAmount: Decimal
        currency: str

    class Envelope(pydantic.BaseModel):
        success: bool
        code: int
        data: Balance

    limits = httpx.Limits(max_connections=None)
    headers = {"Authorization": "Bearer token"}
    async with httpx.AsyncClient(limits=limits, headers=headers) as client:

        async def call() -> object:
            response = await client.post(setting.origin + GET_BALANCE.path, json={"cardNo": CARD})
            return Envelope.model_validate_json(response.content)

        yield call


@asynccontextmanager
async def _lithic(setting: Setting) -> AsyncIterator[Call]:
    from lithic import AsyncLithic

    async with AsyncLithic(api_key="key", base_url=setting.origin, max_retries=0) as client:
        yield lambda: client.cards.retrieve(CARD)


@asynccontextmanager
async def _lithic_aiohttp(setting: Setting) -> AsyncIterator[Call]:
    from lithic import AsyncLithic, DefaultAioHttpClient

    client = AsyncLithic(
        api_key="key",
        base_url=setting.origin,
        max_retries=0,
        http_client=DefaultAioHttpClient(),
    )
    async with client:
        yield lambda: client.cards.retrieve(CARD)


@asynccontextmanager
async def _stripe(setting: Setting) -> AsyncIterator[Call]:
    import stripe

    transport = stripe.AIOHTTPClient()
    client = stripe.StripeClient(
        "sk_test_key",
        http_client=transport,
        base_addresses={"api": setting.origin},
        max_network_retries=0,
    )
    try:
        yield client.v1.balance.retrieve_async
    finally:
        await transport.close_async()


def _balance(client: FincardClient) -> Call:
    return lambda: client.cards.get_balance(CARD)


def _page(client: FincardClient) -> Call:
    return lambda: client.transactions.operations(page_size=100).page(1)


_BALANCE = HttpResponse(200, {}, BALANCE)
_bare_balance = _bare(GET_BALANCE.path, {"cardNo": CARD}, _Envelope)
_bare_page = _bare(OPERATIONS.path, {"pageNum": 1, "pageSize": 100}, _PageEnvelope)

BASE: Final = "aiohttp + msgspec, by hand"
CONTROL: Final = "the same again (control)"
FLOOR: Final = "asyncio protocol, nothing looked at"
LEAN: Final = "fincard-async, speedups"
SESSION: Final = "fincard-async, core only"
TRANSPORT: Final = "the lean transport alone"
ABOVE: Final = "the client over a transport that has the answer"
OURS: Final[dict[str, Contestant]] = {
    BASE: _bare_balance,
    CONTROL: _bare_balance,
    FLOOR: _floor,
    LEAN: _fincard("LeanTransport", _balance),
    SESSION: _fincard("SessionTransport", _balance),
}
PEERS: Final[dict[str, Contestant]] = {
    "httpx + pydantic": _httpx,
    "stripe on aiohttp": _stripe,
    "lithic on aiohttp": _lithic_aiohttp,
    "lithic on httpx": _lithic,
}
PAGES: Final[dict[str, Contestant]] = {
    BASE: _bare_page,
    CONTROL: _bare_page,
    LEAN: _fincard("LeanTransport", _page),
    SESSION: _fincard("SessionTransport", _page),
}
PARTS: Final[dict[str, Contestant]] = {
    BASE: _bare_balance,
    FLOOR: _floor,
    TRANSPORT: _transport,
    ABOVE: _above,
    LEAN: _fincard("LeanTransport", _balance),
}
GROUPS: Final[dict[str, dict[str, Any]]] = {
    "parts": PARTS,
    "balance": OURS,
    "peers": {**OURS, **PEERS},
    "page": PAGES,
}
