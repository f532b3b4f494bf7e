"""Calls as spans and measurements of OpenTelemetry."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import anyio
import pytest

from fincard_async import FincardClient
from fincard_async._sansio.messages import HttpRequest, HttpResponse
from fincard_async.errors import FincardError
from fincard_async.instrumentation import OpenTelemetryObserver
from fincard_async.testing import reply
from tests.leaks.sinks import CANARIES, hits
from tests.leaks.test_calls import ALL, CALLS, LOGIN, STAGES, TOKEN, Wire, shown_by
from tests.runtime.rig import BEARER, LOST, Server, client_of
from tests.thinning import thin

pytest.importorskip("opentelemetry.sdk")

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import (
    InMemorySpanExporter,
)
from opentelemetry.trace import StatusCode

pytestmark = pytest.mark.anyio
ALLOWED = {
    "fincard.operation",
    "fincard.attempt",
    "fincard.elapsed",
    "http.response.status_code",
    "error.type",
}


class Telemetry:
    """An observer, and what came out of it."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self._reader = InMemoryMetricReader()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.observer = OpenTelemetryObserver(
            tracer_provider=self.tracers, meter_provider=MeterProvider([self._reader])
        )

    def client(self, server: Server, **settings: Any) -> FincardClient:
        """A client that is observed."""
        return client_of(server, auth=BEARER, observers=[self.observer], **settings)

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        """Spans that have ended."""
        return self._exporter.get_finished_spans()

    @property
    def measured(self) -> dict[str, list[tuple[Mapping[str, Any], float]]]:
        """Instrument -> its points, as labels with a count or sum."""
        data = self._reader.get_metrics_data()
        found: dict[str, list[tuple[Mapping[str, Any], float]]] = {}
        for resource in [] if data is None else data.resource_metrics:
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    found[metric.name] = [
                        (dict(p.attributes or {}), getattr(p, "value", getattr(p, "count", 0)))
                        for p in metric.data.data_points
                    ]
        return found


async def test_a_call_is_a_span() -> None:
    """Named after its operation, with an event for its attempt, below the current span."""
    told = Telemetry()
    client = told.client(Server(call=lambda header: reply([])))
    with told.tracers.get_tracer("user").start_as_current_span("work") as work:
        await client.cards.list_types()
    span, _ = told.spans
    assert span.name == "cards.list_types"
    assert span.parent is not None
    assert span.parent.span_id == work.get_span_context().span_id
    assert [event.name for event in span.events] == ["attempt"]
    assert span.status.status_code is StatusCode.UNSET
    assert told.measured == {
        "fincard.client.call.duration": [({"fincard.operation": "cards.list_types"}, 1)]
    }


async def test_a_failed_call_tells_its_error_and_its_attempts() -> None:
    """By class name; retries and what is in doubt are counted."""
    told = Telemetry()
    client = told.client(Server(call=lambda header: LOST))
    with pytest.raises(FincardError):
        await client.cards.freeze("C1")
    first = next(span for span in told.spans if span.name == "cards.freeze")
    assert first.attributes is not None
    assert first.attributes["error.type"] == "OutcomeUnknown"
    assert first.attributes["fincard.attempt"] == 3
    assert first.status.status_code is StatusCode.ERROR
    assert [(event.attributes or {})["error.type"] for event in first.events] == [
        "ConnectionLost"
    ] * 3
    operation = {"fincard.operation": "cards.freeze"}
    assert (operation, 2) in told.measured["fincard.client.call.retries"]
    assert told.measured["fincard.client.call.in_doubt"] == [(operation, 1)]
    assert ({**operation, "error.type": "OutcomeUnknown"}, 1) in told.measured[
        "fincard.client.call.duration"
    ]


async def test_a_cancelled_call_ends_its_span() -> None:
    """Nothing stays open, and the span says that it was cut off."""

    class Hangs:
        async def send(self, request: HttpRequest, timeout: float) -> HttpResponse:
            await anyio.sleep_forever()
            raise AssertionError

        async def aclose(self) -> None: ...

    told = Telemetry()
    client = told.client(Server(), transport=Hangs())
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as group:
            group.start_soon(client.cards.list_types)
            await anyio.wait_all_tasks_blocked()
            scope.cancel()
    (span,) = told.spans
    assert span.attributes is not None
    assert span.attributes["error.type"] == "CancelledError"


async def test_calls_side_by_side_do_not_mix() -> None:
    """Each span has the events of its own call, whatever the order in which they come."""

    class Crossed:
        """The later a call comes, the earlier it is answered; every third one is refused."""

        def __init__(self) -> None:
            self.turns: list[anyio.Event] = []

        async def send(self, request: HttpRequest, timeout: float) -> HttpResponse:
            number, mine = len(self.turns), anyio.Event()
            self.turns.append(mine)
            await mine.wait()
            return reply([]) if number % 3 else reply(status=404, code=404)

        async def aclose(self) -> None: ...

    told, wire = Telemetry(), Crossed()
    client = told.client(Server(), transport=wire)

    async def call() -> None:
        try:
            await client.cards.list_types()
        except FincardError:
            return

    async with anyio.create_task_group() as group:
        for _ in range(30):
            group.start_soon(call)
        await anyio.wait_all_tasks_blocked()
        for turn in reversed(wire.turns):
            turn.set()
            await anyio.wait_all_tasks_blocked()
    assert len(told.spans) == 30
    for place, span in enumerate(told.spans):
        (event,) = span.events
        failed = (29 - place) % 3 == 0
        assert span.attributes is not None
        assert event.attributes is not None
        assert ("error.type" in span.attributes) is failed
        assert ("error.type" in event.attributes) is failed
    assert len({span.get_span_context().span_id for span in told.spans}) == 30  # type: ignore[union-attr]  # an ended span has one


@pytest.mark.parametrize("name", thin(CALLS, 4))
async def test_no_attribute_shows_a_secret(name: str) -> None:
    """Whatever the answer, only attributes of the list are told, and none holds a canary."""
    told = Telemetry()
    for stage in STAGES.values():
        client = client_of(
            None, transport=Wire(*stage), auth=LOGIN, observers=[told.observer], timeout=5.0
        )
        await shown_by(CALLS[name](client))
    assert len(told.spans) > len(STAGES)
    for span in told.spans:
        assert set(span.attributes or {}) <= ALLOWED
        for event in span.events:
            assert set(event.attributes or {}) <= ALLOWED
    assert hits("".join(span.to_json() for span in told.spans) + repr(told.measured)) == []
    assert hits(ALL + TOKEN) == list(CANARIES)


def test_without_the_extra_the_error_names_it() -> None:
    """The module is there without OpenTelemetry; only an observer cannot be made."""
    code = (
        "import sys; sys.modules['opentelemetry'] = None\n"
        "from fincard_async.instrumentation import OpenTelemetryObserver\n"
        "from fincard_async.errors import MissingExtraError\n"
        "try: OpenTelemetryObserver()\n"
        "except MissingExtraError as error: print(error)\n"
    )
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert "fincard-async[otel]" in run.stdout
