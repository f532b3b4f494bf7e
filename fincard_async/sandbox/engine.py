"""The sandbox without its edges: state, handlers, time, and the log of what was accepted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec

from fincard_async._generated.handlers import Handlers as AnyHandlers
from fincard_async._generated.operations import OPERATION_NAMES, load
from fincard_async._sansio.model import Model
from fincard_async._sansio.operation import Operation
from fincard_async._sansio.secret import Secret

from .handlers import Handlers
from .progress import advance
from .refusal import Refusal
from .sealing import Sealer
from .settings import SandboxSettings
from .state import State
from .storage import EventLog, Origin

_ANY_PIN = Secret("000000")


class Route:
    """An endpoint: its operation, and the handler that answers it."""

    __slots__ = ("handler", "mutates", "operation")

    def __init__(self, operation: Operation[Model, object], handlers: AnyHandlers) -> None:
        resource, _, method = operation.name.partition(".")
        self.operation = operation
        self.handler: Callable[[Model], object] = getattr(getattr(handlers, resource), method)
        self.mutates = operation.mutates


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
        handlers: AnyHandlers = Handlers(self.state, Sealer(settings.merchant_key))
        operations = (load(name) for name in OPERATION_NAMES if not name.startswith("auth."))
        self.routes = {item.path: Route(item, handlers) for item in operations}
        self.offset = 0
        """Milliseconds by which the sandbox runs ahead of the clock."""
        self._replayed_time: int | None = None

    def tick(self) -> int:
        """Bring the state up to now, in epoch milliseconds; time never goes back."""
        replayed = self._replayed_time
        now = round(self._clock() * 1000) + self.offset if replayed is None else replayed
        advance(self.state, now)
        return self.state.now

    def carry_out(self, route: Route, request: Model) -> object:
        """Answer a checked request at ``state.now``; the log has it when this returns.

        Raises:
            Refusal: Nothing happened.
        """
        result = route.handler(request)
        if route.mutates and self._log is not None:
            body = _without_pin(request)
            self._log.append(at=self.state.now, call=route.operation.name, body=body)
        return result

    def note_control(self, name: str, arguments: object, at: int) -> None:
        """Log a control call that was carried out; ``at`` is when it began."""
        if self._log is not None and self._replayed_time is None:
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
            self._replayed_time = event.at
            try:
                if event.control is not None:
                    control(event.control, bytes(event.body))
                else:
                    route = by_name[event.call or ""]
                    self.tick()
                    route.handler(route.operation.input_decoder.decode(event.body))
            except (Refusal, KeyError, msgspec.MsgspecError):
                raise self._log.damage(number) from None
        self._replayed_time = None

    def close(self) -> None:
        """Let go of the log."""
        if self._log is not None:
            self._log.close()


def _origin(settings: SandboxSettings) -> Origin:
    return Origin(
        seed=settings.seed,
        funds=settings.funds,
        shared_funds=settings.shared_funds,
        latency_ms=settings.latency_ms,
    )


def _begun(settings: SandboxSettings, origin: Origin) -> SandboxSettings:
    return replace(
        settings,
        seed=origin.seed,
        funds=origin.funds,
        shared_funds=origin.shared_funds,
        latency_ms=origin.latency_ms,
    )


def _without_pin(request: Model) -> Model:
    """A PIN is not kept, not even in the log; no handler looks at it."""
    if hasattr(request, "pin"):
        return msgspec.structs.replace(request, pin=_ANY_PIN)
    return request
