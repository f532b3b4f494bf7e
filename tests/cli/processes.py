"""Runs ``fincard`` as processes of their own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).parents[2]
CARDS = ROOT / "examples" / "cards.csv"
_EXPORT = re.compile(r"export (FINCARD_\w+)=(.*)")
_SECONDS = 60.0


@dataclass
class Served:
    """A running ``fincard sandbox``."""

    process: subprocess.Popen[str]
    settings: dict[str, str]
    """What it printed for another shell."""
    lines: list[str] = field(default_factory=list)

    def control(self, name: str, **arguments: object) -> Any:
        """A control call of the sandbox."""
        request = urllib.request.Request(
            f"{self.settings['FINCARD_BASE_URL']}/_sandbox/{name}",
            data=json.dumps(arguments).encode(),
            headers={"Content-Type": "application/json"},
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=_SECONDS) as response:
            answer = json.load(response)
        assert answer["success"], answer
        return answer["data"]


def environment(settings: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a child: this package, plain output, and these settings only."""
    own = {name: text for name, text in os.environ.items() if not name.startswith("FINCARD_")}
    own.pop("FORCE_COLOR", None)
    return {**own, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error", **(settings or {})}


def command(*args: str) -> list[str]:
    """How a test starts ``fincard``."""
    return [sys.executable, "-m", "fincard_async.cli", *args]


def start(
    args: Sequence[str], *, cwd: Path, settings: Mapping[str, str] | None = None
) -> subprocess.Popen[str]:
    """Start a command; results and progress come through pipes of their own."""
    return subprocess.Popen(
        command(*args),
        cwd=cwd,
        env=environment(settings),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(
    args: Sequence[str], *, cwd: Path, settings: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        command(*args),
        cwd=cwd,
        env=environment(settings),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )


def pipe(stream: IO[str] | None) -> IO[str]:
    """A stream of a process that was started with pipes."""
    assert stream is not None
    return stream


@contextmanager
def served(*args: str) -> Generator[Served]:
    """A ``fincard sandbox`` on a free port, for as long as the block runs."""
    with subprocess.Popen(
        command("sandbox", "--port", "0", *args),
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Served(process, _settings(pipe(process.stdout)))
        finally:
            process.terminate()
            process.wait(_SECONDS)


def _settings(lines: IO[str]) -> dict[str, str]:
    settings: dict[str, str] = {}
    for line in lines:
        if found := _EXPORT.match(line):
            settings[found[1]] = found[2].strip().strip("'")
        if "FINCARD_CARD_KEY" in settings:
            return settings
    raise AssertionError("the sandbox ended before it was ready")
