"""``fincard sandbox``: the make-believe server, and the settings that point a client at it."""

from __future__ import annotations

import errno
import os
import shlex
import tempfile
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click

from fincard_async import PrivateKey
from fincard_async.sandbox import Sandbox, SandboxSettings, sending
from fincard_async.sandbox.webhooks import DEFAULT_SPEED

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
@click.option("--webhook-url", metavar="URL", help="Post a signed webhook for all that happens.")
@click.option(
    "--webhook-anywhere", is_flag=True, help="Let --webhook-url lead away from this machine."
)
@click.option(
    "--webhook-speed",
    type=click.FloatRange(min=1.0),
    default=DEFAULT_SPEED,
    show_default=True,
    help="How many times faster than on the platform a webhook comes again.",
)
def sandbox(
    port: int,
    state: Path | None,
    latency_ms: int | None,
    webhook_url: str | None,
    webhook_anywhere: bool,
    webhook_speed: float,
) -> None:
    """Serve the sandbox on this machine, until Ctrl-C.

    It prints the settings for another shell, on lines that a shell understands:

    \b
      fincard sandbox --port 8765 > sandbox.env &
      . ./sandbox.env
      fincard issue cards.csv --job try-1

    The credentials are make-believe and open nothing but this sandbox. With --webhook-url it also
    prints FINCARD_WEBHOOK_KEY, a file with the public key that verifies its webhooks.
    """
    if webhook_url is not None:
        from fincard_async.sandbox.posting import check_url

        check_url(webhook_url, anywhere=webhook_anywhere)
    with _key_file(state) as path:
        key = PrivateKey.from_file(path)
        settings = SandboxSettings(merchant_key=key.public_key().pem(), latency_ms=latency_ms)
        hooks = None if webhook_url is None else _hooks(webhook_url, webhook_anywhere, path)
        with Sandbox(settings, state=state) as served:
            run(_serve, served, port, path, hooks, webhook_speed)


@dataclass(frozen=True)
class _Hooks:
    """Where webhooks go, and who signs them."""

    url: str
    anywhere: bool
    key: PrivateKey
    public: Path


def _hooks(url: str, anywhere: bool, beside: Path) -> _Hooks:
    """The platform's key lies beside the merchant's, its public half where a client finds it."""
    path = beside.with_name(f"{beside.name}.platform.pem")
    if not path.exists():
        _write_key(path)
    key = PrivateKey.from_file(path)
    public = beside.with_name(f"{beside.name}.platform.pub.pem")
    public.write_text(key.public_key().pem())
    return _Hooks(url, anywhere, key, public)


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


@asynccontextmanager
async def _sending(served: Sandbox, hooks: _Hooks | None, speed: float) -> AsyncGenerator[None]:
    """Post webhooks while the block runs, if there is somebody to post them to."""
    if hooks is None:
        yield
        return
    from fincard_async.sandbox.posting import post_to

    async with (
        post_to(hooks.url, anywhere=hooks.anywhere) as deliver,
        sending(served.webhooks(hooks.key, deliver, speed=speed)),
    ):
        yield


async def _serve(served: Sandbox, port: int, key: Path, hooks: _Hooks | None, speed: float) -> None:
    from fincard_async.sandbox.app import serve

    public = None if hooks is None else hooks.public
    with interrupts() as received:
        try:
            async with serve(served, port=port) as base_url, _sending(served, hooks, speed):
                click.echo("\n".join(_exports(served.settings, base_url, key, public)))
                click.echo(f"serving on {base_url}; Ctrl-C stops it", err=True)
                await anext(received)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            raise click.ClickException(
                f"port {port} of 127.0.0.1 is taken: choose another with --port (0: a free one)"
            ) from None
    click.echo("stopped", err=True)


def _exports(settings: SandboxSettings, base_url: str, key: Path, public: Path | None) -> list[str]:
    values = {
        "BASE_URL": base_url,
        "TENANT_ID": settings.tenant_id,
        "ORGANIZATION_ID": settings.organization_id,
        "USER_ID": settings.user_id,
        "USERNAME": settings.username,
        "PASSWORD": settings.password,
        **({} if public is None else {"WEBHOOK_KEY": str(public)}),
        "CARD_KEY": str(key),
    }
    # What would win over these settings, and send credentials of another server here.
    others = ("PROFILE", "TOKEN", "EMAIL", "TENANT_KEY", "TENANT_SECRET", "CARD_KEY_PASSWORD")
    return [
        "unset " + " ".join(f"FINCARD_{name}" for name in others),
        *(f"export FINCARD_{name}={shlex.quote(value)}" for name, value in values.items()),
    ]
