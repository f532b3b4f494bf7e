"""Every test here runs once over each transport."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fincard_async._transports.choice import VARIABLE

from . import ways


@pytest.fixture(autouse=True, params=ways.WAYS)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Name of the transport; clients take it too."""
    chosen: str = request.param
    if chosen == "lean":
        pytest.importorskip("httptools")
        monkeypatch.delenv(VARIABLE, raising=False)
    else:
        monkeypatch.setenv(VARIABLE, "session")
    token = ways.current.set(chosen)
    yield chosen
    ways.current.reset(token)
