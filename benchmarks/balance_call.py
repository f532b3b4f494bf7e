"""Client CPU of one balance call, beside a bare aiohttp call that decodes with msgspec.

Rounds of both alternate in one process, so that noise meets both; a second, identical bare client
is the control.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import statistics
from collections.abc import Awaitable, Callable

import aiohttp
import msgspec

from benchmarks.canned_server import canned_server
from fincard_async import BearerToken, FincardClient, Limits
from fincard_async._generated.operations.cards import GET_BALANCE

ANSWER = (
    b'{"success":true,"code":200,"msg":"Success","data":'
    b'{"cardNo":"WB1234567890123456789012","amount":120.50,"usedAmount":"3.10","currency":"USD"}}'
)
CARD = "WB1234567890123456789012"
Call = Callable[[], Awaitable[object]]


class _Balance(msgspec.Struct):
    cardNo: str
    amount: float
    usedAmount: str
    currency: str


class _Envelope(msgspec.Struct):
    success: bool
    code: int
    data: _Balance


def bare_call(session: aiohttp.ClientSession, origin: str) -> Call:
    """What a careful engineer writes by hand."""
    url, decoder = origin + GET_BALANCE.path, msgspec.json.Decoder(_Envelope)
    body = msgspec.json.encode({"cardNo": CARD})
    headers = {"Authorization": "Bearer token", "Content-Type": "application/json"}

    async def call() -> object:
        async with session.post(url, data=body, headers=headers) as response:
            return decoder.decode(await response.read())

    return call


async def cpu_per_call(call: Call, calls: int, concurrency: int) -> float:
    """Seconds of this process's CPU for one call."""

    async def work() -> None:
        for _ in range(calls // concurrency):
            await call()

    before = resource.getrusage(resource.RUSAGE_SELF)
    await asyncio.gather(*(work() for _ in range(concurrency)))
    after = resource.getrusage(resource.RUSAGE_SELF)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return spent / (calls // concurrency * concurrency)


async def measure(origin: str, *, calls: int, rounds: int, concurrency: int) -> None:
    """Print the ratios for one level of concurrency."""
    limits = Limits(max_concurrency=max(concurrency, 1))
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as first,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as second,
        FincardClient(
            base_url=origin, auth=BearerToken("token"), tenant_id="bench", limits=limits
        ) as client,
    ):
        contestants: dict[str, Call] = {
            "bare": bare_call(first, origin),
            "control": bare_call(second, origin),
            "fincard": lambda: client.cards.get_balance(CARD),
        }
        found: dict[str, list[float]] = {name: [] for name in contestants}
        for number in range(rounds + 1):
            for name, call in contestants.items():
                seconds = await cpu_per_call(call, calls, concurrency)
                if number:  # the first round warms up
                    found[name].append(seconds)
    for name in ("control", "fincard"):
        ratios = [mine / bare for mine, bare in zip(found[name], found["bare"], strict=True)]
        print(
            f"C={concurrency:<4} {name:<8} {statistics.median(ratios):.2f} x bare"
            f" ({min(ratios):.2f}..{max(ratios):.2f}),"
            f" {statistics.median(found[name]) * 1e6:.0f} us per call"
        )


def main() -> None:
    """Parse the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=4000)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    with canned_server(ANSWER) as port:
        for concurrency in (1, 50, 500):
            asyncio.run(
                measure(
                    f"http://127.0.0.1:{port}",
                    calls=options.calls,
                    rounds=options.rounds,
                    concurrency=concurrency,
                )
            )


if __name__ == "__main__":
    main()
