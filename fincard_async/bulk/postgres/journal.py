"""The journal of a job in PostgreSQL: the same promises as in SQLite, for several machines."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence

from fincard_async._sansio.secret import Secret
from fincard_async.bulk.entry import Entry, Header, RowState
from fincard_async.bulk.ports import Plan
from fincard_async.errors import ConfigError, JournalError, JournalLocked, ValidationError

from .connect import Connection, Place, as_place, translated
from .lease import LEASE_SECONDS, WHOLE, boot_time, compare_clocks, take
from .planning import CHUNK_ROWS, Planned, compare, find_job, plan_new
from .records import to_entry
from .schema import migrate
from .session import Session
from .statements import COUNT, FIND, READ, READ_IN_TURN


class PostgresJournal:
    """A journal in PostgreSQL: of a whole job, or of one chunk of it.

    ``BulkIssue.run`` opens, locks and closes it, as it does with ``SqliteJournal``; ``run_chunk``
    does so for a chunk. It needs asyncio, and the extra ``postgres``.

    Args:
        url: ``postgresql://user:password@host:port/database``; it never prints.
        job: Name of the job, for ``attach``; ``open`` takes the name in the header.
        chunk: Number of the chunk; None for the whole job, which excludes the workers of all its
            chunks.
        chunk_rows: How many rows a chunk of a new job has.
        lease: Seconds without a sign of life after which another may take the rows over. A worker
            that was held up for two thirds of it halts by itself.
        clock: Seconds that never go back and go on while the machine sleeps; for tests.
    """

    def __init__(
        self,
        url: str | Secret | Place,
        *,
        job: str | None = None,
        chunk: int | None = None,
        chunk_rows: int = CHUNK_ROWS,
        lease: float = LEASE_SECONDS,
        clock: Callable[[], float] = boot_time,
    ) -> None:
        if chunk_rows < 1 or lease <= 0 or (chunk is not None and chunk < 0):
            raise ValidationError("chunk_rows and lease must be above 0, and chunk not below")
        self._place = as_place(url)
        self._job = job
        self._chunk = WHOLE if chunk is None else chunk
        self._chunk_rows = chunk_rows
        self._lease = lease
        self._clock = clock
        self._connection: Connection | None = None
        self._planned: Planned | None = None
        self._session: Session | None = None

    @property
    def header(self) -> Header:
        """What the open journal belongs to, complete with the digest."""
        return self._job_planned.header

    @property
    def span(self) -> tuple[int, int]:
        """First and last ``seq`` of the rows that are held."""
        return self._job_planned.span(self._chunk)

    async def open(self, header: Header, plan: Plan) -> None:
        """Lock the rows; a new job is planned (B1), an old one must fit.

        Raises:
            InputError, ValidationError: Rows are faulty; nothing was written.
            JournalLocked: Somebody else holds them; the message says who.
            JournalMismatch: It belongs to something else; the message says to what.
            JournalError: It cannot be used.
            MissingExtraError: asyncpg is not installed.
        """
        connection = await self._connect()
        try:
            found = await self._find(connection, header.job)
            if found is not None:
                await self._begin(connection, found)
                await compare(found, self._place.name, header, plan)
            else:
                await self._begin(connection, await self._plan(connection, header, plan))
        except BaseException:
            await self.close()
            raise

    async def attach(self) -> Header:
        """Lock the rows of a job that exists.

        Raises:
            JournalLocked: Somebody else holds them; the message says who.
            JournalError: There is no such job or chunk, or it cannot be used.
        """
        if self._job is None:
            raise ValidationError("attach needs the name of the job")
        connection = await self._connect()
        try:
            found = await self._find(connection, self._job)
            if found is None:
                raise JournalError(
                    f"the journal in {self._place.name} has no job {self._job!r}; plan it first"
                )
            await self._begin(connection, found)
        except BaseException:
            await self.close()
            raise
        return self.header

    async def commit(self, entries: Sequence[Entry]) -> None:
        """Bring entries up to date; they are durable when this returns (B2).

        Raises:
            JournalLocked: Another worker has taken the rows; nothing was written.
            JournalError: This or an earlier commit failed; nothing may be sent any more.
        """
        await self._open.commit(entries)

    def record(self, entry: Entry) -> None:
        """Bring an entry up to date soon (B3); an error shows at the next call."""
        self._open.record(entry)

    async def flush(self) -> None:
        """Return when everything recorded so far is durable (B4)."""
        await self.commit(())

    def check(self) -> None:
        """Raise if a write has failed, or if others may have taken the rows by now."""
        self._open.check()

    async def read(
        self,
        states: Iterable[RowState],
        *,
        after: int,
        limit: int,
        until: int | None = None,
        in_turn: bool = False,
    ) -> list[Entry]:
        """Entries with ``after < seq <= until`` among the rows that are held; see ``Journal``."""
        names = [state.value for state in states]
        among = self._among(after, until)
        sql = READ_IN_TURN if in_turn else READ

        async def call(connection: Connection) -> list[Entry]:
            return [to_entry(each) for each in await connection.fetch(sql, *among, names, limit)]

        return await self._open.ask(call)

    async def find(self, order_nos: Sequence[str]) -> list[Entry]:
        """Entries with any of these order numbers, among the rows that are held."""
        among = self._among(-1, None)

        async def call(connection: Connection) -> list[Entry]:
            found = await connection.fetch(FIND, *among, list(order_nos))
            return [to_entry(each) for each in found]

        return await self._open.ask(call)

    async def counts(self, *, after: int = -1, until: int | None = None) -> dict[RowState, int]:
        """How many of the rows that are held are in each state; zeros are left out."""
        among = self._among(after, until)

        async def call(connection: Connection) -> dict[RowState, int]:
            found = await connection.fetch(COUNT, *among)
            return {RowState(state): count for state, count in found}

        return await self._open.ask(call)

    async def close(self) -> None:
        """Make durable what is recorded and let go, even when cancelled.

        A server that does not answer cannot hold this up: what is not written is looked up later.
        """
        session, self._session = self._session, None
        connection, self._connection = self._connection, None
        if session is not None:
            await session.close()
        elif connection is not None:
            connection.terminate()

    @property
    def _open(self) -> Session:
        if self._session is None:
            raise JournalError("the journal is not open")
        return self._session

    @property
    def _job_planned(self) -> Planned:
        if self._planned is None:
            raise JournalError("the journal is not open")
        return self._planned

    def _among(self, after: int, until: int | None) -> tuple[int, int, int]:
        """The job and ``after < seq <= until``, inside of what is held."""
        first, last = self.span
        bound = last if until is None else min(until, last)
        return self._job_planned.id, max(after, first - 1), bound

    async def _connect(self) -> Connection:
        if self._connection is not None:
            raise JournalError("the journal is in use by another run of this process")
        _need_asyncio()
        self._planned = None
        self._connection = connection = await self._place.connect()
        try:
            await migrate(connection, self._place.name)
        except BaseException:
            await self.close()
            raise
        return connection

    async def _find(self, connection: Connection, job: str) -> Planned | None:
        with translated(self._place.name):
            return await find_job(connection, job)

    async def _plan(self, connection: Connection, header: Header, plan: Plan) -> Planned:
        name = self._place.name
        planned = await plan_new(connection, name, header, plan, self._chunk_rows)
        if planned is None:
            raise JournalLocked(
                f"the journal in {name}: another process has just planned this job; run it again"
            )
        return planned

    async def _begin(self, connection: Connection, found: Planned) -> None:
        name = self._place.name
        with translated(name):
            await compare_clocks(connection, name)
            hold = await take(
                connection,
                name,
                found.id,
                self._chunk,
                found.span(self._chunk),
                lease=self._lease,
                clock=self._clock,
            )
        self._planned = found
        self._session = Session(connection, hold, name)


def _need_asyncio() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        raise ConfigError("a journal in PostgreSQL needs asyncio") from None
