"""Fixtures of the sandbox tests."""

from __future__ import annotations

import pytest

from .kit import Api


@pytest.fixture
def api() -> Api:
    """A sandbox with the default settings and a caller that is logged in."""
    return Api()
