"""Where the database of shared jobs is, without a password that others could read."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Final, TypeVar
from urllib.parse import parse_qs, urlsplit

import click

from fincard_async.bulk.postgres import Place
from fincard_async.bulk.postgres.planning import CHUNK_ROWS

F = TypeVar("F", bound=Callable[..., Any])

VARIABLE: Final = "FINCARD_POSTGRES_URL"
FROM_VARIABLE: Final = "env"


class PlaceType(click.ParamType[Place]):
    """``postgresql://...`` without a password, or ``env``."""

    name = "URL"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> Place:
        """The place; a wrong one is told without being quoted."""
        if isinstance(value, Place):
            return value
        text = str(value)
        if text == FROM_VARIABLE:
            text = os.environ.get(VARIABLE, "")
            if not text:
                self.fail(f"{VARIABLE} is not set", param, ctx)
        elif _has_password(text):
            self.fail(
                "on the command line other users of this machine can read the password: set"
                f" {VARIABLE} and give {FROM_VARIABLE!r} here",
                param,
                ctx,
            )
        return Place(text)


def postgres_option(*, required: bool) -> Callable[[F], F]:
    """``--postgres``, which a command may need."""
    return click.option(
        "--postgres",
        "place",
        type=PlaceType(),
        required=required,
        help=f"Database of the jobs that machines share: {FROM_VARIABLE!r} for the URL in"
        f" {VARIABLE}, or a URL without a password.",
    )


SHARED_OPTIONS: Final[tuple[Callable[[Any], Any], ...]] = (
    postgres_option(required=False),
    click.option(
        "--chunk-rows",
        type=click.IntRange(1),
        default=CHUNK_ROWS,
        show_default=True,
        metavar="N",
        help="With --postgres: how many rows a worker takes at a time.",
    ),
    click.option("--no-queue", is_flag=True, help="With --postgres: plan only."),
)
"""What a bulk command can be told about a job that machines share."""


def was_given(name: str) -> bool:
    """True if the option stands on the command line, rather than having its default."""
    source = click.get_current_context().get_parameter_source(name)
    return source is not None and source is not click.core.ParameterSource.DEFAULT


def _has_password(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.password is not None or "password" in parse_qs(parts.query)
    except ValueError:
        return True  # whatever it is, it is not shown
