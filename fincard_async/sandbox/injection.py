"""Where a fault meets a call: both edges ask here, and only show what they are told."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fincard_async._generated.operations import load
from fincard_async._sansio.messages import HttpRequest, HttpResponse

from .engine import Engine
from .fault_plans import FaultPlan, Injection
from .faults import Fault, fits
from .login import login_at
from .records import View
from .replies import NOTHING, Shown, show

if TYPE_CHECKING:
    from . import Sandbox


@dataclass(frozen=True, slots=True)
class Meeting:
    """A call and its fault."""

    fault: Fault
    operation: str
    nth: int


class Injector:
    """Carries out calls with the faults of a plan.

    Args:
        sandbox: Who carries them out.
        engine: The sandbox's own.
        plan: Which call gets which fault.
    """

    def __init__(self, sandbox: Sandbox, engine: Engine, plan: FaultPlan) -> None:
        self._sandbox = sandbox
        self._engine = engine
        self._plan = plan
        self._once: set[bytes] = set()

    def meet(self, path: str) -> Meeting | None:
        """The fault of the next call at a path, before its body is read; None leaves it alone."""
        route = self._engine.routes.get(path)
        name = login_at(path) if route is None else route.operation.name
        if name is None:
            return None
        plan = self._plan
        plan.met[name] += 1
        nth = plan.met[name]
        chosen = plan.choose(name, nth, load(name).mutates)
        if chosen is None or not fits(chosen, name):
            return None
        return Meeting(chosen, name, nth)

    def carry_out(self, meeting: Meeting, request: HttpRequest) -> Shown:
        """Do to the call what the fault says; the answer says what the client sees."""
        fault = meeting.fault
        if fault.once and not self._is_first(request):
            return Shown(self._sandbox.handle(request))
        real, happened = self._act(fault, request)
        shown = show(fault, real) if happened else None
        if shown is None:
            return Shown(real)
        self._plan.injected.append(Injection(meeting.operation, meeting.nth, fault.name))
        return shown

    def _act(self, fault: Fault, request: HttpRequest) -> tuple[HttpResponse, bool]:
        """The real answer, and whether the fault could do anything."""
        if fault.effect in {"never", "late"}:
            return NOTHING, True
        if fault.effect == "stuck":
            return self._stuck(request)
        if fault.effect == "view":
            return self._with_view(fault, request), True
        return self._sandbox.handle(request), True

    def _stuck(self, request: HttpRequest) -> tuple[HttpResponse, bool]:
        """An order that never ends by itself; the state file has it as such."""
        state, controls = self._engine.state, self._sandbox.controls
        before, orders = state.latency, len(state.operations.rows)
        controls.set_latency(None)
        response = self._sandbox.handle(request)
        controls.set_latency(before)
        return response, len(state.operations.rows) > orders

    def _with_view(self, fault: Fault, request: HttpRequest) -> HttpResponse:
        state = self._engine.state
        state.view = View(
            behind_ms=fault.behind_ms, newest=fault.newest, unfiltered=fault.unfiltered
        )
        try:
            return self._sandbox.handle(request)
        finally:
            state.view = None

    def _is_first(self, request: HttpRequest) -> bool:
        key = hashlib.blake2b(request.path.encode() + b"\n" + request.body).digest()
        known = key in self._once
        self._once.add(key)
        return not known
