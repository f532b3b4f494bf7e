"""Async SDK for the FinCard Virtual card-issuing API.

::

    async with FincardClient(base_url=..., auth=..., tenant_id=...) as client:
        card = await client.cards.open(card_type_id=111001, amount="50")

Layout, from the bottom up; a module may import only what stands before it:

    errors          every error, in one tree
    _sansio         rules about the vendor: no I/O, clock or randomness
    _generated      models, operations and stubs, compiled from the schema
    _runtime        the pipeline of a call, through ports
    _transports     aiohttp          _crypto   RSA
    client          FincardClient, where all of it meets          keys   keys and opened values
    webhooks                         signed events
    waiters, settle                  what became of an order
    bulk, sandbox, testing, cli      on top of it
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from ._runtime.credentials import BearerToken, PasswordLogin, SessionLogin
from ._sansio.options import NO_RETRY, CallOptions, Lane, Limits, RequestContext, RetryPolicy
from ._sansio.secret import Sealed, Secret
from ._version import __version__
from .client import FincardClient
from .errors import (
    ApiError,
    ConnectFailed,
    DuplicateOrder,
    FincardError,
    OutcomeUnknown,
    UsageError,
    ValidationError,
)

if TYPE_CHECKING:
    from ._crypto.keys import PrivateKey
    from ._sansio.paging import Export, Follow, Page, Paginator, Piece

_LATE = {
    "PrivateKey": "_crypto.keys",
    **dict.fromkeys(("Export", "Follow", "Page", "Paginator", "Piece"), "_sansio.paging"),
}
"""What is imported when it is asked for, and from where."""

__all__ = [
    "NO_RETRY",
    "ApiError",
    "BearerToken",
    "CallOptions",
    "ConnectFailed",
    "DuplicateOrder",
    "Export",
    "FincardClient",
    "FincardError",
    "Follow",
    "Lane",
    "Limits",
    "OutcomeUnknown",
    "Page",
    "Paginator",
    "PasswordLogin",
    "Piece",
    "PrivateKey",
    "RequestContext",
    "RetryPolicy",
    "Sealed",
    "Secret",
    "SessionLogin",
    "UsageError",
    "ValidationError",
    "__version__",
]


def __getattr__(name: str) -> object:
    if (module := _LATE.get(name)) is not None:
        return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
