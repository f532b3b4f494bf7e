"""How a sandbox is set up: who may log in, how slow it is, what it offers and owns."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, Literal, TypeAlias

from fincard_async._generated.models.cards import CardType

from .catalog import CARD_TYPES

WALLET_ACCOUNT_ID: Final = 1988214703329058816
"""The merchant's own account, which pays for everything but purchases with shared cards."""
SHARED_ACCOUNT_ID: Final = 1988214703329058817
"""The account that shared cards (BUDGET_CARD) draw on."""
HOLDER_IDS: Final = tuple(range(124801, 124811))
"""Cardholders that exist from the start; ``Controls.add_holder`` adds more."""
DEFAULT_LATENCY_MS: Final = 20
Dedupe: TypeAlias = Literal["error", "replay", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxSettings:
    """Settings of a sandbox; every one has a default that works.

    Attributes:
        tenant_id: What ``X-Tenant-ID`` must say.
        organization_id: Organization in the path of the session login (contract 1.3, L2/L4).
        user_id: User in the path of the session login.
        username: User name of the session login.
        email: User name of the password login (contract 1.3, L1).
        password: Password of both logins. Never a real one: everything here is make-believe.
        merchant_key: Public RSA key for which card data are sealed, as PEM, DER or bare base64;
            None refuses whatever would have to be sealed.
        token_lifetime: Seconds for which a token is accepted.
        latency_ms: Milliseconds until an order is final: 0 answers with the final state at once,
            None never ends an order by itself.
        seed: Makes ids, card numbers and codes differ between sandboxes.
        funds: What the merchant's account holds at first, in US dollars.
        shared_funds: What the account of shared cards holds at first, in US dollars.
        holder_ids: Cardholders that exist from the start.
        card_types: What can be issued.
        money_as: How amounts are written: as JSON numbers or strings, both occur (contract 7.2).
        transfer_reply: What a transfer between accounts is answered: no more than ``true``, or an
            ``object``; sources disagree (contract 3.3).
        dedupe: What a repeated order number gets: ``error`` refuses it (contract 6), ``replay``
            gives the first answer again if the request is the same, ``none`` carries it out again.
        forget_after_ms: Milliseconds after which an order number counts as new; None never.
    """

    tenant_id: str = "sandbox"
    organization_id: str = "sandbox-organization"
    user_id: str = "sandbox-user"
    username: str = "sandbox"
    email: str = "sandbox@fincard.example"
    password: str = field(default="sandbox-password", repr=False)
    merchant_key: str | None = field(default=None, repr=False)
    token_lifetime: float = 3600.0
    latency_ms: int | None = DEFAULT_LATENCY_MS
    seed: int = 1
    funds: Decimal = Decimal(1_000_000)
    shared_funds: Decimal = Decimal(100_000)
    holder_ids: tuple[int, ...] = HOLDER_IDS
    card_types: tuple[CardType, ...] = CARD_TYPES
    money_as: Literal["number", "string"] = "number"
    transfer_reply: Literal["true", "object"] = "true"
    dedupe: Dedupe = "error"
    forget_after_ms: int | None = None
