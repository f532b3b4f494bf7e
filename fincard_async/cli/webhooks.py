"""``fincard webhooks``: see what the platform sends, and check a delivery that was saved."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

import click

from fincard_async._generated.events import CATEGORY_HEADER, SIGNATURE_HEADERS
from fincard_async.errors import UnsealError
from fincard_async.webhooks import (
    Event,
    Inbox,
    ThreeDsEvent,
    UnknownEvent,
    WebhookEvent,
    WebhookVerifier,
)

from .output import console, json_line, plain, present, print_record, printable, record
from .settings import interrupts, run

if TYPE_CHECKING:
    from fincard_async.keys import PrivateKey

DEFAULT_PORT: Final = 8766
KEY_VARIABLE: Final = "FINCARD_WEBHOOK_KEY"

_key = click.option(
    "--key",
    metavar="FILE",
    help=f"Public key of the platform, or the key itself.  [default: {KEY_VARIABLE}]",
)


@click.group()
def webhooks() -> None:
    """Receive webhooks, or check one."""


@webhooks.command()
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=DEFAULT_PORT,
    show_default=True,
    help="Port on 127.0.0.1; 0 takes a free one.",
)
@click.option("--path", default="/", show_default=True, help="Path that the platform posts to.")
@_key
@click.option("--reveal", is_flag=True, help="Show opened codes; on a terminal only.")
def listen(port: int, path: str, key: str | None, reveal: bool) -> None:
    """Print every event that is signed by the platform, until Ctrl-C.

    One line for each on a terminal, one JSON object to a line in a pipe. Events are acknowledged
    and not kept; the platform will not send them again. Codes and links stay sealed, unless
    --reveal opens them with FINCARD_CARD_KEY.

    \b
      fincard sandbox --webhook-url http://127.0.0.1:8766/ > sandbox.env &
      . ./sandbox.env
      fincard webhooks listen
    """
    run(_listen, _verifier(key), port, path, _opener(reveal))


@webhooks.command()
@click.argument("file", type=click.File("rb"))
@click.option("--signature", metavar="TEXT", help="What the signature header said.")
@click.option(
    "--headers",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Headers as `Name: value` lines, in place of --signature.",
)
@click.option("--category", metavar="NAME", help=f"What the header {CATEGORY_HEADER} said.")
@_key
def verify(
    file: BinaryIO,
    signature: str | None,
    headers: Path | None,
    category: str | None,
    key: str | None,
) -> None:
    """Check a delivery that was saved: FILE holds its body, byte for byte.

    Exit code 0: the platform signed it, and the event is printed. 1: it did not, or it cannot be
    read. 2: wrong usage.
    """
    if (signature is None) == (headers is None):
        raise click.UsageError("give --signature or --headers, and not both")
    given = _header_lines(headers) if headers is not None else {SIGNATURE_HEADERS[0]: signature}
    if category is not None:
        given[CATEGORY_HEADER] = category
    found = {name: text for name, text in given.items() if text is not None}
    event = _verifier(key).verify(found, file.read())
    print_record(_row(event), "table" if sys.stdout.isatty() else "ndjson")


def _verifier(key: str | None) -> WebhookVerifier:
    return WebhookVerifier.from_env(KEY_VARIABLE, None if key is None else {KEY_VARIABLE: key})


def _opener(reveal: bool) -> PrivateKey | None:
    """The key that opens codes; None to leave them sealed."""
    if not reveal:
        return None
    if not sys.stdout.isatty():
        raise click.UsageError("--reveal shows secrets on a terminal only")
    from fincard_async.keys import PrivateKey

    return PrivateKey.from_env()


def _header_lines(path: Path) -> dict[str, str | None]:
    pairs = (line.partition(":") for line in path.read_text("latin-1").splitlines() if line)
    return {name.strip(): text.strip() for name, _, text in pairs}


async def _listen(verifier: WebhookVerifier, port: int, path: str, key: PrivateKey | None) -> None:
    from fincard_async.webhooks import serve_webhooks

    inbox = Inbox(verifier, confirm=False)

    @inbox.on()
    async def show(event: Event) -> None:
        secret = await _opened(event, key)
        if sys.stdout.isatty():
            console().print(_line(event, secret), soft_wrap=True)
        else:
            click.echo(json_line(_row(event)))

    with interrupts() as received:
        async with serve_webhooks(inbox, port=port, path=path) as url:
            click.echo(f"listening on {url}; Ctrl-C stops it", err=True)
            await anext(received)
    click.echo("stopped", err=True)


async def _opened(event: Event, key: PrivateKey | None) -> str | None:
    if key is None or not isinstance(event, ThreeDsEvent):
        return None
    from fincard_async._crypto.opening import open_three_ds

    try:
        (value,) = await open_three_ds([key], [event.data])
    except UnsealError:
        return "(cannot be opened with FINCARD_CARD_KEY)"
    with value:
        return value.reveal()


def _row(event: Event) -> Mapping[str, object]:
    """An event as a record; sealed and secret values as that word."""
    facts: dict[str, object] = {"category": event.category, "event_id": event.event_id}
    if isinstance(event, WebhookEvent):
        return {**facts, "status": event.status, "data": present(record(event.data))}
    known = event.data if isinstance(event, UnknownEvent) else {}
    return {**facts, "fields": sorted(known)}


def _line(event: Event, secret: str | None) -> str:
    """What a person wants to see at once."""
    parts = [event.category or "no category"]
    if isinstance(event, WebhookEvent):
        data = {name: plain(getattr(event.data, name, None)) for name in _SHOWN}
        parts += ["/".join(event.key), event.status or ""]
        parts += [f"{name}={text}" for name, text in data.items() if text is not None]
    elif isinstance(event, UnknownEvent):
        parts.append(f"unknown; fields: {', '.join(sorted(event.data))}")
    if secret is not None:
        parts.append(f"values={secret}")
    return printable("  ".join(filter(None, parts)))


_SHOWN: Final = ("type", "amount", "currency", "card_no", "merchant_name", "description")
