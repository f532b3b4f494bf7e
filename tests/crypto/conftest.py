"""Keys, made once: making one is slow."""

from __future__ import annotations

import pytest

from fincard_async._crypto.keys import PrivateKey, WeakKeyWarning

from .known import KEY


@pytest.fixture(scope="session")
def key() -> PrivateKey:
    """The merchant's key."""
    return PrivateKey.parse(KEY)


@pytest.fixture(scope="session")
def small_key() -> PrivateKey:
    """A key of the size that the API still issues."""
    with pytest.warns(WeakKeyWarning):
        return PrivateKey.generate(1024)


@pytest.fixture(scope="session")
def wrong_key() -> PrivateKey:
    """A key that nothing was sealed for."""
    return PrivateKey.generate()
