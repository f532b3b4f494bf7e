"""Several keys, keys in a key service, other paddings, and values that are overwritten."""

from __future__ import annotations

import threading
from functools import partial

import pytest

from fincard_async import BearerToken, FincardClient, Sealed, Secret
from fincard_async._crypto.keys import Padding, PrivateKey
from fincard_async._crypto.opening import INLINE_BLOCKS, CardKey, open_card, open_three_ds
from fincard_async._crypto.remote import Decrypt
from fincard_async._crypto.sealing import seal, unseal
from fincard_async._generated.events import THREE_DS, ThreeDsEvent
from fincard_async._generated.models.cards import SensitiveCard
from fincard_async._generated.models.common import ThreeDsType
from fincard_async._generated.models.transactions import ThreeDsRecord
from fincard_async.errors import ConfigError, UnsealError, UsageError
from fincard_async.keys import Opened, Pan, RemoteKey
from fincard_async.testing import sandbox_client

pytestmark = pytest.mark.anyio

NUMBER = "4242424242424242"


def _card(key: PrivateKey) -> SensitiveCard:
    def sealed(text: str) -> Sealed:
        return Sealed(seal(key.public_key(), text))

    return SensitiveCard(
        card_number=sealed(NUMBER), cvv=sealed("123"), expire_date=sealed("01/2029")
    )


def _code(key: PrivateKey, text: str) -> ThreeDsRecord:
    return ThreeDsRecord(
        card_no="C1", type=ThreeDsType.OTP, values=Sealed(seal(key.public_key(), text))
    )


async def test_either_key_of_a_rotation_opens(key: PrivateKey, wrong_key: PrivateKey) -> None:
    """What was sealed before the change opens as well as what was sealed after it."""
    for order in ([key, wrong_key], [wrong_key, key]):
        opened = await open_card(order, _card(key))
        assert opened.card_number is not None
        assert opened.card_number.reveal() == NUMBER
        codes = await open_three_ds(order, [_code(key, "123456"), _code(wrong_key, "654321")])
        assert [code.reveal() for code in codes] == ["123456", "654321"]


async def test_a_card_is_not_opened_by_halves(key: PrivateKey, wrong_key: PrivateKey) -> None:
    """Values of one card are of one key: a mixture is a forgery or a mix-up."""
    mixed = SensitiveCard(card_number=_card(key).card_number, cvv=_card(wrong_key).cvv)
    with pytest.raises(UnsealError):
        await open_card([key, wrong_key], mixed)


@pytest.mark.parametrize("kind", ["plain", "coroutine", "partial"])
async def test_a_key_service_opens(kind: str, key: PrivateKey) -> None:
    """A function of the caller opens block by block; a plain one does not hold up the loop."""
    threads: set[int] = set()

    def here(block: bytes) -> bytes:
        threads.add(threading.get_ident())
        return key.decrypt(block)

    async def later(block: bytes) -> bytes:
        return here(block)

    ways: dict[str, Decrypt] = {"plain": here, "coroutine": later, "partial": partial(later)}
    remote = RemoteKey(ways[kind], bits=key.bits)
    opened = await open_card([remote], _card(key))
    assert opened.card_number is not None
    assert opened.card_number.reveal() == NUMBER
    assert (threading.get_ident() in threads) is (kind != "plain")
    assert repr(remote) == "RemoteKey(<2048 bits>)"


class _ServiceDown(Exception):
    """What a key service might raise; it may quote anything."""


async def test_a_failing_key_service_is_one_error(key: PrivateKey) -> None:
    """Its own exception does not come through, for it may hold what it was given."""

    def broken(block: bytes) -> bytes:
        raise _ServiceDown(f"canary {block!r}")

    with pytest.raises(UnsealError, match="the key service failed: _ServiceDown") as caught:
        await open_card([RemoteKey(broken)], _card(key))
    assert caught.value.__context__ is None
    assert "canary" not in repr(caught.value)
    both: list[CardKey] = [RemoteKey(broken), key]
    assert (await open_card(both, _card(key))).cvv is not None


async def test_a_value_that_is_not_whole_blocks_is_not_sent_to_the_service() -> None:
    """Nothing that cannot be opened costs a call."""
    asked: list[bytes] = []

    def note(block: bytes) -> bytes:
        asked.append(block)
        return b"x"

    with pytest.raises(UnsealError):
        await open_card([RemoteKey(note)], SensitiveCard(cvv=Sealed("QUJD")))
    assert asked == []
    assert RemoteKey(note, bits=1024).block_bytes == 128


