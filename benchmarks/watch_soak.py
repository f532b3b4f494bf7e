"""A watch over a hundred thousand cards: does it keep its promises for hours?

A server of its own process answers each balance with an amount that names the card, so that a
mixed-up answer shows; one answer in a hundred is a fault: 503, a connection that breaks, or the
balance of another card. The watch asks for more than it can get, so it sweeps as fast as it can.

    python -m benchmarks.watch_soak --cards 100000 --sweeps 5 --in-flight 500

Fails if an event names another card's balance, if memory grows after the first sweep (when all
cards but one in a thousand were read), if there are more descriptors than calls in flight, or if
the event loop stands still for too long.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import multiprocessing
import os
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random

import anyio

from fincard_async import BearerToken, FincardClient, Limits
from fincard_async.watch import watch_balances

PREFIX = "WB00000000000000"
FAULTS = 0.01
MOVED = 0.05
"""Share of reads that see another balance than the usual one."""
GROWTH = 1.05
STALL = 0.020
KEPT_WAITING = 0.010
"""Seconds without the CPU that count as a stall of the machine."""
AFTERMATH = 1.0
"""Seconds for which a turn tells more of the machine's stall before it."""
PER_CARD = 1536
_PAGE = os.sysconf("SC_PAGE_SIZE")


def amount_of(card_no: str) -> int:
    """What the server says of a card: its number, in hundredths above a turn that changes."""
    return int(card_no[len(PREFIX) :])


class _Bank(asyncio.Protocol):
    """Answers balance reads over keep-alive connections."""

    def __init__(self, delay: float) -> None:
        self._delay = delay
        self._buffer = b""
        self._random = Random()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end].lower()
            length = int(head.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
            if len(self._buffer) < end + 4 + length:
                return
            body = self._buffer[end + 4 : end + 4 + length]
            self._buffer = self._buffer[end + 4 + length :]
            at = body.index(PREFIX.encode())
            self._answer(body[at : body.index(b'"', at)].decode())

    def _answer(self, card_no: str) -> None:
        luck = self._random.random() / FAULTS
        if luck < 0.4:
            self._later(_http(b'{"success":false,"code":503,"msg":"busy"}', b"503 Unavailable"))
        elif luck < 0.8:
            self._transport.abort()
        else:
            number = amount_of(card_no)
            shown = card_no if luck >= 1.0 else f"{PREFIX}{(number + 1) % 1000:06d}"
            moved = self._random.random() < MOVED
            amount = amount_of(shown) + 1_000_000 * moved
            self._later(
                _http(
                    b'{"success":true,"code":200,"msg":"Success","data":{"cardNo":"%s",'
                    b'"amount":"%d.00","usedAmount":"0","currency":"USD"}}'
                    % (shown.encode(), amount)
                )
            )

    def _later(self, answer: bytes) -> None:
        if self._delay:
            asyncio.get_running_loop().call_later(self._delay, self._transport.write, answer)
        else:
            self._transport.write(answer)


def _http(body: bytes, status: bytes = b"200 OK") -> bytes:
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body)


def _serve(pipe: Connection, delay: float) -> None:
    async def main() -> None:
        server = await asyncio.get_running_loop().create_server(
            lambda: _Bank(delay), "127.0.0.1", 0, backlog=8192
        )
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    _raise_limit()
    gc.disable()  # the pauses of this process would let answers come in bursts
    asyncio.run(main())


@contextmanager
def bank(delay: float) -> Iterator[int]:
    """Run the server; gives its port on 127.0.0.1."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(there, delay), daemon=True)
    process.start()
    try:
        yield here.recv()
    finally:
        process.kill()
        process.join()


def _raise_limit() -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def resident() -> int:
    """Bytes of memory that this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE


def descriptors() -> int:
    """Files and sockets that are open."""
    return len(os.listdir("/proc/self/fd"))


class Pulse:
    """Measures how long a turn of the event loop takes: on the clock, and in CPU of its own.

    On a machine that others use as well only the second says something about this program. Nor does
    that of a turn after the machine has kept the program waiting: what has come meanwhile, hundreds
    of answers, is there at once, and comes back together after one latency. Such turns are told,
    but apart.
    """

    def __init__(self) -> None:
        self.clock = self.cpu = self.after = self.total = self.excused = 0.0
        self.beats = 0

    async def beat(self) -> None:
        """A short sleep again and again; whatever it takes longer is a stall."""
        calm_at = 0.0
        while True:
            began, worked = time.perf_counter(), time.thread_time()
            await anyio.sleep(0.001)
            now, spent = time.perf_counter(), time.thread_time() - worked
            late = now - began - 0.001
            self.clock = max(self.clock, late)
            self.total += late
            self.beats += 1
            if late - spent > KEPT_WAITING:
                calm_at = now + AFTERMATH
            if now < calm_at:
                self.after = max(self.after, spent)
                self.excused += now - began
            else:
                self.cpu = max(self.cpu, spent)


