"""The sandbox as a sender of webhooks: signed, at least once, on the platform's own schedule.

A delivery that is not acknowledged comes again after the pauses of the schema, which ``speed``
makes shorter. On demand (``Controls.disturb_webhooks``) deliveries come twice, in the wrong order,
with a bad signature, or not at all. Source: contract 4.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from typing import Any, Final, TypeAlias

import anyio

from fincard_async._crypto.keys import PrivateKey
from fincard_async._crypto.signing import sign_body
from fincard_async._generated.events import (
    ACK,
    CATEGORY_HEADER,
    REQUEST_ID_HEADER,
    RETRY_SECONDS,
    SIGNATURE_HEADERS,
)
from fincard_async._sansio.codec import decode_any
from fincard_async._sansio.messages import HttpResponse

from .engine import Engine

Deliver: TypeAlias = Callable[[Mapping[str, str], bytes], Awaitable[HttpResponse]]
"""Brings headers and body to the merchant, and its answer back."""

DEFAULT_SPEED: Final = 1_000.0
_ROUND: Final = 0.02
"""Seconds between looks for something new: the sandbox has no background task of its own."""
_ATTEMPT_SECONDS: Final = 10.0
_ACK: Final = decode_any(ACK.encode())


@dataclass(order=True, slots=True)
class _Delivery:
    due_at: int
    number: int
    headers: Mapping[str, str] = field(compare=False, repr=False)
    body: bytes = field(compare=False, repr=False)
    tries: int = field(compare=False, default=0)


@dataclass(slots=True)
class Tally:
    """What became of the deliveries so far."""

    sent: int = 0
    """Attempts."""
    acknowledged: int = 0
    refused: int = 0
    """Attempts that were not acknowledged."""
    given_up: int = 0
    """Events after the last attempt."""
    lost: int = 0
    """Events that were never sent, on demand."""


class Webhooks:
    """Sends what a sandbox announces from now on. Made by ``Sandbox.webhooks``.

    Args:
        engine: The sandbox.
        key: The platform's private key; merchants hold its public half.
        deliver: Brings a delivery to the merchant.
        speed: How many times faster than on the real platform the pauses pass.
        signature_header: Which of the two documented headers is used.
    """

    def __init__(
        self,
        engine: Engine,
        key: PrivateKey,
        deliver: Deliver,
        *,
        speed: float = DEFAULT_SPEED,
        signature_header: str = SIGNATURE_HEADERS[0],
    ) -> None:
        self._engine, self._key, self._deliver = engine, key, deliver
        self._speed, self._header = speed, signature_header
        self._heap: list[_Delivery] = []
        self._numbers = count(1)
        self.tally = Tally()
        engine.listen()

    async def deliver_due(self) -> int:
        """Make every attempt that is due now, one after the other; returns how many."""
        made, now = 0, self._engine.tick()
        for delivery in self._fresh(now):
            heappush(self._heap, delivery)
        while self._heap and self._heap[0].due_at <= now:
            await self._attempt(heappop(self._heap), now)
            made += 1
        return made

    async def run(self) -> None:
        """Deliver until cancelled."""
        while True:
            await self.deliver_due()
            await anyio.sleep(_ROUND)

    @property
    def waiting(self) -> int:
        """Deliveries that will be tried again."""
        return len(self._heap)

    def _fresh(self, now: int) -> list[_Delivery]:
        """New events as deliveries: some lost, some twice, in the order that was asked for."""
        asked = self._engine.state.disturbance
        made: list[_Delivery] = []
        for kind, body in self._engine.take_notices():
            if asked.take("lose"):
                self.tally.lost += 1
                continue
            headers = self._headers(kind.category, body)
            copies = 2 if asked.take("duplicate") else 1
            made += [_Delivery(now, 0, headers, body) for _ in range(copies)]
        if asked.reverse:
            made.reverse()
        for delivery in made:
            delivery.number = next(self._numbers)
        return made

    def _headers(self, category: str, body: bytes) -> dict[str, str]:
        return {
            "Content-Type": "application/json",
            CATEGORY_HEADER: category,
            REQUEST_ID_HEADER: f"sandbox-{next(self._numbers)}",
            self._header: sign_body(self._key, body),
        }

    async def _attempt(self, delivery: _Delivery, now: int) -> None:
        headers = dict(delivery.headers)
        if self._engine.state.disturbance.take("bad_signature"):
            headers[self._header] = _spoilt(headers[self._header])
        self.tally.sent += 1
        answer: HttpResponse | None = None
        with anyio.move_on_after(_ATTEMPT_SECONDS):
            answer = await self._deliver(headers, delivery.body)
        if answer is not None and _acknowledges(answer):
            self.tally.acknowledged += 1
            return
        self.tally.refused += 1
        if delivery.tries >= len(RETRY_SECONDS):
            self.tally.given_up += 1
            return
        pause = RETRY_SECONDS[delivery.tries] * 1000 / self._speed
        delivery.due_at, delivery.tries = now + max(1, round(pause)), delivery.tries + 1
        heappush(self._heap, delivery)


def _acknowledges(answer: HttpResponse) -> bool:
    """HTTP 200 and a body that says success and code 200, as the acknowledgement does."""
    if answer.status != 200:
        return False
    try:
        said: Any = decode_any(answer.body)
    except ValueError:
        return False
    wanted: Any = _ACK
    return isinstance(said, dict) and all(
        said.get(name) == wanted[name] for name in ("success", "code")
    )


def _spoilt(signature: str) -> str:
    """A signature of the same form with one bit wrong."""
    raw = bytearray(base64.b64decode(signature))
    raw[len(raw) // 2] ^= 1
    return base64.b64encode(bytes(raw)).decode("ascii")


@asynccontextmanager
async def sending(hooks: Webhooks) -> AsyncGenerator[Webhooks]:
    """Deliver in the background while the block runs."""
    async with anyio.create_task_group() as group:
        group.start_soon(hooks.run)
        try:
            yield hooks
        finally:
            group.cancel_scope.cancel()
