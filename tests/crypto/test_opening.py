"""Opening whole answers."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fincard_async._crypto.keys import PrivateKey
from fincard_async._crypto.opening import open_card, open_three_ds
from fincard_async._crypto.sealing import seal
from fincard_async._generated.models.cards import SensitiveCard
from fincard_async._generated.models.common import ThreeDsType
from fincard_async._generated.models.transactions import ThreeDsRecord
from fincard_async._sansio.codec import encode, make_decoder
from fincard_async.errors import UnsealError

pytestmark = pytest.mark.anyio

URL = "https://gift.example/activate?c=1"
Seal = Callable[[str], str]


@pytest.fixture
def sealed(key: PrivateKey) -> Seal:
    """Seal a text the way the server does."""
    public = key.public_key()
    return lambda text: seal(public, text)


def _card(**fields: str) -> SensitiveCard:
    card = make_decoder(SensitiveCard).decode(encode(fields))
    assert isinstance(card, SensitiveCard)
    return card


async def test_a_card_is_opened(key: PrivateKey, sealed: Seal) -> None:
    """Number, security code and expiry come out, and do not print."""
    opened = await open_card(
        [key],
        _card(
            cardNumber=sealed("4242424242424242"), cvv=sealed("123"), expireDate=sealed("01/2029")
        ),
    )
    assert opened.card_number is not None
    assert opened.cvv is not None
    assert opened.expire_date is not None
    assert opened.card_number.reveal() == "4242424242424242"
    assert opened.cvv.reveal() == "123"
    assert opened.expire_date.reveal() == "01/2029"
    assert opened.activate_url is None
    assert "4242" not in repr(opened)


@pytest.mark.parametrize("plain", [True, False], ids=["plain", "sealed"])
async def test_a_gift_card_gives_only_its_url(plain: bool, key: PrivateKey, sealed: Seal) -> None:
    """The URL may be plain or sealed; there is nothing else."""
    opened = await open_card([key], _card(activateUrl=URL if plain else sealed(URL)))
    assert opened.activate_url is not None
    assert opened.activate_url.reveal() == URL
    assert (opened.card_number, opened.cvv, opened.expire_date) == (None, None, None)


@pytest.mark.parametrize("name", ["cardNumber", "cvv", "expireDate", "activateUrl"])
@pytest.mark.parametrize("text", ["nothing like it", "x"])
async def test_a_card_with_one_bad_value_is_not_opened(
    name: str, text: str, key: PrivateKey, sealed: Seal
) -> None:
    """Half a card is worse than an error."""
    good = {
        "cardNumber": sealed("4242424242424242"),
        "cvv": sealed("123"),
        "expireDate": sealed("01/2029"),
    }
    with pytest.raises(UnsealError):
        await open_card([key], _card(**{**good, name: sealed(text)}))


async def test_a_card_does_not_open_with_another_key(wrong_key: PrivateKey, sealed: Seal) -> None:
    """Neither the number nor the code is taken from junk."""
    with pytest.raises(UnsealError):
        await open_card([wrong_key], _card(cardNumber=sealed("4242424242424242")))


@pytest.mark.parametrize(
    "kind, text, opens",
    [
        (ThreeDsType.OTP, "123456", True),
        (ThreeDsType.OTP, "https://a.b/c", False),
        (ThreeDsType.ACTIVATION_CODE, "12345678", True),
        (ThreeDsType.ACTIVATION_CODE, "1", False),
        (ThreeDsType.AUTH_URL, "https://a.b/c", True),
        (ThreeDsType.AUTH_URL, "123456", False),
        (ThreeDsType("something_new"), "any text at all", True),
        (ThreeDsType("something_new"), "\u00e9", False),
    ],
)
async def test_a_3ds_value_has_the_shape_of_its_type(
    kind: ThreeDsType, text: str, opens: bool, key: PrivateKey, sealed: Seal
) -> None:
    """A code where a URL should be is refused; of an unknown type only text is asked."""
    record = _record(type=kind, values=sealed(text))
    if opens:
        (opened,) = await open_three_ds([key], [record])
        assert opened.reveal() == text
    else:
        with pytest.raises(UnsealError):
            await open_three_ds([key], [record])


def _record(**fields: str) -> ThreeDsRecord:
    record = make_decoder(ThreeDsRecord).decode(encode({"cardNo": "C1", **fields}))
    assert isinstance(record, ThreeDsRecord)
    return record
