"""The sandbox without its edges: state, handlers, time, and the log of what was accepted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from heapq import heappop, heappush
from itertools import count
from pathlib import Path
from typing import Any

import msgspec

from fincard_async._generated.handlers import Handlers as AnyHandlers
from fincard_async._generated.operations import OPERATION_NAMES, load
from fincard_async._sansio.codec import encode
from fincard_async._sansio.model import Model
from fincard_async._sansio.operation import Operation
from fincard_async._sansio.webhook import EventKind

from .handlers import Handlers
from .progress import advance
from .records import Message
from .refusal import Refusal
from .render import message_record
from .repeats import FirstAnswers, without_pin
from .sealing import Sealer
from .settings import SandboxSettings
from .state import State
from .storage import EventLog, Origin


class Route:
    """An endpoint: its operation, and the handler that answers it."""

    __slots__ = ("handler", "mutates", "numbered", "operation")

    def __init__(self, operation: Operation[Model, object], handlers: AnyHandlers) -> None:
        resource, _, method = operation.name.partition(".")
        self.operation = operation
        self.handler: Callable[[Model], object] = getattr(getattr(handlers, resource), method)
        self.mutates = operation.mutates
        self.numbered = operation.order_number is not None


class Engine:
    """Carries out decoded requests.

    Args:
        settings: How it is set up.
        clock: Seconds since the epoch.
        path: Event log; None keeps nothing.
    """

    def __init__(
        self, settings: SandboxSettings, clock: Callable[[], float], path: Path | None
    ) -> None:
        self._clock = clock
        self._log = None if path is None else EventLog(path, _origin(settings))
        self.settings = settings if self._log is None else _begun(settings, self._log.origin)
        self.state = State(self.settings)
        self._sealer = Sealer(settings.merchant_key)
        handlers: AnyHandlers = Handlers(self.state, self._sealer)
        operations = (load(name) for name in OPERATION_NAMES if not name.startswith("auth."))
        self.routes = {item.path: Route(item, handlers) for item in operations}
        self.offset = 0
        """Milliseconds by which the sandbox runs ahead of the clock."""
        self._moment: int | None = None
        """The time of the call that is repeated or comes late; None: the clock's."""
        self._late: list[tuple[int, int, Callable[[], object]]] = []
        """Heap of late calls: when each comes, counter, the call."""
        self._late_calls = count()
        self._answers = (
            FirstAnswers(self.settings.forget_after_ms)
            if self.settings.dedupe == "replay"
            else None
        )

    def tick(self) -> int:
        """Bring the state up to now, in epoch milliseconds; time never goes back."""
        if self._late and self._moment is None:
            self.deliver_late()
        advance(self.state, self._now() if self._moment is None else self._moment)
        return self.state.now

    def _now(self) -> int:
        return round(self._clock() * 1000) + self.offset

    def postpone(self, call: Callable[[], object], milliseconds: int) -> None:
        """Make a call after so many milliseconds, at the latest before anybody looks."""
        heappush(self._late, (self._now() + milliseconds, next(self._late_calls), call))

    def deliver_late(self) -> int:
        """Make the postponed calls whose time has come, each at its time; returns how many."""
        made, now = 0, self._now()
        while self._late and self._late[0][0] <= now:
            self._moment, _, call = heappop(self._late)
            try:
                call()
            finally:
                self._moment = None
            made += 1
        return made

    def listen(self) -> None:
        """Note from now on what is to be told by webhook."""
        self.state.listening = True

    def take_notices(self) -> list[tuple[EventKind[Any], bytes]]:
        """What has happened since the last time, as the bodies of webhooks."""
        taken, self.state.notices = self.state.notices, []
        money_as = self.settings.money_as
        return [
            (notice.kind, encode(payload, money_as=money_as))
            for notice in taken
            if (payload := self._payload(notice.payload)) is not None
        ]

    def _payload(self, payload: Model | Message) -> Model | None:
        """A message is sealed; without the merchant's key it cannot be sent."""
        if not isinstance(payload, Message):
            return payload
        try:
            return message_record(payload, self._sealer.seal(payload.text))
        except Refusal:
            return None

    def carry_out(self, route: Route, request: Model) -> object:
        """Answer a checked request at ``state.now``; the log has it when this returns.

        Raises:
            Refusal: Nothing happened.
        """
        if self._answers is not None and route.numbered:
            first = self._answers.find(route.operation.name, request, self.state.now)
            if first is not None:
                return first
        result = self._handle(route, request)
        if route.mutates and self._log is not None:
            body = without_pin(request)
            self._log.append(at=self.state.now, call=route.operation.name, body=body)
        return result

    def _handle(self, route: Route, request: Model) -> object:
        result = route.handler(request)
        if self._answers is not None and route.numbered:
            self._answers.keep(route.operation.name, request, self.state.now, result)
        return result

    def note_control(self, name: str, arguments: object, at: int) -> None:
        """Log a control call that was carried out; ``at`` is when it began."""
        if self._log is not None and self._moment is None:
            self._log.append(at=at, control=name, body=arguments)

    def replay(self, control: Callable[[str, bytes], object]) -> None:
        """Repeat what the log holds.

        Args:
            control: Carries out a control call, given its name and JSON.

        Raises:
            ConfigError: The log does not fit these settings.
        """
        if self._log is None:
            return
        by_name = {route.operation.name: route for route in self.routes.values()}
        for number, event in self._log.events():
            self._moment = event.at
            try:
                if event.control is not None:
                    control(event.control, bytes(event.body))
                else:
                    route = by_name[event.call or ""]
                    self.tick()
                    self._handle(route, route.operation.input_decoder.decode(event.body))
            except (Refusal, KeyError, msgspec.MsgspecError):
                raise self._log.damage(number) from None
        self._moment = None

    def close(self) -> None:
        """Let go of the log; what is late does not come any more."""
        self._late.clear()
        if self._log is not None:
            self._log.close()


def _origin(settings: SandboxSettings) -> Origin:
    return Origin(
        seed=settings.seed,
        funds=settings.funds,
        shared_funds=settings.shared_funds,
        latency_ms=settings.latency_ms,
        dedupe=settings.dedupe,
        forget_after_ms=settings.forget_after_ms,
    )


def _begun(settings: SandboxSettings, origin: Origin) -> SandboxSettings:
    return replace(
        settings,
        seed=origin.seed,
        funds=origin.funds,
        shared_funds=origin.shared_funds,
        latency_ms=origin.latency_ms,
        dedupe=origin.dedupe,
        forget_after_ms=origin.forget_after_ms,
    )
