"""In front of a terminal: a bar that fits, colours that can be turned off, secrets on request."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

pytest.importorskip("click")
pytest.importorskip("rich")

if sys.platform == "win32":
    pytest.skip("pseudo-terminals are a Unix thing", allow_module_level=True)

import fcntl
import pty
import struct
import termios

from .processes import Served, command, environment, finish

pytestmark = pytest.mark.slow

COLOUR = re.compile(r"\x1b\[[0-9;]*m")
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def at_terminal(
    args: list[str],
    *,
    cwd: Path,
    settings: Mapping[str, str],
    typed: str = "",
    columns: int = 80,
    out: int | None = None,
) -> tuple[int, str]:
    """Run a command in a window of so many columns; its exit code and all it wrote there."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    env = {**environment(settings), "TERM": "xterm-256color"}
    env.pop("COLUMNS", None)
    with subprocess.Popen(
        command(*args), cwd=cwd, env=env, stdin=theirs, stdout=out or theirs, stderr=theirs
    ) as process:
        os.close(theirs)
        os.write(ours, typed.encode())
        parts: list[bytes] = []
        while part := read(ours):
            parts.append(part)
    os.close(ours)
    return process.returncode, b"".join(parts).decode()


def read(terminal: int) -> bytes:
    """Some bytes; none at the end."""
    try:
        return os.read(terminal, 65536)
    except OSError:
        return b""


def open_card(server: Served, cwd: Path, card_type_id: str = "111001") -> str:
    """A new card of the server."""
    done = finish(
        ["cards", "open", "--card-type-id", card_type_id, "--amount", "50"],
        cwd=cwd,
        settings=server.settings,
    )
    card_no = json.loads(done.stdout)["card_no"]
    assert isinstance(card_no, str)
    return card_no


@pytest.mark.slow
@pytest.mark.parametrize("columns", [60, 120])
def test_the_demo_fits_the_window(tmp_path: Path, columns: int) -> None:
    """No line of the demo is wider than its window, and nothing but paths is cut."""
    code, text = at_terminal(["demo", "--rows", "10"], cwd=tmp_path, settings={}, columns=columns)
    assert code == 0
    lines = [line for line in re.split(r"[\r\n]+", CONTROL.sub("", text)) if line.strip()]
    assert max(len(line.rstrip()) for line in lines) <= columns
    assert any("10/10" in line and "━" in line for line in lines)
    assert any(line.startswith("Total USD") and line.split()[2] == "10" for line in lines)
    assert "…" not in text


def test_no_color(server: Served, tmp_path: Path) -> None:
    """NO_COLOR leaves no colour, only weight."""
    settings = {**server.settings, "NO_COLOR": "1"}
    open_card(server, tmp_path)
    code, text = at_terminal(["transactions", "operations"], cwd=tmp_path, settings=settings)
    assert code == 0
    assert set(COLOUR.findall(text)) <= {"\x1b[0m", "\x1b[1m", "\x1b[2m"}


def test_a_table_by_default(server: Served, tmp_path: Path) -> None:
    """On a terminal lists are tables and single records are lists of fields."""
    card_no = open_card(server, tmp_path)
    _, text = at_terminal(["cards", "get", card_no], cwd=tmp_path, settings=server.settings)
    lines = CONTROL.sub("", text).splitlines()
    assert lines[0].split() == ["card_no", card_no]
    file = tmp_path / "cards"
    file.write_text(card_no, "utf-8")
    _, text = at_terminal(["balances", "cards"], cwd=tmp_path, settings=server.settings)
    assert [card_no, "50", "0", "USD"] in [line.split() for line in text.splitlines()]


