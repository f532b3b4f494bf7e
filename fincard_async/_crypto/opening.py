"""Open the sealed values of an answer or an event, with whichever of several keys fits.

Source: seed, "Card Sensitive Info" and "Card 3DS Transactions".
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Final, Self, TypeAlias, cast

import anyio.to_thread

from fincard_async._generated.models.cards import SensitiveCard
from fincard_async._generated.models.common import ThreeDsType
from fincard_async._generated.models.transactions import ThreeDsRecord
from fincard_async._sansio.secret import Opened, Pan, Sealed
from fincard_async.errors import UnsealError

from .keys import PrivateKey
from .remote import RemoteKey
from .sealing import NOT_THIS_KEY, Content, count_blocks, opened, plain_url, unseal

CardKey: TypeAlias = PrivateKey | RemoteKey
Wanted: TypeAlias = tuple[Sealed, Content]

INLINE_BLOCKS: Final = 2
"""More blocks than this are opened in a worker thread: each takes about 0.8 ms with 2048 bits."""

_log = logging.getLogger("fincard_async")


@dataclass(frozen=True, slots=True, kw_only=True)
class CardSecrets:
    """The opened values of a card; a gift card has only ``activate_url``.

    ``with await client.unseal(card) as secrets:`` overwrites them at the end, as well as Python
    allows: copies that ``reveal()`` made are out of reach.
    """

    card_number: Pan | None
    cvv: Opened | None
    expire_date: Opened | None
    """``MM/YYYY``."""
    activate_url: Opened | None

    def wipe(self) -> None:
        """Overwrite every value; best effort."""
        for field in fields(self):
            value: Opened | None = getattr(self, field.name)
            if value is not None:
                value.wipe()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.wipe()


_PRINTED: Final[tuple[Content, ...]] = ("card_number", "cvv", "expire_date")
_THREE_DS: Mapping[ThreeDsType, Content] = {
    ThreeDsType.OTP: "code",
    ThreeDsType.ACTIVATION_CODE: "code",
    ThreeDsType.AUTH_URL: "url",
}


async def open_card(keys: Sequence[CardKey], card: SensitiveCard) -> CardSecrets:
    """Open every value that the server gave, all with the same key.

    Raises:
        UnsealError: A value does not open with any of these keys.
    """
    wanted: dict[str, Wanted] = {}
    for content in _PRINTED:
        if (sealed := getattr(card, content)) is not None:
            wanted[content] = (sealed, content)
    url = None if card.activate_url is None else plain_url(card.activate_url)
    if card.activate_url is not None and url is None:
        wanted["activate_url"] = (card.activate_url, "url")
    found: dict[str, Opened] = dict(
        zip(wanted, await open_all(keys, list(wanted.values())), strict=True)
    )
    return CardSecrets(
        card_number=cast("Pan | None", found.get("card_number")),
        cvv=found.get("cvv"),
        expire_date=found.get("expire_date"),
        activate_url=found.get("activate_url", url),
    )


async def open_three_ds(keys: Sequence[CardKey], records: Sequence[ThreeDsRecord]) -> list[Opened]:
    """Open the code or URL of each 3DS record; a rotation may lie between two of them.

    Raises:
        UnsealError: A value does not open with any of these keys.
    """
    wanted: list[Wanted] = [
        (record.values, _THREE_DS.get(record.type, "text")) for record in records
    ]
    if len(wanted) == 1 or len(keys) == 1:
        return await open_all(keys, wanted)
    return [value for each in wanted for value in await open_all(keys, [each])]


async def open_all(keys: Sequence[CardKey], wanted: Sequence[Wanted]) -> list[Opened]:
    """Open some values with the first key that opens all of them.

    Raises:
        UnsealError: None does; one message for every cause.
    """
    failed: str | None = None
    for key in keys:
        found: list[Opened] | None = None
        try:
            found = await _open_with(key, wanted)
        except UnsealError:
            pass
        except Exception as error:  # noqa: BLE001 - of a key service: it may hold anything
            failed = type(error).__name__
            _log.warning("the key service failed with %s", failed)
        # Raised outside of ``except``, so that nothing of what was opened comes along.
        if found is not None:
            return found
    raise UnsealError(NOT_THIS_KEY if failed is None else f"the key service failed: {failed}")


async def _open_with(key: CardKey, wanted: Sequence[Wanted]) -> list[Opened]:
    if isinstance(key, RemoteKey):
        return [_checked(await key.plain(sealed), content) for sealed, content in wanted]
    if count_blocks(key.block_bytes, (sealed for sealed, _ in wanted)) > INLINE_BLOCKS:
        return await anyio.to_thread.run_sync(_open_here, key, wanted)
    return _open_here(key, wanted)


def _open_here(key: PrivateKey, wanted: Sequence[Wanted]) -> list[Opened]:
    return [unseal(key, sealed, content) for sealed, content in wanted]


def _checked(plain: bytes | None, content: Content) -> Opened:
    found = opened(plain, content)
    if found is None:
        raise UnsealError(NOT_THIS_KEY)
    return found
