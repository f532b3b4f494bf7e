"""How orders and cards advance with time, as tables and pure functions.

An order is ``wait_process``, then ``processing``, then ``success`` or ``fail``; only its time of
acceptance and its latency decide, so there is no background task. Source: seed, "Card Info" (card
statuses) and "Card Operations"; contract 8.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from fincard_async._generated.models.common import (
    CardForm,
    CardStatus,
    OperationStatus,
    OperationType,
)

from .refusal import refuse, wrong_status

NEVER: Final = (1 << 63) - 1
"""A time, in epoch milliseconds, that does not come."""

ALLOWED: Final[Mapping[OperationType, frozenset[CardStatus]]] = {
    OperationType.DEPOSIT: frozenset({CardStatus.NORMAL}),
    OperationType.WITHDRAW: frozenset({CardStatus.NORMAL}),
    OperationType.FREEZE: frozenset({CardStatus.NORMAL}),
    OperationType.UNFREEZE: frozenset({CardStatus.FREEZE}),
    OperationType.CANCEL: frozenset(
        {CardStatus.NORMAL, CardStatus.FREEZE, CardStatus.UN_ACTIVATED}
    ),
    OperationType.CARD_UPDATE: frozenset({CardStatus.NORMAL, CardStatus.FREEZE}),
    OperationType.UPDATE_PIN: frozenset({CardStatus.NORMAL}),
    OperationType.CARD_ACTIVATED: frozenset({CardStatus.UN_ACTIVATED}),
}
"""In which states of the card each operation is accepted."""

MEANWHILE: Final[Mapping[OperationType, CardStatus]] = {
    OperationType.FREEZE: CardStatus.FREEZING,
    OperationType.UNFREEZE: CardStatus.UNFREEZING,
    OperationType.CANCEL: CardStatus.CANCELING,
}
"""State of the card while an operation is under way, where it has one of its own."""

AFTERWARDS: Final[Mapping[OperationType, CardStatus]] = {
    OperationType.FREEZE: CardStatus.FREEZE,
    OperationType.UNFREEZE: CardStatus.NORMAL,
    OperationType.CANCEL: CardStatus.CANCEL,
    OperationType.CARD_ACTIVATED: CardStatus.NORMAL,
}
"""State of the card after an operation succeeded, where it changes."""


def due(accepted_at: int, latency: int | None) -> int:
    """When an order becomes final, in epoch milliseconds; without a latency, never."""
    return NEVER if latency is None else accepted_at + latency


def phase(accepted_at: int, due_at: int, now: int) -> OperationStatus:
    """State of an order that is not final yet: it waits for the first half of its latency."""
    begins = accepted_at + (due_at - accepted_at) // 2
    return OperationStatus.WAIT_PROCESS if now < begins else OperationStatus.PROCESSING


def first_status(form: CardForm | None) -> CardStatus:
    """State of a card whose creation succeeded."""
    return CardStatus.UN_ACTIVATED if form is CardForm.PHYSICAL else CardStatus.NORMAL


def check_allowed(kind: OperationType, status: CardStatus, *, blocked: bool) -> None:
    """Refuse an operation that the card's state does not allow; a blocked card can be cancelled."""
    if blocked and kind is not OperationType.CANCEL:
        raise refuse("The card is blocked by the issuer")
    if status not in ALLOWED[kind]:
        raise wrong_status(status)
