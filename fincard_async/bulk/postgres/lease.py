"""Who works at which rows: a lock, a lease and an epoch, each for what the others cannot do.

The hard part of several machines is a worker that stops for a while without dying: its process is
paused, its machine sleeps, its network is cut. It believes that it still holds its rows, and others
must be able to go on without it. So a worker holds a chunk by three things:

lock    A session-level advisory lock on the connection that also carries every write. If the
        process dies, PostgreSQL drops the session, and the chunk is free at once.
lease   A time in the chunk's row, put off by every write, by PostgreSQL's clock. A paused process
        keeps its lock, because its kernel keeps the connection; but its lease runs out. Then the
        next worker may end that session, and with it the lock.
epoch   A number in the chunk's row, raised by everyone who takes the chunk. Every write carries
        the epoch of its worker and does nothing if it is not the newest. So a worker that wakes
        up late cannot write; and since nothing is sent whose intent is not written, it cannot
        begin another order either.

What is left is one window: a worker that was paused between a durable intent and the first byte of
its request. It is made small from both ends. Right before the request goes out, ``Hold.alive`` asks
whether two thirds of the lease have passed since the last write began, and the client asks whether
the call's own time is over; a process that slept through either sends nothing. A pause inside the
microseconds that are left is safe by the order number: the next worker finds the intent, asks the
server, and sends the same number, or nothing (``dedupe="none"``: it parks). Whichever of the two
requests comes second is refused as a duplicate, or answered with the first result.

The chunk ``WHOLE`` stands for the job as a whole. Who takes it excludes the workers of all chunks,
and they exclude it: they share its lock, and raise its epoch.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from fincard_async.errors import JournalError, JournalLocked

from .connect import Connection

WHOLE: Final = -1
LEASE_SECONDS: Final = 15.0
TRUSTED: Final = 2 / 3
"""So much of its lease a worker uses; the rest is for clocks that do not run alike."""
BEATS: Final = 4
"""Writes for each lease, at least."""
CLOCKS_APART: Final = 60.0
"""Seconds that clocks may differ by; the same as the margin of a look-up (``windows``)."""
_END_SECONDS: Final = 5

_KEY: Final = "hashtextextended('fincard ' || $1::integer || ' ' || $2::integer, 0)"
_LOCK: Final = f"SELECT pg_try_advisory_lock({_KEY})"
_SHARE: Final = f"SELECT pg_try_advisory_lock_shared({_KEY})"
_HOLDERS: Final = f"""
    SELECT l.pid, max(c.holder), coalesce(max(c.lease_until) < clock_timestamp(), false)
    FROM pg_locks l
    LEFT JOIN fincard.chunks c ON c.job_id = $1 AND c.pid = l.pid
    WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
        AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND ((l.classid::bigint << 32) | l.objid::bigint) = {_KEY}
        AND l.pid <> pg_backend_pid()
    GROUP BY l.pid
"""
_END: Final = f"SELECT pg_terminate_backend($1, {_END_SECONDS * 1000})"
_TAKE: Final = """
    UPDATE fincard.chunks SET epoch = epoch + 1,
        holder = CASE WHEN chunk = $2 THEN $3 ELSE holder END,
        pid = CASE WHEN chunk = $2 THEN pg_backend_pid() ELSE pid END,
        lease_until = CASE WHEN chunk = $2
            THEN clock_timestamp() + make_interval(secs => $4) ELSE lease_until END
    WHERE job_id = $1 AND ($2 = -1 OR chunk IN (-1, $2))
    RETURNING chunk, epoch
"""


def boot_time() -> float:
    """Seconds that go on while the machine sleeps, where there is such a clock."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)


@dataclass(slots=True)
class Hold:
    """The rows that a session holds, and whether it may still believe so."""

    job_id: int
    chunk: int
    first: int
    last: int
    """First and last ``seq``."""
    epoch: int
    lease: float
    """Seconds."""
    clock: Callable[[], float]
    beat: float = field(default=0.0)
    """When the latest write that went well began."""

    def alive(self) -> bool:
        """True if nobody else can have taken the rows."""
        return self.clock() - self.beat < self.lease * TRUSTED


async def compare_clocks(connection: Connection, where: str) -> None:
    """Refuse to work with a clock that tells another time than the database's.

    What is concluded from time, such as that no request can arrive any more, is concluded on one
    machine from what another has written.
    """
    there: float = await connection.fetchval(
        "SELECT extract(epoch FROM clock_timestamp())::double precision"
    )
    if abs(apart := time.time() - there) > CLOCKS_APART:
        raise JournalError(
            f"the journal in {where}: the clock of this machine is {abs(apart):.0f} s"
            f" {'ahead of' if apart > 0 else 'behind'} the database's; set both by a time server"
        )


async def take(
    connection: Connection,
    where: str,
    job_id: int,
    chunk: int,
    span: tuple[int, int],
    *,
    lease: float,
    clock: Callable[[], float],
) -> Hold:
    """Take a chunk: from nobody, from the dead, or from one whose lease has run out.

    Raises:
        JournalLocked: A live worker holds it; the message says who.
    """
    began = clock()
    if chunk != WHOLE:
        await _lock(connection, where, _SHARE, job_id, WHOLE)
    await _lock(connection, where, _LOCK, job_id, chunk)
    taken = await connection.fetch(_TAKE, job_id, chunk, holder_name(), lease)
    epochs = dict[int, int]([(number, epoch) for number, epoch in taken])
    if chunk not in epochs:
        raise JournalError(f"the journal in {where}: the job has no chunk {chunk}")
    return Hold(
        job_id=job_id,
        chunk=chunk,
        first=span[0],
        last=span[1],
        epoch=epochs[chunk],
        lease=lease,
        clock=clock,
        beat=began,
    )


async def _lock(connection: Connection, where: str, lock: str, job_id: int, chunk: int) -> None:
    if await connection.fetchval(lock, job_id, chunk):
        return
    for pid, holder, expired in await connection.fetch(_HOLDERS, job_id, chunk):
        if not expired:
            raise _held(where, holder)
        await connection.fetchval(_END, pid)
    if not await connection.fetchval(lock, job_id, chunk):
        raise _held(where, None)


def _held(where: str, holder: str | None) -> JournalLocked:
    return JournalLocked(
        f"the journal in {where}: these rows are held by {holder or 'another session'};"
        " they are free when it ends, or when it has not answered for its lease"
    )


def holder_name() -> str:
    """This process, for a person who looks for it."""
    return f"{socket.gethostname()}, process {os.getpid()}"
