"""Which operations can be done in bulk, as the schema tells.

Those that the server finds again by their order number, and whose request can be kept in a journal:
one that always holds a secret, such as a PIN, cannot.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final, Literal, TypeAlias

from fincard_async._generated.operations import OPERATION_NAMES, load
from fincard_async._sansio.operation import Operation, Rule
from fincard_async.errors import ValidationError

BulkKind: TypeAlias = Literal[
    "open", "deposit", "withdraw", "freeze", "unfreeze", "cancel", "update"
]
"""Name of a method of ``client.cards``."""
PERMANENT: Final = frozenset({"cancel"})
"""What nothing can undo: it is not done in bulk unless somebody confirms it."""
_RESOURCE: Final = "cards."

BulkOperationType: TypeAlias = Operation[Any, Any]


@cache
def kinds() -> tuple[str, ...]:
    """Every operation that can be done in bulk."""
    names = (name for name in OPERATION_NAMES if name.startswith(_RESOURCE))
    return tuple(name.removeprefix(_RESOURCE) for name in names if _fits(load(name)))


def _fits(operation: BulkOperationType) -> bool:
    settled = operation.order_number is not None and operation.settled_by is not None
    return settled and not any(rule.required for rule in secret_rules(operation))


@cache
def secret_rules(operation: BulkOperationType) -> tuple[Rule, ...]:
    """Fields of a request that no journal may hold."""
    return tuple(rule for rule in operation.rules if rule.kind == "secret")


def operation_of(kind: str) -> BulkOperationType:
    """The operation of that name.

    Raises:
        ValidationError: It cannot be done in bulk.
    """
    if kind not in kinds():
        raise ValidationError(f"{kind!r} cannot be done in bulk; one of {', '.join(kinds())} can")
    return load(_RESOURCE + kind)
