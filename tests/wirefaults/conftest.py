"""The transports under test."""

from __future__ import annotations

import pytest

from .driver import TRANSPORTS, Connect


@pytest.fixture(params=list(TRANSPORTS))
def connect(request: pytest.FixtureRequest) -> Connect:
    """Each way over the wire."""
    name: str = request.param
    return TRANSPORTS[name]
