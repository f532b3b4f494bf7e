"""Observers of calls: what they are told, and how one is written.

An observer is any callable that takes a ``CallEvent``. It is called synchronously, inside the call,
at four points: ``prepared``, ``attempt``, ``outcome``, ``finished``.
"""

from ._runtime.hooks import CallEvent, Observer

__all__ = ["CallEvent", "Observer"]
