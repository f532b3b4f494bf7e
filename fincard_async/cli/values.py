"""From the text of an option to the value that a method of the client takes."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from typing import Any

import click
import msgspec

from fincard_async._generated import operations
from fincard_async._sansio.codec import make_decoder
from fincard_async._sansio.commands import Command, Option
from fincard_async._sansio.secret import Secret

from .settings import Setup

_SECRET_HELP = "Give - to be asked for it (or to read a line of the input), or env:NAME."
_MOMENT_HELP = "Also a date or time such as 2026-11-01 or 2026-11-01T09:30:00+01:00."


class Moment(click.ParamType[int]):
    """Milliseconds since the epoch, or a date or time in ISO 8601; without a zone in UTC."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read either form."""
        text = str(value)
        if text.isascii() and text.isdigit():
            return int(text)
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            self.fail("neither milliseconds nor a time such as 2026-11-01T09:30:00Z", param, ctx)
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


class Nested(click.ParamType[object]):
    """A nested object or a list, as JSON text with the field names of the API."""

    name = "json"

    def __init__(self, command: Command, option: Option) -> None:
        self._type = _field_type(command, option)

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> object:
        """Read the JSON; a field that the API does not know is a mistake, not an extension."""
        try:
            raw = msgspec.json.decode(value)
            made: object = make_decoder(self._type).decode(value)
        except (msgspec.MsgspecError, ValueError) as error:
            self.fail(f"not the JSON that is needed here: {error}", param, ctx)
        known = set(field_names(self._type))
        items = raw if isinstance(raw, list) else [raw]
        if strange := sorted(key for item in items for key in set(item) - known):
            self.fail(
                f"unknown field {strange[0]!r}; known: {', '.join(sorted(known))}", param, ctx
            )
        return made

    def shape(self) -> str:
        """What the JSON looks like, for the help."""
        names = ", ".join(f'"{name}": ...' for name in field_names(self._type))
        listed = msgspec.inspect.type_info(_bare(self._type))
        text = "{" + names + "}"
        return f"[{text}, ...]" if isinstance(listed, msgspec.inspect.ListType) else text


class Hidden(click.ParamType[Secret]):
    """A secret: never taken from the command line itself, where every process could read it."""

    name = "secret"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Secret:
        """``-`` asks or reads a line; ``env:NAME`` reads a variable. The text is never quoted."""
        source = str(value)
        if source == "-":
            return _ask(param, ctx)
        if source.startswith("env:"):
            text = os.environ.get(source.removeprefix("env:"), "")
            if not text:
                self.fail("the environment variable is empty or not set", param, ctx)
            return Secret(text)
        self.fail("a secret does not belong on the command line: give - or env:NAME", param, ctx)


def parameter(command: Command, option: Option) -> click.Option:
    """The option of click for an option of the schema."""
    help_text = option.help
    kind: click.ParamType[Any] = click.STRING
    flag = option.flag
    match option.kind:
        case "integer":
            kind = click.INT
        case "boolean":
            kind, flag = click.BOOL, f"{option.flag}/--no-{option.flag.removeprefix('--')}"
        case "enum":
            kind = click.Choice(option.choices, case_sensitive=False)
            help_text = f"{help_text} One of: {', '.join(option.choices)}."
        case "timestamp":
            kind, help_text = Moment(), f"{help_text} {_MOMENT_HELP}"
        case "json":
            nested = Nested(command, option)
            kind, help_text = nested, f"{help_text} As JSON: {nested.shape()}"
        case "secret":
            kind, help_text = Hidden(), f"{help_text} {_SECRET_HELP}"
        case "text" | "money":
            pass
    return click.Option(
        [flag, option.name],
        type=None if option.kind == "boolean" else kind,
        metavar={"money": "AMOUNT", "enum": "KIND"}.get(option.kind),
        required=option.required and not option.secret and option.name != command.leading,
        default="-" if option.required and option.secret else None,
        show_default=False,
        help=help_text,
    )


def field_names(kind: Any) -> list[str]:
    """Names of the fields, as they are in JSON, of a struct or of the items of a list of them."""
    info = msgspec.inspect.type_info(_bare(kind))
    if isinstance(info, msgspec.inspect.ListType):
        info = info.item_type
    if not isinstance(info, msgspec.inspect.StructType):
        return []
    return [field.encode_name for field in info.fields]


def _field_type(command: Command, option: Option) -> Any:
    struct = operations.load(command.operation_name).input
    return next(f.type for f in msgspec.structs.fields(struct) if f.name == option.name)


def _bare(kind: Any) -> Any:
    """The type without ``| None``."""
    parts = [part for part in getattr(kind, "__args__", ()) if part is not type(None)]
    optional = len(parts) == 1 and type(None) in getattr(kind, "__args__", ())
    return parts[0] if optional else kind


def _ask(param: click.Parameter | None, ctx: click.Context | None) -> Secret:
    name = "secret" if param is None else str(param.name).replace("_", " ")
    setup = None if ctx is None else ctx.find_object(Setup)
    if setup is not None and setup.interactive():
        return Secret(click.prompt(name, hide_input=True, err=True))
    text = sys.stdin.readline().rstrip("\r\n")
    if not text:
        raise click.UsageError(f"the {name} is missing: one line of the input, or env:NAME", ctx)
    return Secret(text)
