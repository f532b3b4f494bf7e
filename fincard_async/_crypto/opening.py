"""Open the sealed values of an answer.

Source: seed, "Card Sensitive Info" and "Card 3DS Transactions".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fincard_async._generated.models.cards import SensitiveCard
from fincard_async._generated.models.common import ThreeDsType
from fincard_async._generated.models.transactions import ThreeDsRecord
from fincard_async._sansio.secret import Sealed, Secret

from .keys import PrivateKey
from .sealing import Content, plain_url, unseal


@dataclass(frozen=True, slots=True, kw_only=True)
class CardSecrets:
    """The opened values of a card; a gift card has only ``activate_url``."""

    card_number: Secret | None
    cvv: Secret | None
    expire_date: Secret | None
    """``MM/YYYY``."""
    activate_url: Secret | None


_THREE_DS: Mapping[ThreeDsType, Content] = {
    ThreeDsType.OTP: "code",
    ThreeDsType.ACTIVATION_CODE: "code",
    ThreeDsType.AUTH_URL: "url",
}


def open_card(key: PrivateKey, card: SensitiveCard) -> CardSecrets:
    """Open every value that the server gave.

    Raises:
        UnsealError: A value does not open with this key.
    """

    def opened(sealed: Sealed | None, content: Content) -> Secret | None:
        return None if sealed is None else unseal(key, sealed, content)

    url = card.activate_url
    return CardSecrets(
        card_number=opened(card.card_number, "card_number"),
        cvv=opened(card.cvv, "cvv"),
        expire_date=opened(card.expire_date, "expire_date"),
        activate_url=None if url is None else plain_url(url) or unseal(key, url, "url"),
    )


def open_three_ds(key: PrivateKey, record: ThreeDsRecord) -> Secret:
    """Open the code or URL of a 3DS record.

    Raises:
        UnsealError: The value does not open with this key.
    """
    return unseal(key, record.values, _THREE_DS.get(record.type, "text"))
