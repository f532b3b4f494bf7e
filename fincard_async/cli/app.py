"""The command ``fincard``: its options, its subcommands, and how errors are shown."""

from __future__ import annotations

import errno
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any, Final

import click

from fincard_async import __version__
from fincard_async.bulk import InputError
from fincard_async.errors import FincardError

from .advice import FAILED, USAGE, advice, exit_code
from .audit import audit
from .balances import balances
from .bulk import bulk
from .demo import demo
from .doctor import doctor
from .endpoints import resource_groups
from .issue import issue
from .output import say
from .reconcile import reconcile
from .sandbox import sandbox
from .settings import Setup
from .webhooks import webhooks
from .worker import jobs, worker

_ARGV = "fincard.argv"
_MOST_FAULTS = 20
_MARGIN = 6
"""Columns beside the names and the help of commands: indent, gap, and the end of a line."""
_EPILOG = """\b
Exit codes:
  0  all good
  1  an error: the server, the network, a file; reconcile: not all was read
  2  wrong usage or settings; nothing was sent
  3  issue, bulk, demo, --output: ended early; run it again to resume
  4  issue, bulk: every row is final, and some were refused or failed
  5  issue, bulk, audit: the outcome of some rows is not final or not known
  6  issue, bulk: a person must decide on some rows, all others are final
  7  audit, reconcile: journal and server differ
"""


class App(click.Group):
    """A group that remembers its arguments and prints our errors as two lines."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Keep the arguments, for the command that resumes a job."""
        ctx.meta[_ARGV] = tuple(args)
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of the sections."""
        return list(self.commands)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Every command under its heading, with as much of its help as the window takes."""
        width = max(len(name) for name in self.commands)
        room = formatter.width - width - _MARGIN
        for title, commands in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl(
                    [
                        (f"{command.name:<{width}}", command.get_short_help_str(room))
                        for command in commands
                    ]
                )

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; an expected error becomes two lines and an exit code."""
        try:
            return super().invoke(ctx)
        except InputError as error:
            _show_faults(error)
            ctx.exit(USAGE)
        except FincardError as error:
            _show(str(error), advice(error))
            ctx.exit(exit_code(error))
        except OSError as error:
            if error.errno == errno.EPIPE:
                raise
            where = "" if error.filename is None else f"{error.filename}: "
            _show(f"{where}{error.strerror or error}", "check the path, its rights and free space")
            ctx.exit(FAILED)


@click.group(cls=App, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--profile", metavar="NAME", help="Profile of the settings file to use.")
@click.version_option(__version__, prog_name="fincard")
@click.pass_context
def app(ctx: click.Context, profile: str | None) -> None:
    """Issue virtual cards, one or many, and read what happened to them.

    Start with `fincard demo`: it needs no account and no settings.

    Settings come from FINCARD_BASE_URL, FINCARD_TENANT_ID, FINCARD_USERNAME and the like, or from
    a profile in ~/.config/fincard/config.toml (--profile, or FINCARD_PROFILE). `fincard doctor`
    checks them without moving money.
    """
    given = ctx.obj if isinstance(ctx.obj, Setup) else Setup()
    ctx.obj = Setup(
        profile=profile,
        argv=ctx.meta[_ARGV],
        connect=given.connect,
        interactive=given.interactive,
    )


def _show(error: str, what_to_do: str) -> None:
    say(f"error: {error}", err=True)
    say(f"       {what_to_do}", err=True)


def _show_faults(error: InputError) -> None:
    """The faults of an input file, each on a line of its own."""
    say(f"error: the rows cannot be used ({error.count} found)", err=True)
    for fault in error.faults[:_MOST_FAULTS]:
        say(f"  {fault}", err=True)
    if error.count > _MOST_FAULTS:
        say(f"  and {error.count - _MOST_FAULTS} more", err=True)
    say("       nothing was sent; mend the file and run the command again", err=True)


SECTIONS: Final[Mapping[str, Sequence[click.Command]]] = {
    "Try it": (demo, sandbox),
    "Check the settings": (doctor,),
    "Cards and money, call by call": resource_groups(),
    "Many cards": (issue, bulk, balances),
    "Check the books": (audit, reconcile),
    "Several machines": (worker, jobs),
    "Events": (webhooks,),
}
"""The commands under the headings of `fincard --help`; what a newcomer needs first comes first."""

for _command in chain.from_iterable(SECTIONS.values()):
    app.add_command(_command)