async def collector() -> None:
    """As docs/scaling.md tells a service with thousands of calls in flight.

    By itself the garbage collector looks seldom, and then at every object of every call.
    """
    while True:
        await anyio.sleep(0.02)
        gc.collect(1)


async def soak(port: int, cards: int, sweeps: int, in_flight: int) -> bool:
    """Run the sweeps and print what was found; False if a promise was broken."""
    numbers = [f"{PREFIX}{number:06d}" for number in range(cards)]
    pulse, wrong, events = Pulse(), 0, 0
    marks: list[tuple[int, int]] = []
    opened = descriptors()
    told, missing = bytearray(cards), cards
    async with (
        FincardClient(
            base_url=f"http://127.0.0.1:{port}",
            auth=BearerToken("token"),
            tenant_id="soak",
            limits=Limits(max_concurrency=in_flight),
        ) as client,
        watch_balances(client, [], interval=1.0, concurrency=in_flight) as watch,
    ):
        gc.collect()
        gc.freeze()
        gc.disable()
        helpers = [asyncio.create_task(pulse.beat()), asyncio.create_task(collector())]
        before = resident()
        await watch.add(numbers)
        print(f"added     {(resident() - before) / cards:.0f} bytes per card")
        began = time.perf_counter()
        cpu = time.process_time()
        while len(marks) < sweeps:
            change = await anext(watch)
            events += 1
            if change.balance is not None:
                number = amount_of(change.card_no)
                wrong += int(change.balance.amount) % 1_000_000 != number
                missing -= not told[number]
                told[number] = 1
            # Cards that move are read more often than others, so the first sweep takes more reads.
            if watch.stats.reads >= cards * (len(marks) + 1) and missing < cards / 1000:
                marks.append((resident(), descriptors()))
                stats = watch.stats
                print(
                    f"sweep {len(marks)}   {marks[-1][0] / 2**20:.0f} MiB,"
                    f" {marks[-1][1]} descriptors,"
                    f" {stats.reads / (time.perf_counter() - began):,.0f} reads/s,"
                    f" achieved {stats.achieved_interval:.1f} s, {stats.errors} errors,"
                    f" worst turn {pulse.cpu * 1000:.1f} ms"
                )
        reads = watch.stats.reads
        spent, took = time.process_time() - cpu, time.perf_counter() - began
        for helper in helpers:
            helper.cancel()
    per_card = (marks[0][0] - before) / cards
    growth = marks[-1][0] / marks[0][0]
    print(f"events    {events:,}, {wrong} of another card")
    print(f"memory    {per_card:.0f} bytes per card; x {growth:.3f} after the first sweep")
    late = pulse.total / max(pulse.beats, 1)
    print(
        f"loop      {late * 1000:.2f} ms late on average;"
        f" worst turn {pulse.cpu * 1000:.1f} ms of CPU,"
        f" {pulse.clock * 1000:.1f} ms on the clock"
    )
    print(
        f"machine   kept it waiting for over {KEPT_WAITING * 1000:.0f} ms in or just before"
        f" {pulse.excused / took:.0%} of the time; worst turn then {pulse.after * 1000:.1f} ms"
    )
    print(f"client    {spent / reads * 1e6:.0f} us of CPU per read")
    kept = {
        "no wrong mapping": wrong == 0,
        "flat memory": growth <= GROWTH,
        "no descriptor growth": max(mark[1] for mark in marks) <= opened + in_flight + 20,
        f"no turn over {STALL * 1000:.0f} ms": pulse.cpu <= STALL,
        f"at most {PER_CARD} bytes per card": per_card <= PER_CARD,
    }
    for promise, held in kept.items():
        print(f"{'kept  ' if held else 'BROKEN'}    {promise}")
    return all(kept.values())


def main() -> None:
    """Parse the arguments and soak."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cards", type=int, default=100_000)
    parser.add_argument("--sweeps", type=int, default=5)
    parser.add_argument("--in-flight", type=int, default=500)
    parser.add_argument("--delay", type=float, default=0.0, help="seconds until each answer")
    options = parser.parse_args()
    _raise_limit()
    with bank(options.delay) as port:
        kept = asyncio.run(soak(port, options.cards, options.sweeps, options.in_flight))
    raise SystemExit(0 if kept else 1)


if __name__ == "__main__":
    main()
