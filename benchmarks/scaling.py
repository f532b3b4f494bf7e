"""How far a watch goes: many processes, one server, simulated with the real schedule and pace.

The decisions are those of ``fincard_async.watch``: its ``Schedule`` and its ``Pace`` run here on a
clock that is only counted. What is modelled is the world around them: a core that needs so many
microseconds per call, a server that answers after a while and refuses what is above its rate, and,
where asked, one limit that all processes share by reserving blocks of permits.

    python -m benchmarks.scaling              the table of docs/scaling.md
    python -m benchmarks.scaling --cards 1000000 --processes 8 --server-rate 20000
"""

from __future__ import annotations

import argparse
import heapq
import itertools
import statistics
from dataclasses import dataclass, field

from fincard_async.watch.card import WatchedCard, shard_of
from fincard_async.watch.pace import Pace
from fincard_async.watch.schedule import Schedule

LEAN, SESSION = 100.0, 300.0
"""Microseconds of client CPU per balance read, the watch included."""
PAUSE = 0.05
"""Seconds after which a refused call is tried again by the client."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """One case."""

    cards: int
    processes: int
    interval: float
    cpu: float
    """Seconds of a core per call."""
    server_rate: float
    latency: float = 0.05
    shared: bool = False
    """One limit for all, at ``server_rate``; else every process finds its own pace."""
    block: float = 0.1
    """Seconds' worth of permits in one reservation of the shared limit."""


@dataclass(slots=True)
class Server:
    """A token bucket with a tenth of a second of burst."""

    rate: float
    room: float = 0.0
    at: float = 0.0
    taken: int = 0
    refused: int = 0

    def takes(self, now: float) -> bool:
        """Whether it answers a call that arrives now."""
        self.room = min(self.rate / 10, self.room + (now - self.at) * self.rate)
        self.at = now
        if self.room < 1.0:
            self.refused += 1
            return False
        self.room -= 1.0
        self.taken += 1
        return True


@dataclass(slots=True)
class Blocks:
    """The shared limit: a process reserves a block of permits, with a time at which it begins."""

    rate: float
    seconds: float
    free_at: float = 0.0
    reservations: int = 0

    def reserve(self, now: float) -> tuple[float, int]:
        """When the block begins, and how many permits it holds."""
        begins = max(now, self.free_at)
        self.free_at = begins + self.seconds
        self.reservations += 1
        return begins, max(1, round(self.rate * self.seconds))


@dataclass(slots=True)
class Process:
    """One watcher on one core."""

    schedule: Schedule
    pace: Pace
    busy_until: float = 0.0
    permits: int = 0
    permits_at: float = 0.0
    answered: int = 0
    refused: int = 0
    gaps: list[float] = field(default_factory=list)

    def next_start(self, now: float) -> float:
        """When it can begin its next call."""
        due = max(self.schedule.next_due(), self.busy_until, now)
        return due + self.pace.wait(due)


def simulate(world: World, seconds: float) -> tuple[Server, list[Process], Blocks]:
    """Let the processes run for so long."""
    server = Server(world.server_rate)
    blocks = Blocks(world.server_rate * 0.98, world.block)
    processes = [
        Process(Schedule(world.interval, 1.0, 0.0), Pace(float("inf"), 0.0))
        for _ in range(world.processes)
    ]
    for number in range(world.cards):
        card = WatchedCard(f"WB{number:022d}")
        place = shard_of(card.card_no, world.processes)
        processes[place].schedule.put(card, 0.0)
    order = itertools.count()
    turns = [(0.0, next(order), process) for process in processes]
    heapq.heapify(turns)
    while turns and turns[0][0] < seconds:
        now, _, process = heapq.heappop(turns)
        begin = process.next_start(now)
        if begin > now:
            heapq.heappush(turns, (begin, next(order), process))
            continue
        if world.shared and process.permits == 0:
            process.permits_at, process.permits = blocks.reserve(now)
        if world.shared and process.permits_at > now:
            heapq.heappush(turns, (process.permits_at, next(order), process))
            continue
        process.permits -= 1
        _call(world, server, process, now)
        heapq.heappush(turns, (process.busy_until, next(order), process))
    return server, processes, blocks


def _call(world: World, server: Server, process: Process, now: float) -> None:
    card = process.schedule.take(now)
    assert card is not None
    process.pace.book(now)
    process.busy_until = now + world.cpu
    if not server.takes(now):
        process.refused += 1
        process.pace.tell(now, answered=0, refused=1)
        process.schedule.put(card, now + PAUSE)
        return
    process.answered += 1
    process.pace.tell(now, answered=1, refused=0)
    if card.placed:
        process.gaps.append(now - card.read_at)
    card.placed = card.read_at > 0 or card.placed
    card.read_at = now
    process.schedule.put(card, process.schedule.after_read(card, now, hurry=False))


def row(name: str, world: World) -> str:
    """One line of the table."""
    wanted = world.cards / world.interval
    able = min(wanted, world.server_rate, world.processes / world.cpu)
    server, processes, blocks = simulate(world, 3.2 * max(world.interval, world.cards / able))
    gaps = sorted(gap for process in processes for gap in process.gaps)
    each = [statistics.fmean(process.gaps) for process in processes if process.gaps]
    calls = server.taken + server.refused
    return (
        f"{name:<34} {wanted:>8,.0f} {able:>8,.0f} {statistics.fmean(gaps):>8.1f}"
        f" {gaps[int(len(gaps) * 0.99)]:>8.1f} {server.refused / calls:>8.1%}"
        f" {max(each) / min(each):>7.2f} {blocks.reservations:>8,}"
    )


def main() -> None:
    """Print the cases of the documentation, or one of one's own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cards", type=int)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--interval", type=float, default=60.0)
    parser.add_argument("--cpu", type=float, default=LEAN, help="microseconds per call")
    parser.add_argument("--server-rate", type=float, default=5000.0)
    parser.add_argument("--shared", action="store_true")
    options = parser.parse_args()
    print(
        f"{'case':<34} {'wanted/s':>8} {'able/s':>8} {'mean s':>8} {'p99 s':>8} {'refused':>8}"
        f" {'uneven':>7} {'blocks':>8}"
    )
    if options.cards:
        world = World(
            cards=options.cards,
            processes=options.processes,
            interval=options.interval,
            cpu=options.cpu / 1e6,
            server_rate=options.server_rate,
            shared=options.shared,
        )
        print(row("yours", world))
        return
    for name, world in CASES.items():
        print(row(name, world))


def _world(processes: int, server_rate: float, *, cpu: float = LEAN, shared: bool = False) -> World:
    return World(
        cards=100_000,
        processes=processes,
        interval=60.0,
        cpu=cpu / 1e6,
        server_rate=server_rate,
        shared=shared,
    )


CASES = {
    "one core, server has room": _world(1, 5000),
    "one core without speedups": _world(1, 5000, cpu=SESSION),
    "server at a half, one process": _world(1, 833),
    "server at a half, 4 processes": _world(4, 833),
    "server at a half, 4, shared limit": _world(4, 833, shared=True),
    "server at a third, 8 processes": _world(8, 555),
    "server at a third, 8, shared limit": _world(8, 555, shared=True),
}


if __name__ == "__main__":
    main()
