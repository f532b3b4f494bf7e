"""``fincard sandbox``: settings that work in another shell, a port, a state, an end."""

from __future__ import annotations

import shlex
import signal
import socket
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("click")
pytest.importorskip("rich")

from .processes import ROOT, Served, command, environment, finish, pipe, served

pytestmark = pytest.mark.slow


def test_what_it_prints_is_what_a_client_needs(server: Served, tmp_path: Path) -> None:
    """With the printed settings, and nothing else, another process can work."""
    done = finish(["cards", "list-types"], cwd=tmp_path, settings=server.settings)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 8


def test_a_shell_understands_it(tmp_path: Path) -> None:
    """The lines can be sourced as they are, also with a path that needs quotes."""
    folder = tmp_path / "it's a folder"
    folder.mkdir()
    with served("--state", str(folder / "s")) as running:
        key = running.settings["FINCARD_CARD_KEY"]
        process = start_and_stop(["--state", str(folder / "t")])
        shell = f'{process}\nprintf %s "$FINCARD_CARD_KEY"'
    shown = subprocess.run(["sh", "-c", shell], capture_output=True, text=True, check=True).stdout
    assert shown == str(folder / "t.key.pem")
    assert Path(shown).exists()
    assert key


def start_and_stop(args: list[str]) -> str:
    """What a sandbox prints from start to end."""
    with subprocess.Popen(
        command("sandbox", "--port", "0", *args),
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert "Ctrl-C stops it" in pipe(process.stderr).readline()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
    assert process.returncode == 0
    assert err == "stopped\n"
    return out


def test_the_key_is_private_and_kept(tmp_path: Path) -> None:
    """Beside a state the key is readable by its owner only, and the same at the next start."""
    state = tmp_path / "s"
    start_and_stop(["--state", str(state)])
    key = tmp_path / "s.key.pem"
    first = key.read_bytes()
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    start_and_stop(["--state", str(state)])
    assert key.read_bytes() == first
    assert sorted(path.name for path in tmp_path.iterdir()) == ["s", "s.key.pem"]


def test_without_a_state_nothing_is_left(tmp_path: Path) -> None:
    """The key of a sandbox without a state is gone with it."""
    line = next(line for line in start_and_stop([]).splitlines() if "CARD_KEY=" in line)
    path = Path(shlex.split(line)[1].partition("=")[2])
    assert path.name == "card-key.pem"
    assert not path.parent.exists()


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    """A busy port is an error that names the way out."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = finish(["sandbox", "--port", str(port)], cwd=tmp_path)
    assert done.returncode == 1
    assert f"port {port} of 127.0.0.1 is taken" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_state_survives(serve: Callable[..., Served], tmp_path: Path) -> None:
    """Cards of a killed sandbox are there when it starts again."""
    first = serve("--latency-ms", "0")
    opened = finish(
        ["cards", "open", "--card-type-id", "111001", "--amount", "50"],
        cwd=tmp_path,
        settings=first.settings,
    )
    assert opened.returncode == 0, opened.stderr
    first.process.kill()
    first.process.wait()
    assert serve().control("ledger")["cards"] == 1


def test_the_default_port_is_in_the_help() -> None:
    """The port is fixed, so that settings stay valid from one day to the next."""
    done = finish(["sandbox", "--help"], cwd=ROOT)
    assert "default: 8765" in done.stdout
