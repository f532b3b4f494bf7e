"""Spans and metrics of OpenTelemetry, by the extra ``otel``.

An ordinary observer: it sees names and numbers, and passes on a fixed list of them. Order numbers,
cards, headers and bodies are not on it (correctness 5, row 9).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fincard_async._version import __version__
from fincard_async.errors import MissingExtraError, OutcomeUnknown

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import Span, TracerProvider

    from fincard_async._runtime.hooks import CallEvent

_NAME = "fincard_async"


class OpenTelemetryObserver:
    """One span for each call, with an event for each attempt, and three instruments.

    A span is a child of the one that is current where the call is made. Its name is the
    operation's, such as ``cards.open``; a call that failed has the class of its error as
    ``error.type``. The instruments:

    - ``fincard.client.call.duration``, a histogram in seconds;
    - ``fincard.client.call.retries``, attempts after the first;
    - ``fincard.client.call.in_doubt``, mutations that ended as ``OutcomeUnknown``, before any
      look-up, which is a call and a span of its own.

    Args:
        tracer_provider: Where spans go; None for the global provider.
        meter_provider: Where measurements go; None for the global provider.

    Raises:
        MissingExtraError: ``opentelemetry-api`` is not installed.
    """

    def __init__(
        self,
        *,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
    ) -> None:
        try:
            from opentelemetry import metrics, trace
        except ImportError:
            raise MissingExtraError(
                'OpenTelemetryObserver needs opentelemetry-api: pip install "fincard-async[otel]"'
            ) from None
        meter = metrics.get_meter(_NAME, __version__, meter_provider)
        self._tracer = trace.get_tracer(_NAME, __version__, tracer_provider)
        self._client = trace.SpanKind.CLIENT
        self._failed = trace.Status(trace.StatusCode.ERROR)
        self._spans: dict[int, Span] = {}
        self._duration = meter.create_histogram(
            "fincard.client.call.duration", "s", "Time of a call with all its attempts"
        )
        self._retries = meter.create_counter(
            "fincard.client.call.retries", "{attempt}", "Attempts after the first"
        )
        self._in_doubt = meter.create_counter(
            "fincard.client.call.in_doubt", "{call}", "Mutations whose outcome is unknown"
        )

    def __call__(self, event: CallEvent, /) -> None:
        """Pass on one event."""
        if event.point == "prepared":
            self._spans[event.call] = self._tracer.start_span(
                event.operation,
                kind=self._client,
                attributes={"fincard.operation": event.operation},
            )
        elif event.point == "outcome":
            self._spans[event.call].add_event("attempt", _facts(event))
        elif event.point == "finished":
            self._finish(event, self._spans.pop(event.call))

    def _finish(self, event: CallEvent, span: Span) -> None:
        span.set_attributes(_facts(event))
        if event.error is not None:
            span.set_status(self._failed)
        span.end()
        labels = {"fincard.operation": event.operation}
        if event.attempt > 1:
            self._retries.add(event.attempt - 1, labels)
        if event.error == OutcomeUnknown.__name__:
            self._in_doubt.add(1, labels)
        if event.error is not None:
            labels = {**labels, "error.type": event.error}
        self._duration.record(event.elapsed, labels)


def _facts(event: CallEvent) -> dict[str, str | int | float]:
    """What may be told; every attribute of a span or of its events comes from here."""
    facts: dict[str, str | int | float] = {
        "fincard.attempt": event.attempt,
        "fincard.elapsed": event.elapsed,
    }
    if event.status is not None:
        facts["http.response.status_code"] = event.status
    if event.error is not None:
        facts["error.type"] = event.error
    return facts
