"""What every command shares: who is calling, how a client is made, and when to ask first."""

from __future__ import annotations

import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterable
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TypeVar
from urllib.parse import urlsplit

import anyio
import click

from fincard_async import FincardClient
from fincard_async._sansio.base_url import is_loopback
from fincard_async.errors import FincardError

from .advice import leaves

T = TypeVar("T")


def _from_env(profile: str | None) -> FincardClient:
    return FincardClient.from_env(profile=profile)


def _at_terminal() -> bool:
    return sys.stdin.isatty()


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """How this run reaches the server and the person in front of it.

    Attributes:
        profile: Profile of the settings; None takes ``FINCARD_PROFILE``.
        argv: The arguments of this run, to print a command that repeats it.
        connect: Makes the client; a test puts an in-process sandbox here.
        interactive: Whether questions can be asked.
    """

    profile: str | None = None
    argv: tuple[str, ...] = ()
    connect: Callable[[str | None], FincardClient] = _from_env
    interactive: Callable[[], bool] = _at_terminal

    def client(self) -> FincardClient:
        """A client for the settings of this run; close it after use."""
        return self.connect(self.profile)


pass_setup = click.make_pass_decorator(Setup)
yes_option = click.option("--yes", "-y", is_flag=True, help="Do not ask before money moves.")


def run(function: Callable[..., Awaitable[T]], /, *args: object, **kwargs: object) -> T:
    """Run an async function to its end; of several errors at once, raise the first of ours."""
    try:
        return anyio.run(partial(function, *args, **kwargs))
    except BaseExceptionGroup as group:
        errors = list(leaves(group))
        ours = [error for error in errors if isinstance(error, FincardError)]
        raise (ours or errors)[0] from None


@contextmanager
def interrupts() -> Generator[AsyncIterator[object]]:
    """Ctrl-C and SIGTERM as items to await, where the platform can deliver them so."""
    with ExitStack() as stack:
        try:
            received: AsyncIterator[object] = stack.enter_context(
                anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM)
            )
        except NotImplementedError:  # pragma: no cover - Windows: Ctrl-C cancels the run instead
            received = _never()
        yield received


async def _never() -> AsyncIterator[object]:  # pragma: no cover - see its caller
    await anyio.sleep_forever()
    yield None


def on_loopback(client: FincardClient) -> bool:
    """True if calls cannot leave this machine: then it is a sandbox, and nothing is asked."""
    return is_loopback(urlsplit(client.origin).hostname or "")


def confirm(setup: Setup, facts: Iterable[str], *, yes: bool, word: str | None = None) -> None:
    """Show what is about to happen and go on only if the person says so.

    Args:
        setup: This run.
        facts: Lines to show: what, how much, where.
        yes: The person has said so already, with ``--yes``.
        word: What must be typed; None asks for yes or no.

    Raises:
        UsageError: Nobody can be asked.
        Abort: The answer is no.
    """
    if yes:
        return
    if not setup.interactive():
        raise click.UsageError("this needs a confirmation, and nobody can be asked: add --yes")
    for line in facts:
        click.echo(line, err=True)
    if word is None:
        click.confirm("Go on?", abort=True, err=True)
    elif click.prompt(f"Type {word} to go on", default="", show_default=False, err=True) != word:
        click.echo("That is not it; nothing was sent.", err=True)
        raise click.Abort
