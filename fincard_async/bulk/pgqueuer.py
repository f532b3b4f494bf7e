"""Chunks of jobs dispatched to machines by PgQueuer; needs the extra ``distributed``.

PgQueuer decides who works at what, and notices the dead: a chunk whose worker gives no sign of life
goes to another. It delivers at least once, and may deliver to two at a time. Nothing here depends
on more than that: which rows may be sent is decided by the lease and the epoch of the journal
(``postgres.lease``), so that a chunk that comes twice is done once.

Chunks of one server and tenant wait in a line of their own, so that no worker is given rows that
are not for its client.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import anyio
import msgspec

from fincard_async._sansio.secret import Secret
from fincard_async.errors import JournalError, MissingExtraError

from .postgres.connect import Connection, Place, as_place, translated
from .postgres.schema import SCHEMA, migrate

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from pgqueuer import Job, Queries, QueueManager

logger = logging.getLogger("fincard_async")

HEARTBEAT_SECONDS: Final = 8.0
"""After so long without a sign of life a worker is taken for dead."""
AT_ONCE: Final = 2
"""Chunks that one worker works at: while one waits for its last rows, the other keeps it busy."""
RECONNECT_SECONDS: Final = 2.0
_LOCK: Final = 0x46434A32
_NAMES: Final = {
    "channel": "fincard_queue",
    "function": "fincard_queue_changed",
    "statistics_table": "queue_statistics",
    "queue_status_type": "queue_status",
    "queue_table": "queue",
    "queue_table_log": "queue_log",
    "trigger": "fincard_queue_changed",
    "schedules_table": "queue_schedules",
}
"""All of them are given, so that no variable of the environment changes any."""

Handle: TypeAlias = Callable[["ChunkName"], Awaitable[float | None]]
"""Works at a chunk. Returns None when it is done, or the seconds after which to come back to it."""


class ChunkName(msgspec.Struct, frozen=True):
    """A chunk of a job, as it stands in the queue."""

    job: str
    chunk: int


@dataclass(frozen=True, slots=True)
class Line:
    """Who waits for whom: the workers of one server and tenant, and the chunks for them."""

    server: str
    tenant: str

    @property
    def name(self) -> str:
        """As PgQueuer knows it."""
        return f"fincard {self.server} {self.tenant}"


async def enqueue(url: str | Secret | Place, line: Line, job: str, chunks: Sequence[int]) -> int:
    """Put chunks of a job into a line; those that wait there or are worked at are left alone.

    Returns:
        How many were put there.

    Raises:
        JournalError: The database cannot be used.
        MissingExtraError: PgQueuer is not installed.
    """
    place = as_place(url)
    async with _queries(place) as (queries, _):
        with translated(place.name):
            put = await queries.enqueue(
                [line.name] * len(chunks),
                [msgspec.json.encode(ChunkName(job, chunk)) for chunk in chunks],
                [0] * len(chunks),
                dedupe_key=[f"{line.name} {job} {chunk}" for chunk in chunks],
                on_conflict="skip",
            )
    return sum(each is not None for each in put)


async def work(
    url: str | Secret | Place,
    line: Line,
    handle: Handle,
    stop: anyio.Event,
    *,
    at_once: int = AT_ONCE,
    heartbeat: float = HEARTBEAT_SECONDS,
    until_empty: bool = False,
) -> None:
    """Work at chunks as they come, until ``stop`` is set and those under way are done.

    A database that goes away is waited for. A chunk whose ``handle`` raises comes back.

    Args:
        url: The database.
        line: Whose chunks.
        handle: Works at one chunk.
        stop: Set it to take no more.
        at_once: Chunks under way at a time, 2 or more.
        heartbeat: Seconds after which a silent worker's chunks go to another.
        until_empty: End when the line is empty.

    Raises:
        MissingExtraError: PgQueuer is not installed.
    """
    place = as_place(url)
    check_extra()
    while not stop.is_set():
        try:
            async with _queries(place) as (queries, channel):
                await _serve(queries, channel, line, handle, stop, at_once, heartbeat, until_empty)
                return
        except JournalError as error:
            logger.warning("the queue: %s", error.message)
            with anyio.move_on_after(RECONNECT_SECONDS):
                await stop.wait()


async def _serve(
    queries: Queries,
    channel: str,
    line: Line,
    handle: Handle,
    stop: anyio.Event,
    at_once: int,
    heartbeat: float,
    until_empty: bool,
) -> None:
    from pgqueuer.types import Channel, QueueExecutionMode

    found = _pgqueuer()
    manager: QueueManager = found.QueueManager(queries, Channel(channel))

    async def chunk(job: Job) -> None:
        name = msgspec.json.decode(job.payload or b"", type=ChunkName)
        pause: float | None = heartbeat
        try:
            pause = await handle(name)
        except Exception as error:  # noqa: BLE001 - whatever it is, the chunk must come back
            logger.warning("chunk %s of a job: %s", name.chunk, type(error).__name__)
        if pause is not None:
            raise found.RetryRequested(delay=timedelta(seconds=pause), reason="not done yet")

    manager.entrypoint(line.name)(chunk)

    async def listen() -> None:
        await stop.wait()
        manager.shutdown.set()

    failure: JournalError | None = None
    async with anyio.create_task_group() as group:
        group.start_soon(listen)
        try:
            with translated("the queue"):
                await manager.run(
                    dequeue_timeout=timedelta(seconds=heartbeat / 4),
                    batch_size=max(1, at_once // 2),
                    max_concurrent_tasks=max(2, at_once),
                    heartbeat_timeout=timedelta(seconds=heartbeat),
                    mode=QueueExecutionMode.drain if until_empty else QueueExecutionMode.continuous,
                )
        except JournalError as error:
            failure = error  # raised outside of the group, which would wrap it
        group.cancel_scope.cancel()
    if failure is not None:
        raise failure


@asynccontextmanager
async def _queries(place: Place) -> AsyncGenerator[tuple[Queries, str]]:
    """The tables of the queue, made if they are not there, on a connection of their own."""
    found = _pgqueuer()
    from pgqueuer.adapters.persistence.qb import (
        DBSettings,
        QueryBuilderEnvironment,
        QueryQueueBuilder,
        QuerySchedulerBuilder,
    )

    settings: Any = DBSettings(db_schema=SCHEMA, prefix="", **_NAMES)  # type: ignore[arg-type]  # names
    connection = await place.connect()
    try:
        await migrate(connection, place.name)
        queries: Queries = found.Queries(
            found.AsyncpgDriver(connection),
            qbe=QueryBuilderEnvironment(settings),
            qbq=QueryQueueBuilder(settings),
            qbs=QuerySchedulerBuilder(settings),
        )
        with translated(place.name):
            await _install(connection, queries)
        yield queries, settings.channel
    finally:
        connection.terminate()


async def _install(connection: Connection, queries: Queries) -> None:
    """Make or upgrade the tables of the queue; one after the other, however many begin at once."""
    await connection.execute("SELECT pg_advisory_lock($1)", _LOCK)
    try:
        if not await queries.schema_is_installed():
            await queries.install(create_schema=False)
        elif (await queries.plan_upgrade()).statements:
            await queries.upgrade()
    finally:
        if not connection.is_closed():
            await connection.execute("SELECT pg_advisory_unlock($1)", _LOCK)


def check_extra() -> None:
    """Raise if what several machines need is not installed.

    Raises:
        MissingExtraError: PgQueuer or asyncpg is not installed.
    """
    _pgqueuer()


def _pgqueuer() -> Any:
    try:
        import pgqueuer
    except ModuleNotFoundError as error:
        if error.name not in ("pgqueuer", "asyncpg"):
            raise
        raise MissingExtraError(
            f'several machines need {error.name}: pip install "fincard-async[distributed]"'
        ) from None
    return pgqueuer
