"""``fincard sandbox``: the make-believe server, and the settings that point a client at it."""

from __future__ import annotations

import errno
import os
import shlex
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import click

from fincard_async import PrivateKey
from fincard_async.sandbox import Sandbox, SandboxSettings

from .settings import interrupts, run

DEFAULT_PORT: Final = 8765
_PRIVATE: Final = 0o600


@click.command()
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=DEFAULT_PORT,
    show_default=True,
    help="Port on 127.0.0.1; 0 takes a free one.",
)
@click.option(
    "--state",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Keep cards and orders in this file, also over a kill -9.",
)
@click.option(
    "--latency-ms",
    type=click.IntRange(min=0),
    default=SandboxSettings().latency_ms,
    show_default=True,
    help="Milliseconds until an order is final (a new state only).",
)
def sandbox(port: int, state: Path | None, latency_ms: int | None) -> None:
    """Serve the sandbox on this machine, until Ctrl-C.

    It prints the settings for another shell, on lines that a shell understands:

    \b
      fincard sandbox --port 8765 > sandbox.env &
      . ./sandbox.env
      fincard issue cards.csv --job try-1

    The credentials are make-believe and open nothing but this sandbox.
    """
    with _key_file(state) as path:
        key = PrivateKey.from_file(path)
        settings = SandboxSettings(merchant_key=key.public_key().pem(), latency_ms=latency_ms)
        with Sandbox(settings, state=state) as served:
            run(_serve, served, port, path)


@contextmanager
def _key_file(state: Path | None) -> Generator[Path]:
    """The merchant's private key: beside the state and kept, or gone at the end."""
    if state is not None:
        path = state.with_name(state.name + ".key.pem")
        if not path.exists():
            _write_key(path)
        yield path.absolute()
        return
    with tempfile.TemporaryDirectory(prefix="fincard-sandbox-") as folder:
        path = Path(folder) / "card-key.pem"
        _write_key(path)
        yield path


def _write_key(path: Path) -> None:
    """Written beside and then moved, so that a key file is never half a key."""
    made = path.with_name(f"{path.name}.{os.getpid()}")
    with os.fdopen(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE), "w") as file:
        file.write(PrivateKey.generate().pem().reveal())
    made.replace(path)


async def _serve(served: Sandbox, port: int, key: Path) -> None:
    from fincard_async.sandbox.app import serve

    with interrupts() as received:
        try:
            async with serve(served, port=port) as base_url:
                click.echo("\n".join(_exports(served.settings, base_url, key)))
                click.echo(f"serving on {base_url}; Ctrl-C stops it", err=True)
                await anext(received)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            raise click.ClickException(
                f"port {port} of 127.0.0.1 is taken: choose another with --port (0: a free one)"
            ) from None
    click.echo("stopped", err=True)


def _exports(settings: SandboxSettings, base_url: str, key: Path) -> list[str]:
    values = {
        "BASE_URL": base_url,
        "TENANT_ID": settings.tenant_id,
        "ORGANIZATION_ID": settings.organization_id,
        "USER_ID": settings.user_id,
        "USERNAME": settings.username,
        "PASSWORD": settings.password,
        "CARD_KEY": str(key),
    }
    # What would win over these settings, and send credentials of another server here.
    others = ("PROFILE", "TOKEN", "EMAIL", "TENANT_KEY", "TENANT_SECRET", "CARD_KEY_PASSWORD")
    return [
        "unset " + " ".join(f"FINCARD_{name}" for name in others),
        *(f"export FINCARD_{name}={shlex.quote(value)}" for name, value in values.items()),
    ]
