"""Progress in lines and bars, by a clock that the test moves."""

from __future__ import annotations

import io

import pytest

pytest.importorskip("click")
pytest.importorskip("rich")

from rich.console import Console

from fincard_async.cli.progress import Bar, Lines, Pace, meter, span


class Time:
    """Seconds, moved by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (8.4, "0:08"), (125, "2:05"), (7500, "2:05:00")]
)
def test_span(seconds: float, text: str) -> None:
    """Times are minutes and seconds."""
    assert span(seconds) == text


def test_pace_counts_this_run_only() -> None:
    """Rows that an earlier run had finished do not make this one look faster."""
    time = Time()
    pace = Pace(200, time)
    assert pace.show(100) == ""
    time.now = 10.0
    assert pace.show(150) == "5.0/s, 0:10 left"
    assert pace.show(200) == "10.0/s"


def test_lines_come_by_tenths_and_by_time(capsys: pytest.CaptureFixture[str]) -> None:
    """A line for every tenth of the work and every two seconds, and one at the start and end."""
    time = Time()
    with Lines("Issuing", 100, time) as lines:
        for done in range(101):
            lines.update(done, f"issued {done}" if done else "")
        lines.update(100, "issued 100")
    shown = [line.split("  ")[0] for line in capsys.readouterr().err.splitlines()]
    assert shown == [f"Issuing {tenth * 10}/100" for tenth in range(11)]


def test_a_slow_run_still_shows_life(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a tenth in two seconds there is a line all the same, if it says something new."""
    time = Time()
    lines = Lines("Issuing", 1000, time)
    for second in range(6):
        time.now = float(second)
        lines.update(second)
    lines.say("stopping")
    assert [line.split("  ")[0] for line in capsys.readouterr().err.splitlines()] == [
        "Issuing 0/1000",
        "Issuing 2/1000",
        "Issuing 4/1000",
        "stopping",
    ]


def test_nothing_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    """A run over nothing does not divide by it."""
    Lines("Issuing", 0, Time()).update(0)
    assert capsys.readouterr().err == "Issuing 0/0\n"


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_bar_fits_its_window(width: int) -> None:
    """Title, bar, count, rate and time left share one line, the note the next, at any width."""
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=width, no_color=True)
    time = Time()
    with Bar("Issuing", 200, console, time) as bar:
        bar.update(0)
        time.now = 10.0
        bar.update(123, "issued 120, refused 3, in flight 8")
        bar.say("stopping")
    last = screen.getvalue()
    assert "123/200" in last
    assert "12.3/s, 0:06 left" in last
    assert "issued 120, refused 3, in flight 8" in last
    assert "stopping" in last


def test_a_pipe_gets_lines() -> None:
    """Where the error stream is no terminal there is no bar."""
    assert isinstance(meter("Issuing", 1), Lines)
