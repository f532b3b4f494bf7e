"""These tests hold on every event loop that anyio runs on."""

from __future__ import annotations

from typing import cast

import pytest


@pytest.fixture(scope="session", params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Run every test of this folder twice."""
    return cast(str, request.param)
