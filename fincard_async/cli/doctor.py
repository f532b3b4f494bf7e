"""``fincard doctor``: are the settings right, and does the server answer? Moves no money."""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Final

import click
from rich.table import Table
from rich.text import Text

from fincard_async import FincardClient, PrivateKey
from fincard_async._runtime.ports import Transport
from fincard_async._sansio.base_url import parse_origin
from fincard_async._sansio.messages import HttpRequest, HttpResponse
from fincard_async.config import ClientSettings, load_settings
from fincard_async.errors import FincardError, TransportError

from .advice import FAILED, advice, login_refused
from .output import console, printable
from .settings import Setup, pass_setup, run

_MOST_SKEW: Final = 60.0
"""Seconds; tokens carry times."""


@dataclass(frozen=True, slots=True)
class Check:
    """What one check found."""

    name: str
    fact: str
    ok: bool = True
    to_do: str = ""


@click.command(short_help="Check settings, key, login and clock; moves no money.")
@pass_setup
def doctor(setup: Setup) -> None:
    """Check settings, key, connection, login, rights and clock; moves no money."""
    checks: list[Check] = []

    def report(check: Check) -> None:
        checks.append(check)
        grid = Table.grid(padding=(0, 2))
        grid.add_column(width=6)
        grid.add_column(width=10)
        grid.add_row("ok" if check.ok else "FAILED", check.name, Text(printable(check.fact)))
        if check.to_do:
            grid.add_row("", "", Text(printable(check.to_do)))
        console().print(grid)

    try:
        settings = load_settings(os.environ, setup.profile)
        origin = parse_origin(settings.base_url)
    except FincardError as error:
        report(_failed("settings", error))
    else:
        who = type(settings.auth).__name__
        report(Check("settings", f"{origin}, tenant {settings.tenant_id}, {who}"))
        report(_key(settings))
        run(_ask_server, settings, origin, report)
    if not all(check.ok for check in checks):
        raise click.exceptions.Exit(FAILED)


def _key(settings: ClientSettings) -> Check:
    if settings.card_key is None:
        return Check("card key", "not set (FINCARD_CARD_KEY); sealed values stay sealed")
    try:
        key = PrivateKey.from_file(settings.card_key, settings.card_key_password)
    except FincardError as error:
        return _failed("card key", error)
    return Check("card key", f"RSA, {key.bits} bits")


async def _ask_server(
    settings: ClientSettings, origin: str, report: Callable[[Check], None]
) -> None:
    """Two reads: enough to see connection, login, rights and the server's clock."""
    from fincard_async._transports.session import SessionTransport

    transport = _Dated(SessionTransport(origin))
    client = FincardClient(
        base_url=origin,
        auth=settings.auth,
        tenant_id=settings.tenant_id,
        context=settings.context,
        timeout=settings.timeout or 30.0,
        transport=transport,
    )
    async with client:
        types = await _tried("card types", client.cards.list_types())
        reached = not (isinstance(types, Check) and types.name == "connection")
        if reached:
            report(Check("connection", "the server answers"))
        if isinstance(types, Check):
            report(types)
        else:
            report(Check("login", "accepted"))
            report(Check("card types", f"{len(types)} on offer"))
            found = await _tried("queries", client.transactions.operations(page_size=1).first())
            report(found if isinstance(found, Check) else Check("queries", "allowed"))
        if transport.skew is not None:
            report(_clock(transport.skew))


async def _tried(name: str, call: Awaitable[object]) -> Check | list[object]:
    """The answer of a call as a list, or the check that it failed."""
    try:
        answer = await call
    except FincardError as error:
        if login_refused(error):
            return _failed("login", error)
        return _failed("connection" if isinstance(error, TransportError) else name, error)
    return answer if isinstance(answer, list) else [answer]


def _clock(skew: float) -> Check:
    if abs(skew) <= _MOST_SKEW:
        return Check("clock", "agrees with the server's")
    side = "ahead of" if skew > 0 else "behind"
    fact = f"{abs(skew):.0f} seconds {side} the server's"
    return Check("clock", fact, ok=False, to_do="set the clock of this machine")


def _failed(name: str, error: FincardError) -> Check:
    return Check(name, str(error), ok=False, to_do=advice(error, in_doctor=True))


class _Dated:
    """A transport that notes how far this clock is ahead of the server's ``Date`` header."""

    def __init__(self, inner: Transport) -> None:
        self._inner = inner
        self.skew: float | None = None

    async def send(self, request: HttpRequest, timeout: float) -> HttpResponse:
        """Pass the request on."""
        response = await self._inner.send(request, timeout)
        try:
            self.skew = time.time() - parsedate_to_datetime(response.headers["date"]).timestamp()
        except (KeyError, ValueError):
            pass
        return response

    async def aclose(self) -> None:
        """Close the connections."""
        await self._inner.aclose()
