"""How far a long command is: a bar on a terminal, a line now and then elsewhere.

Progress goes to the error stream, so that results can be piped.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Final, Protocol

import click
from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.text import Text

from .output import console

_LINE_EVERY: Final = 2.0
_TENTHS: Final = 10
_MINUTE, _HOUR = 60, 3600


class Meter(Protocol):
    """Shows progress while its block runs."""

    def __enter__(self) -> Meter: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...
    def update(self, done: int, note: str = "", *, halfway: int = 0) -> None:
        """``done`` things are finished and some are ``halfway``; ``note`` says more about them."""
        ...

    def say(self, text: str) -> None:
        """Print a line without breaking the display."""
        ...


def meter(title: str, total: int) -> Meter:
    """A bar if the error stream is a terminal, else lines."""
    screen = console(stderr=True)
    return Bar(title, total, screen) if screen.is_terminal else Lines(title, total)


class Quiet:
    """Shows nothing."""

    def __enter__(self) -> Quiet:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing was opened."""

    def update(self, done: int, note: str = "", *, halfway: int = 0) -> None:
        """Show nothing."""

    def say(self, text: str) -> None:
        """Print a line."""
        click.echo(text, err=True)


class Pace:
    """Speed of this run; what an earlier run had finished does not count."""

    def __init__(self, total: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._total = total
        self._clock = clock
        self._began = clock()
        self._first: float | None = None

    def show(self, done: float) -> str:
        """Rate and remaining time, such as ``12.5/s, 0:08 left``; empty before there is any."""
        if self._first is None:
            self._first = done
        elapsed = self._clock() - self._began
        made = done - self._first
        if made <= 0 or elapsed <= 0:
            return ""
        rate = made / elapsed
        left = "" if done >= self._total else f", {span((self._total - done) / rate)} left"
        return f"{rate:.1f}/s{left}"


class Bar:
    """A bar with counts, rate and time left; the note is a line of its own below."""

    def __init__(
        self,
        title: str,
        total: int,
        screen: Console,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._display = _Display(title, total, screen)
        self._pace = Pace(total, clock)

    def __enter__(self) -> Bar:
        self._display.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._display.stop()

    def update(self, done: int, note: str = "", *, halfway: int = 0) -> None:
        """Draw again."""
        score = done + halfway / 2
        self._display.note = note
        self._display.move(score, done, self._pace.show(score))

    def say(self, text: str) -> None:
        """Print a line above the bar."""
        self._display.console.print(text)


class _Display(Progress):
    def __init__(self, title: str, total: int, screen: Console) -> None:
        self.note = ""
        self._only: TaskID | None = None
        super().__init__(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[done]}/{task.total}", markup=False),
            TextColumn("{task.fields[pace]}", markup=False),
            console=screen,
            expand=True,
            # Else what is printed meanwhile would go where the bar is, and not into the pipe.
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._only = self.add_task(title, total=total, done=0, pace="")

    def move(self, score: float, done: int, pace: str) -> None:
        if self._only is not None:
            self.update(self._only, completed=score, done=done, pace=pace)

    def get_renderables(self) -> Iterable[RenderableType]:
        yield from super().get_renderables()
        if self.note:
            yield Text(self.note, "dim", overflow="ellipsis", no_wrap=True)


class Lines:
    """A line every two seconds or every tenth of the work, whichever comes first."""

    def __init__(self, title: str, total: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._title = title
        self._total = total
        self._clock = clock
        self._pace = Pace(total, clock)
        self._last: tuple[float, int] | None = None
        self._shown = ""

    def __enter__(self) -> Lines:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing is left open."""

    def update(self, done: int, note: str = "", *, halfway: int = 0) -> None:
        """Print a line if it is time for one, and always at the start and at the end."""
        score = done + halfway / 2
        now, tenth = self._clock(), int(score * _TENTHS / max(self._total, 1))
        due = self._last is None or now - self._last[0] >= _LINE_EVERY or tenth > self._last[1]
        facts = (f"{self._title} {done}/{self._total}", note, self._pace.show(score))
        line = "  ".join(fact for fact in facts if fact)
        if due and line != self._shown:
            self._last, self._shown = (now, tenth), line
            click.echo(line, err=True)

    def say(self, text: str) -> None:
        """Print a line."""
        click.echo(text, err=True)


def span(seconds: float) -> str:
    """A time such as ``0:08`` or ``2:05:00``."""
    whole = round(seconds)
    if whole < _HOUR:
        return f"{whole // _MINUTE}:{whole % _MINUTE:02d}"
    return f"{whole // _HOUR}:{whole % _HOUR // _MINUTE:02d}:{whole % _MINUTE:02d}"
