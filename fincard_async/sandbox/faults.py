"""Faults by name: what happens to a call on the server, and what its client gets to see.

The two halves are independent, and that is the danger: a client that sees a broken connection does
not know whether its card was made. So a name says both, in the order in which they happen:

``X-before-commit``
    The call is never carried out, and the client sees X.
``commit-then-X``
    The call is carried out, and the client sees X. (A query changes nothing; its answer is lost.)
``X-then-commit``
    The client sees X, and ``late_ms`` later the call is carried out after all.

Both edges show the same, with one exception: a request that has come over HTTP cannot be refused a
connection any more, so there ``connect-refused`` is a reset.

``FAULTS`` is the whole table; ``fault("commit-then-slow", lasts=3.0)`` is one with other numbers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Final, Literal

from fincard_async._generated.operations import OPERATION_NAMES, load
from fincard_async.errors import ConfigError

Effect = Literal["never", "done", "late", "stuck", "view"]
"""What happens to the call: nothing; as always; as always but late; it is accepted and never ends;
a query looks at less, or at more, than it should."""

Scope = Literal["all", "api", "orders", "queries"]
"""Which calls can have it: every one; all but logins; those with an order number; paged queries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault. The numbers may be changed; the rest belongs to the name.

    Attributes:
        name: Its key in ``FAULTS``.
        effect: What happens to the call.
        reply: What the client sees, a key of ``replies.REPLIES``.
        scope: Which calls can have it.
        field: Name on the wire of the field that it touches; only answers with it can have it.
        once: At most once for the same request, so that a second attempt is answered.
        late_ms: Milliseconds from the moment the client was told, or dropped, to the late commit.
        lasts: Seconds until a slow reply is complete.
        retry_after: ``Retry-After`` of a 429, verbatim; None sends none.
        location: ``Location`` of a redirect.
        behind_ms: Age of what a query shows, in milliseconds.
        newest: How many of the newest rows a query does not show.
        unfiltered: True for a query that ignores its filters.
    """

    name: str
    effect: Effect
    reply: str
    scope: Scope = "all"
    field: str | None = None
    once: bool = False
    late_ms: int = 1_000
    lasts: float = 0.0
    retry_after: str | None = None
    location: str = "http://127.0.0.1:9/"
    behind_ms: int = 0
    newest: int = 0
    unfiltered: bool = False


LASTS: Final = 120.0
"""Seconds of a slow reply unless told otherwise: longer than a client should wait."""

_STAND_INS: Final[Mapping[str, Mapping[str, Any]]] = {
    "drop": {},
    "reset": {},
    "half-status-line": {},
    "garbage": {},
    "hang": {"lasts": math.inf},
    "403": {"scope": "api"},
    "404": {},
    "408": {},
    "409": {"scope": "orders"},
    "429": {"retry_after": "1"},
    "429-without-hint": {},
    **{f"{status}": {} for status in (500, 502, 503, 504)},
    **{f"{status}-envelope": {} for status in (500, 502, 503, 504)},
    "html-200": {},
    "empty-200": {},
    "204": {},
    "302": {},
    "307": {},
    "nesting-bomb": {},
    "system-error": {"scope": "api"},
    "duplicate": {"scope": "orders"},
}
"""Replies that need no real one, so that they go with every effect."""

_SPOILED: Final[Mapping[str, Mapping[str, Any]]] = {
    "truncated": {},
    "truncated-chunks": {},
    "cut-unnoticed": {},
    "short-length": {},
    "gzip": {},
    "slow": {"lasts": LASTS},
    "dribble": {"lasts": LASTS},
    "oversized": {},
    "huge-number": {},
    "wrong-order-no": {"field": "merchantOrderNo"},
    "wrong-card-no": {"field": "cardNo"},
    "unknown-status": {"field": "status"},
    "missing-order-no": {"field": "merchantOrderNo"},
    "missing-card-no": {"field": "cardNo"},
    "missing-status": {"field": "status"},
}
"""The real reply, damaged: the call was carried out."""

_QUERIES: Final[Mapping[str, Mapping[str, Any]]] = {
    "stale-query": {"behind_ms": 5_000},
    "query-without-newest": {"newest": 1},
    "query-ignores-filter": {"unfiltered": True},
}


def _rows() -> Iterator[Fault]:
    yield Fault(name="connect-refused", effect="never", reply="refused")
    yield Fault(name="drop-before-reading", effect="never", reply="unread")
    yield Fault(name="401-once", effect="never", reply="401", scope="api", once=True)
    for reply, rest in _STAND_INS.items():
        yield Fault(name=f"{reply}-before-commit", effect="never", reply=reply, **rest)
        yield Fault(name=f"commit-then-{reply}", effect="done", reply=reply, **rest)
        yield Fault(name=f"{reply}-then-commit", effect="late", reply=reply, **rest)
    for reply, rest in _SPOILED.items():
        yield Fault(name=f"commit-then-{reply}", effect="done", reply=reply, **rest)
    yield Fault(name="stuck-in-processing", effect="stuck", reply="real", scope="orders")
    for name, rest in _QUERIES.items():
        yield Fault(name=name, effect="view", reply="real", scope="queries", **rest)


FAULTS: Final[Mapping[str, Fault]] = {row.name: row for row in _rows()}
"""Every fault by its name."""


def fault(name: str, **changes: Any) -> Fault:
    """A fault of the table, with other numbers where given.

    Raises:
        ConfigError: There is no such fault.
    """
    if name not in FAULTS:
        raise ConfigError(f"there is no fault {name!r}")
    return replace(FAULTS[name], **changes)


def fits(fault: Fault, operation_name: str) -> bool:
    """True if a call of this operation can have this fault."""
    return _fits(fault.scope, fault.field, operation_name)


@cache
def _fits(scope: Scope, field: str | None, operation_name: str) -> bool:
    if operation_name not in OPERATION_NAMES:
        return False
    operation = load(operation_name)
    in_scope = {
        "all": True,
        "api": not operation_name.startswith("auth."),
        "orders": operation.order_number is not None,
        "queries": operation.shape == "page",
    }
    return in_scope[scope] and (field is None or field in operation.output.__struct_encode_fields__)
