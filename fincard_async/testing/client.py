"""A client and a sandbox in one process, with no socket between them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import lru_cache

from fincard_async._crypto.keys import PrivateKey
from fincard_async._runtime.credentials import Auth, SessionLogin
from fincard_async._runtime.hooks import Observer
from fincard_async._runtime.ports import Clock, Entropy, Transport
from fincard_async._sansio.options import Limits, RequestContext, RetryPolicy
from fincard_async._sansio.secret import Secret
from fincard_async.client import FincardClient
from fincard_async.sandbox import Sandbox, SandboxSettings, SandboxTransport

BASE_URL = "http://127.0.0.1"
"""Where an in-process sandbox pretends to be; nothing connects there."""


@lru_cache(maxsize=1)
def sandbox_key() -> PrivateKey:
    """The merchant's key of every sandbox in this process; made once, for that is slow."""
    return PrivateKey.generate()


def sandbox_login(settings: SandboxSettings) -> SessionLogin:
    """The login that a sandbox with these settings accepts."""
    return SessionLogin(
        organization_id=settings.organization_id,
        user_id=settings.user_id,
        username=settings.username,
        password=Secret(settings.password),
    )


@asynccontextmanager
async def sandbox_client(
    *,
    sandbox: Sandbox | None = None,
    auth: Auth | None = None,
    context: RequestContext | None = None,
    card_key: PrivateKey | None = None,
    retry: RetryPolicy | None = None,
    limits: Limits | None = None,
    timeout: float = 30.0,
    observers: Sequence[Observer] = (),
    money_as: str = "number",
    transport: Transport | None = None,
    clock: Clock | None = None,
    entropy: Entropy | None = None,
) -> AsyncGenerator[FincardClient]:
    """A client of an in-process sandbox, for tests and examples.

    Args:
        sandbox: The sandbox, to set it up or to reach its ``controls``; None makes one that is
            gone at the end and whose sealed values this client can open.
        transport: In place of the direct way to the sandbox, such as one that loses answers.
        auth, context, card_key, retry, limits, timeout, observers, money_as, clock, entropy: As for
            ``FincardClient``.
    """
    if sandbox is None:
        card_key = card_key or sandbox_key()
        settings = replace(SandboxSettings(), merchant_key=card_key.public_key().pem())
        sandbox = Sandbox(settings)
    client = FincardClient(
        base_url=BASE_URL,
        auth=auth or sandbox_login(sandbox.settings),
        tenant_id=sandbox.settings.tenant_id,
        context=context,
        card_key=card_key,
        retry=retry,
        limits=limits,
        timeout=timeout,
        observers=observers,
        money_as=money_as,
        transport=transport or SandboxTransport(sandbox),
        clock=clock,
        entropy=entropy,
    )
    async with client:
        yield client
