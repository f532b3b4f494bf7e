"""Observers that tell other systems of calls; each needs an extra of its own."""

from ._otel import OpenTelemetryObserver

__all__ = ["OpenTelemetryObserver"]
