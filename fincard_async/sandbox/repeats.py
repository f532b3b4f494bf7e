"""Mode ``replay``: what the first request with an order number was answered.

Other providers answer a repeated request so; this platform refuses it (contract 6).
"""

from __future__ import annotations

from typing import Final

import msgspec

from fincard_async._sansio.codec import encode
from fincard_async._sansio.model import Model
from fincard_async._sansio.secret import Secret

_ANY_PIN: Final = Secret("000000")


class FirstAnswers:
    """Answers by order number.

    Args:
        forget_after_ms: Milliseconds after which a number counts as new; None never.
    """

    def __init__(self, forget_after_ms: int | None) -> None:
        self._forget_after = forget_after_ms
        self._kept: dict[str, tuple[int, str, bytes, object]] = {}

    def find(self, operation_name: str, request: Model, now: int) -> object | None:
        """The first answer; None if the number is new, or belongs to another request."""
        kept = self._kept.get(_number_of(request))
        if kept is None:
            return None
        at, name, content, answer = kept
        if self._forget_after is not None and now - at >= self._forget_after:
            return None
        same = (name, content) == (operation_name, encode(without_pin(request)))
        return answer if same else None

    def keep(self, operation_name: str, request: Model, now: int, answer: object) -> None:
        """Remember the answer of a request that was carried out."""
        content = encode(without_pin(request))
        self._kept[_number_of(request)] = (now, operation_name, content, answer)


def _number_of(request: Model) -> str:
    return str(getattr(request, "merchant_order_no", ""))


def without_pin(request: Model) -> Model:
    """A PIN is not kept, not even in the log; no handler looks at it."""
    if hasattr(request, "pin"):
        return msgspec.structs.replace(request, pin=_ANY_PIN)
    return request
