"""One command per endpoint, made from the generated table of operations."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from itertools import groupby
from pathlib import Path
from typing import Final

import click

from fincard_async import FincardClient
from fincard_async._generated import operations
from fincard_async._generated.commands import COMMANDS
from fincard_async._generated.resources_index import Resources
from fincard_async._sansio.commands import Command

from .calls import Window, carry_out
from .output import FORMATS, cell, default_format, plain
from .saving import FILE_FORMATS, output_option, save_rows, window_options
from .settings import Setup, confirm, on_loopback, pass_setup, run
from .values import parameter

_FOR_GOOD: Final = frozenset({"cards.cancel"})
"""Operations that cannot be undone: the id must be typed."""
_ROWS_ON_A_TERMINAL: Final = 50


def resource_groups() -> list[click.Group]:
    """A group for each resource, with a command for each of its operations."""
    return [
        _Resource(name, tuple(commands))
        for name, commands in groupby(COMMANDS, key=lambda command: command.resource)
    ]


class _Resource(click.Group):
    """Makes a command when it is needed: most runs need one."""

    def __init__(self, name: str, commands: tuple[Command, ...]) -> None:
        super().__init__(name, help=getattr(Resources, name).__doc__)
        self._commands = {command.name: command for command in commands}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of the schema."""
        return list(self._commands)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name."""
        found = self._commands.get(cmd_name)
        return None if found is None else _command(found)


def _command(command: Command) -> click.Command:
    return click.Command(
        command.name,
        params=[*_parameters(command), *_choices(command)],
        callback=_callback(command),
        help=command.summary,
        deprecated=command.deprecated or False,
    )


def _parameters(command: Command) -> list[click.Parameter]:
    """What the operation takes; its leading id may be given with or without its flag."""
    options = [parameter(command, option) for option in command.options]
    leading = [
        click.Argument(["_leading"], type=option.type, required=False, metavar=option.name.upper())
        for option in options
        if option.name == command.leading
    ]
    return [*leading, *options]


def _choices(command: Command) -> list[click.Parameter]:
    """What the person may choose about asking and printing."""
    forms = [form for form in FORMATS if form != "csv" or command.shape in ("list", "page")]
    text = "Default: table on a terminal, ndjson elsewhere."
    if command.shape == "page":
        forms += [form for form in FILE_FORMATS if form not in forms]
        text += f" With --output by the end of its name: {', '.join(FILE_FORMATS)}."
    made: list[click.Parameter] = [
        click.Option(["--format", "_form"], type=click.Choice(forms), help=text)
    ]
    operation = operations.load(command.operation_name)
    if operation.paging is not None:
        if operation.paging.start is not None:
            made += window_options()
        made.append(output_option())
        text = f"Most rows; 0 for all. Default: {_ROWS_ON_A_TERMINAL} in a table, else all."
        made.append(click.Option(["--limit", "_limit"], type=click.IntRange(min=0), help=text))
    if operation.sealed:
        text = "Open sealed values with FINCARD_CARD_KEY; on a terminal only."
        made.append(click.Option(["--reveal", "_reveal"], is_flag=True, help=text))
    if command.mutates:
        text = "Do not ask, wherever the server is."
        made.append(click.Option(["--yes", "-y", "_yes"], is_flag=True, help=text))
    return made


def _callback(command: Command) -> Callable[..., None]:
    @pass_setup
    def called(
        setup: Setup,
        /,
        *,
        _form: str | None,
        _leading: object = None,
        _limit: int | None = None,
        _output: Path | None = None,
        _reveal: bool = False,
        _since: int | None = None,
        _until: int | None = None,
        _yes: bool = False,
        **values: object,
    ) -> None:
        arguments = {name: value for name, value in values.items() if value is not None}
        if command.leading is not None:
            arguments[command.leading] = _one(command, _leading, arguments)
        if _reveal and not sys.stdout.isatty():
            raise click.UsageError("--reveal writes to a terminal only, never to a file or a pipe")
        window = Window(_since, _until)
        if _output is not None:
            if _limit is not None or _reveal:
                raise click.UsageError("--output takes all rows, and never opens sealed values")
            save_rows(setup, command, arguments, _output, _form, window)
            return
        if _form in FILE_FORMATS and _form not in FORMATS:
            raise click.UsageError(f"--format {_form} needs --output FILE")
        client = setup.client()
        if command.mutates:
            _ask_first(setup, command, client, arguments, yes=_yes)
        form = _form or default_format()
        if _limit is None and form == "table":
            _limit = _ROWS_ON_A_TERMINAL
        run(
            carry_out,
            client,
            command,
            arguments,
            form=form,
            limit=_limit or None,
            reveal=_reveal,
            window=None if window == Window(None, None) else window,
        )

    return called


def _one(command: Command, argument: object, options: Mapping[str, object]) -> object:
    """The leading id, given exactly once."""
    flag = next(option.flag for option in command.options if option.name == command.leading)
    given = [value for value in (argument, options.get(command.leading or "")) if value]
    if len(given) != 1:
        raise click.UsageError(f"give {flag.removeprefix('--')} once, with or without {flag}")
    return given[0]


def _ask_first(
    setup: Setup,
    command: Command,
    client: FincardClient,
    arguments: Mapping[str, object],
    *,
    yes: bool,
) -> None:
    """Ask before anything is changed, except in a sandbox; always before what cannot be undone."""
    facts = [f"{command.resource} {command.name} at {client.origin}, tenant {client.tenant_id}"]
    facts += [f"  {name}: {cell(name, plain(value))}" for name, value in arguments.items()]
    if command.operation_name in _FOR_GOOD:
        confirm(setup, facts, yes=yes, word=str(arguments[command.leading or ""]))
    elif not on_loopback(client):
        confirm(setup, facts, yes=yes)