@pytest.mark.parametrize("answer", ["text", None, b"\xff\xfe", b"not a number"])
async def test_a_key_service_is_not_believed(answer: object, key: PrivateKey) -> None:
    """What it says must be bytes in the shape that was asked for."""
    remote = RemoteKey(lambda _: answer)  # type: ignore[arg-type, return-value]  # wrong on purpose
    with pytest.raises(UnsealError):
        await open_card([remote], _card(key))


@pytest.mark.parametrize("bits", [0, 512, 1025])
def test_a_key_service_has_whole_bytes(bits: int) -> None:
    """The size decides where ciphertext is cut."""
    with pytest.raises(ConfigError, match="bits must be"):
        RemoteKey(lambda block: block, bits=bits)


@pytest.mark.parametrize("padding", ["oaep-sha1", "oaep-sha256"])
async def test_oaep_by_setting(padding: Padding, key: PrivateKey) -> None:
    """Both ways of OAEP work in several blocks; text of another padding does not open."""
    other = key.with_padding(padding)
    text = "https://" + "x" * 300
    sealed = Sealed(seal(other.public_key(), text))
    assert unseal(other, sealed, "url").reveal() == text
    assert other.text_bytes < key.text_bytes
    for wrong in (key, key.with_padding("oaep-sha1" if padding != "oaep-sha1" else "oaep-sha256")):
        with pytest.raises(UnsealError):
            unseal(wrong, sealed, "url")


def test_an_unknown_padding_is_refused(key: PrivateKey) -> None:
    """A misspelt setting does not fall back to anything."""
    with pytest.raises(ConfigError, match="padding must be one of"):
        key.with_padding("raw")  # type: ignore[arg-type]  # wrong on purpose


async def test_many_blocks_leave_the_loop(key: PrivateKey) -> None:
    """A code opens at once; a card and a page of codes are opened beside the loop."""
    seen: list[int] = []

    class Watching(PrivateKey):
        """Notes where it works."""

        def decrypt(self, block: bytes) -> bytes:
            seen.append(threading.get_ident())
            return super().decrypt(block)

    watching = Watching(key._key)
    await open_three_ds([watching], [_code(key, "123456")] * INLINE_BLOCKS)
    assert set(seen) == {threading.get_ident()}
    seen.clear()
    await open_three_ds([watching], [_code(key, "123456")] * (INLINE_BLOCKS + 1))
    await open_card([watching], _card(key))
    assert threading.get_ident() not in seen


async def test_what_was_opened_is_overwritten(key: PrivateKey) -> None:
    """After the block the buffer holds zeros, and nothing can be read any more."""
    with await open_card([key], _card(key)) as secrets:
        number, cvv = secrets.card_number, secrets.cvv
        assert isinstance(number, Pan)
        assert (number.last4, number.bin6, number.reveal()) == ("4242", "424242", NUMBER)
        assert "4242" not in f"{number} {number!r} {secrets!r}"
    assert isinstance(cvv, Opened)
    for gone in (number, cvv):
        assert set(gone._bytes) == {0}
        with pytest.raises(UsageError, match="wiped"):
            gone.reveal()
    with pytest.raises(UsageError):
        assert number.last4


async def test_an_opened_value_is_a_secret(key: PrivateKey) -> None:
    """It equals a secret of the same text, and nothing else."""
    (code,) = await open_three_ds([key], [_code(key, "123456")])
    assert code == Secret("123456")
    assert Secret("123456") == code
    assert code != Secret("654321")
    assert code != Sealed("123456")
    assert code != "123456"


async def test_one_value_is_overwritten_too(key: PrivateKey) -> None:
    """A single opened value is a block of its own."""
    (code,) = await open_three_ds([key], [_code(key, "123456")])
    with code as shown:
        assert shown.reveal() == "123456"
    with pytest.raises(UsageError):
        code.reveal()


async def test_the_client_opens_events_and_lists(key: PrivateKey, wrong_key: PrivateKey) -> None:
    """A client with two keys opens rows, lists of rows, events and single values."""
    record = _code(key, "123456")
    event = ThreeDsEvent(
        category=THREE_DS.category, event_id=None, digest="", raw=b"", data=record, kind=THREE_DS
    )
    async with sandbox_client() as client:
        both = FincardClient(
            base_url=client.origin,
            auth=BearerToken("x"),
            tenant_id="sandbox",
            card_key=[wrong_key, key],
            transport=client._core.transport,
        )
        for sealed in (record, event, record.values):
            assert (await both.unseal(sealed)).reveal() == "123456"
        assert [code.reveal() for code in await both.unseal([record, record])] == ["123456"] * 2
