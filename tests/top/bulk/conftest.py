"""Fixtures of the tests of bulk jobs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from .kit import World, world_in


@pytest.fixture
async def world(tmp_path: Path, anyio_backend: str) -> AsyncIterator[World]:
    """A sandbox that answers with the final state at once, and a job that nobody has begun."""
    async with world_in(tmp_path) as world:
        yield world
