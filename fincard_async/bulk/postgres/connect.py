"""The way to PostgreSQL: the one file that imports asyncpg, and where its errors become ours.

No message holds the URL, because a password may be in it; it names the host and the database.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Generator, Iterable, Sequence
from contextlib import contextmanager
from typing import Any, Final, Protocol, TypeAlias, cast
from urllib.parse import parse_qs, urlsplit

from fincard_async._sansio.secret import Secret, as_secret
from fincard_async.errors import ConfigError, FincardError, JournalError, MissingExtraError

CONNECT_SECONDS: Final = 10.0
_SCHEMES: Final = ("postgresql", "postgres")
_APPLICATION: Final = "fincard"

# What a commit is worth must not depend on how the server or the role is set up. What cannot be
# set by a client is asked for, and refused where it makes a commit worth nothing.
_SESSION: Final = (
    "SET synchronous_commit = on",
    "SET default_transaction_isolation = 'read committed'",
    "SET default_transaction_read_only = off",
    "SET idle_session_timeout = 0",
    f"SET application_name = '{_APPLICATION}'",
)
_DURABLE: Final = {
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "transaction_isolation": "read committed",
    "transaction_read_only": "off",
}

Record: TypeAlias = Sequence[Any]


class Connection(Protocol):
    """What this package uses of an asyncpg connection."""

    async def execute(self, query: str, *args: object, timeout: float | None = None) -> str:
        """Run statements; what the server says they did."""
        ...

    async def fetch(self, query: str, *args: object, timeout: float | None = None) -> list[Record]:
        """All rows."""
        ...

    async def fetchrow(
        self, query: str, *args: object, timeout: float | None = None
    ) -> Record | None:
        """The first row."""
        ...

    async def fetchval(self, query: str, *args: object, timeout: float | None = None) -> Any:
        """The first value of the first row."""
        ...

    async def copy_records_to_table(
        self,
        table_name: str,
        *,
        records: Iterable[Record] | AsyncIterator[Record],
        columns: Sequence[str],
        schema_name: str,
    ) -> str:
        """Many new rows at once."""
        ...

    def transaction(self) -> Any:
        """A transaction, as an async context manager."""
        ...

    def is_closed(self) -> bool:
        """True if it is known to have ended."""
        ...

    def terminate(self) -> None:
        """End it without a word to the server."""
        ...

    async def close(self, *, timeout: float | None = None) -> None:
        """End it in order."""
        ...


class Place:
    """Where the database is.

    Args:
        url: ``postgresql://user:password@host:port/database``. The address of the server itself,
            or of a pooler that keeps one session for each client: locks belong to a session.

    Raises:
        ConfigError: It is not such a URL.
    """

    __slots__ = ("_url", "name")

    def __init__(self, url: str | Secret) -> None:
        self._url = as_secret(url)
        if (name := _name(self._url.reveal())) is None:
            raise ConfigError("the URL of the database must begin with postgresql://")
        self.name = name
        """Host and database, for messages."""

    def __repr__(self) -> str:
        return f"Place({self.name})"

    async def connect(self) -> Connection:
        """A session of its own, whose commits are durable.

        Raises:
            MissingExtraError: asyncpg is not installed.
            JournalError: The server cannot be reached, or its commits are not durable.
        """
        asyncpg = _asyncpg()
        try:
            with translated(self.name):
                connection: Connection = await asyncpg.connect(
                    self._url.reveal(), timeout=CONNECT_SECONDS
                )
        except asyncpg.ClientConfigurationError:
            # Not chained and not quoted: its message holds parts of the URL.
            raise ConfigError(f"the URL of the database {self.name} cannot be used") from None
        try:
            with translated(self.name):
                await _set_up(connection, self.name)
        except BaseException:
            connection.terminate()
            raise
        return connection


def as_place(url: str | Secret | Place) -> Place:
    """The same, for those who may be given either."""
    return url if isinstance(url, Place) else Place(url)


async def _set_up(connection: Connection, name: str) -> None:
    await connection.execute("; ".join(_SESSION))
    for setting, wanted in _DURABLE.items():
        found = await connection.fetchval("SELECT current_setting($1)", setting)
        if found != wanted:
            raise JournalError(
                f"the journal in {name}: the server runs with {setting} = {found}, so that what"
                f" it commits is not safe; it must be {wanted}"
            )


def _name(url: str) -> str | None:
    """Host and database of a URL; None if it is none."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
        named = parse_qs(parts.query)
    except ValueError:
        return None
    if parts.scheme not in _SCHEMES:
        return None
    where = host or named.get("host", ["localhost"])[0]
    return f"{where}{'' if port is None else f':{port}'}/{parts.path.strip('/') or 'default'}"


def _asyncpg() -> Any:
    try:
        import asyncpg  # type: ignore[import-untyped]  # it comes without types
    except ModuleNotFoundError as error:
        if error.name != "asyncpg":
            raise
        raise MissingExtraError(
            'a journal in PostgreSQL needs asyncpg: pip install "fincard-async[postgres]"'
        ) from None
    return asyncpg


_ADVICE: Final = {
    "08": "the connection broke; see that the server is up",
    "28": "the server does not accept the user or the password",
    "3D": "there is no such database; make it",
    "25": "the server takes no changes now; connect to the primary server",
    "40": "another session was in the way",
    "42501": (
        "the user may not do this; all workers need one user, with the schema fincard or with"
        " CREATE on the database"
    ),
    "53": "the server has no room or no free connection",
    "57": "the server ended the session; see that it is up",
    "58": "the server met an error of its disk",
    "XX": "the server found its data damaged",
}
"""By SQLSTATE, or its class."""
_DAMAGED: Final = "it holds a value that no journal holds; restore the database"
_AGAIN: Final = "nothing was sent after this; run the same job again"


@contextmanager
def translated(name: str) -> Generator[None]:
    """Errors of the database become ours; they say what to do."""
    try:
        yield
    except FincardError:
        raise
    except TimeoutError:
        raise _error(name, "the server does not answer") from None
    except OSError as error:
        raise _error(name, f"the server cannot be reached: {error.strerror}") from None
    except Exception as error:
        if (what := _told(error)) is None:
            raise
        raise _error(name, what) from None


def _told(error: Exception) -> str | None:
    """What an error says of the database; None if it says nothing, and if it is of the URL."""
    if not type(error).__module__.startswith("asyncpg"):
        return _DAMAGED if isinstance(error, ValueError) else None
    if type(error).__name__ == "ClientConfigurationError":
        return None
    state = cast("str", getattr(error, "sqlstate", None) or "08")
    advice = _ADVICE.get(state) or _ADVICE.get(state[:2])
    return advice or f"the server refused it (SQLSTATE {state}, {type(error).__name__})"


def broken(name: str) -> JournalError:
    """What to say of a connection that is known to have ended."""
    return _error(name, _ADVICE["08"])


def _error(name: str, what: str) -> JournalError:
    return JournalError(f"the journal in {name}: {what}. {_AGAIN}")
