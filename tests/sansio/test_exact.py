"""Amounts are proven wherever they stand in a type."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from fincard_async._sansio.codec import make_decoder
from fincard_async._sansio.exact import shadow_of


class Inner(msgspec.Struct):
    """An amount further down."""

    fee: Decimal | None = None
    name: str = ""


class Outer(msgspec.Struct):
    """Amounts at every depth."""

    amount: Decimal
    inner: Inner | None = None
    rows: list[Inner] = []
    deep: list[list[Inner]] = []
    plain: list[Decimal] = []


DECODER = make_decoder(Outer)


@pytest.mark.parametrize("amount", ["1", "-1.50", "0.01", "123456789012345678.123456789012345678"])
@pytest.mark.parametrize("quote", ["", '"'])
def test_an_exact_amount_is_read_everywhere(amount: str, quote: str) -> None:
    """As a number and as text, with its digits as they stood."""
    one = f"{quote}{amount}{quote}"
    inner = f'{{"fee":{one}}}'
    text = f'{{"amount":{one},"inner":{inner},"rows":[{inner},{{}},{inner}],'
    text += f'"deep":[[{inner}]],"plain":[{one},{one}]}}'
    got = DECODER.decode(text.encode())
    fee = Inner(Decimal(amount))
    assert got == Outer(Decimal(amount), fee, [fee, Inner(), fee], [[fee]], [Decimal(amount)] * 2)
    assert str(got.amount) == amount


@pytest.mark.parametrize(
    "odd", ["1e5", '"1e5"', '"NaN"', '"1_0"', '" 1"', '".5"', '"5."', "1" * 19]
)
@pytest.mark.parametrize(
    ("place", "text"),
    [
        ("$.amount", '{"amount":%s}'),
        ("$.inner.fee", '{"amount":1,"inner":{"fee":%s}}'),
        ("$.rows[1].fee", '{"amount":1,"rows":[{"fee":1},{"fee":%s}]}'),
        ("$.deep[0][0].fee", '{"amount":1,"deep":[[{"fee":%s}]]}'),
        ("$.plain[1]", '{"amount":1,"plain":[1,%s]}'),
    ],
)
def test_an_odd_amount_is_refused_with_its_place(place: str, text: str, odd: str) -> None:
    """And never with its text."""
    with pytest.raises(msgspec.ValidationError) as caught:
        DECODER.decode((text % odd).encode())
    assert str(caught.value) == f"not an exact decimal amount - at `{place}`"


def test_an_amount_that_cannot_be_followed_is_no_type() -> None:
    """It is refused when the decoder is made, not overlooked when it decodes."""
    for kind in (dict[str, Decimal], Decimal | str, Inner | int, tuple[Decimal, ...]):
        with pytest.raises(TypeError, match="cannot be proven"):
            shadow_of(kind)
    assert shadow_of(dict[str, int]) is None