def test_reveal(server: Served, tmp_path: Path) -> None:
    """With a key, on a terminal, on request: the card data, and only then."""
    card_no = open_card(server, tmp_path)
    args = ["cards", "get-sensitive", card_no]
    _, text = at_terminal(args, cwd=tmp_path, settings=server.settings)
    assert "sealed" in text
    code, text = at_terminal([*args, "--reveal"], cwd=tmp_path, settings=server.settings)
    assert code == 0
    assert re.search(r"card_number\s+531993\d{10}\b", CONTROL.sub("", text))
    assert re.search(r"cvv\s+\d{3}\b", CONTROL.sub("", text))
    assert "sealed" not in text


def test_reveal_codes(server: Served, tmp_path: Path) -> None:
    """One-time codes open in their column."""
    card_no = open_card(server, tmp_path)
    server.control("simulate_otp", card_no=card_no, otp="424242")
    args = ["transactions", "three-ds", "--card-no", card_no, "--reveal"]
    _, text = at_terminal(args, cwd=tmp_path, settings=server.settings)
    assert "424242" in text


def test_a_gift_card_reveals_its_url(server: Served, tmp_path: Path) -> None:
    """Of a gift card there is a URL and nothing else."""
    card_no = open_card(server, tmp_path, "111050")
    args = ["cards", "get-sensitive", card_no, "--reveal", "--format", "json"]
    _, text = at_terminal(args, cwd=tmp_path, settings=server.settings)
    assert list(json.loads(text)) == ["activate_url"]


def test_reveal_needs_a_key(server: Served, tmp_path: Path) -> None:
    """Without the key the error names the variable."""
    card_no = open_card(server, tmp_path)
    settings = {**server.settings, "FINCARD_CARD_KEY": ""}
    code, text = at_terminal(
        ["cards", "get-sensitive", card_no, "--reveal"], cwd=tmp_path, settings=settings
    )
    assert code == 2
    assert "FINCARD_CARD_KEY" in text


def test_a_question_at_a_terminal(server: Served, tmp_path: Path) -> None:
    """A card is cancelled when its id is typed."""
    card_no = open_card(server, tmp_path)
    args = ["cards", "cancel", card_no]
    code, text = at_terminal(args, cwd=tmp_path, settings=server.settings, typed="no\n")
    assert (code, "nothing was sent" in text) == (1, True)
    code, _ = at_terminal(args, cwd=tmp_path, settings=server.settings, typed=f"{card_no}\n")
    assert code == 0


def test_a_bar_does_not_swallow_the_results(server: Served, tmp_path: Path) -> None:
    """With the bar on the screen and the rows in a file, each is where it belongs."""
    cards = [open_card(server, tmp_path) for _ in range(3)]
    (tmp_path / "cards").write_text("\n".join(cards), "utf-8")
    with (tmp_path / "out").open("w") as out:
        code, text = at_terminal(
            ["balances", "cards"], cwd=tmp_path, settings=server.settings, out=out.fileno()
        )
    assert code == 0
    rows = [json.loads(line) for line in (tmp_path / "out").read_text("utf-8").splitlines()]
    assert {row["card_no"] for row in rows} == set(cards)
    assert "3/3" in text
    assert not any(card_no in text for card_no in cards)


def test_rows_on_the_screen_have_no_bar(server: Served, tmp_path: Path) -> None:
    """NDJSON that runs over the screen is not cut by a bar; an error is a row like any other."""
    (tmp_path / "cards").write_text("FC404", "utf-8")
    args = ["balances", "cards", "--json"]
    code, text = at_terminal(args, cwd=tmp_path, settings=server.settings)
    assert code == 1
    assert "━" not in text
    assert json.loads(text.splitlines()[0])["card_no"] == "FC404"


def test_errors_stand_below_the_table(server: Served, tmp_path: Path) -> None:
    """A narrow window hides columns, but never an error."""
    card_no = open_card(server, tmp_path)
    (tmp_path / "cards").write_text(f"FC404\n{card_no}\n", "utf-8")
    code, text = at_terminal(
        ["balances", "cards"], cwd=tmp_path, settings=server.settings, columns=40
    )
    assert code == 1
    assert "FC404: NotFound: " in text
    assert "2 cards, 50 USD, 1 failed" in text
