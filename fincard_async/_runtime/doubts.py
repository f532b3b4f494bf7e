"""Which mutations may have been carried out although nobody knows how they ended.

A cancelled task loses its local variables, and with them a minted order number. The number stays
here, so that the caller can settle it; ``CancelledError`` itself passes unchanged.

While a number is here, no other request may be sent under it: the server would take one of the two
for the other. Of a request only a digest is kept, under a key that never leaves this object, so
that nobody finds a PIN by trying all of them. Source: correctness 2.3, "same key, different body".
"""

from __future__ import annotations

import os
from hashlib import blake2b
from hmac import compare_digest
from typing import Final

import msgspec

from fincard_async._sansio.requests import Prepared
from fincard_async.errors import IdempotencyConflict

MOST: Final = 10_000
"""Entries kept; the oldest goes first. Who keeps more open than this wants a journal."""
_DIGEST_BYTES: Final = 16


class InDoubt(msgspec.Struct, frozen=True):
    """A mutation that was handed to the transport and did not end in a known way."""

    order_no: str
    operation: str
    """Such as ``cards.open``."""


class Doubts:
    """The mutations of one client that are in flight, were cancelled, or ended unknown."""

    def __init__(self) -> None:
        self._open: dict[str, tuple[InDoubt, bytes]] = {}
        self._key = os.urandom(_DIGEST_BYTES)

    def check(self, call: Prepared) -> bool:
        """True if the call's number is in doubt.

        Raises:
            IdempotencyConflict: It is, and it was for other bytes or another operation.
        """
        if call.order_no not in self._open:
            return False
        doubt, digest = self._open[call.order_no]
        if not compare_digest(digest, self._digest(call)):
            raise IdempotencyConflict(
                f"the order number is in doubt, and belongs to another {doubt.operation}",
                operation=call.operation.name,
                order_no=call.order_no,
            )
        return True

    def add(self, call: Prepared) -> None:
        """About to be sent.

        Raises:
            IdempotencyConflict: Another call took the number in the meantime; do not send.
        """
        if call.order_no is None or self.check(call):
            return
        if len(self._open) >= MOST:
            del self._open[next(iter(self._open))]
        self._open[call.order_no] = InDoubt(call.order_no, call.operation.name), self._digest(call)

    def clear(self, order_no: str | None) -> None:
        """Ended in a known way."""
        if order_no is not None:
            self._open.pop(order_no, None)

    def all(self) -> tuple[InDoubt, ...]:
        """The oldest first."""
        return tuple(doubt for doubt, _ in self._open.values())

    def _digest(self, call: Prepared) -> bytes:
        digest = blake2b(call.path.encode(), digest_size=_DIGEST_BYTES, key=self._key)
        digest.update(b"\0")
        digest.update(call.body)
        return digest.digest()
