"""How rows are told apart."""

from __future__ import annotations

import pytest

from fincard_async._sansio.paging import natural_key

from .samples import Answer


@pytest.mark.parametrize(
    "names, key",
    [
        (("card_no",), ("C1",)),
        (("card_no", "merchant_order_no"), ("C1", None)),
        (("merchant_order_no", "card_no"), (None, "C1")),
        (("merchant_order_no",), None),
        (("merchant_order_no", "time"), None),
        ((), None),
    ],
)
def test_the_key_of_a_row(names: tuple[str, ...], key: tuple[object, ...] | None) -> None:
    """A row without any part of its key has none, so it is never taken for a repeat."""
    assert natural_key(Answer(card_no="C1"), names) == key
