"""Sealing and opening values."""

from __future__ import annotations

import base64
import os
import traceback
import warnings
from collections import Counter
from collections.abc import Mapping
from urllib.parse import quote

import pytest
from hypothesis import given, settings, strategies as st

from fincard_async._crypto.keys import PrivateKey, WeakKeyWarning
from fincard_async._crypto.sealing import Content, opened, plain_url, seal, unseal
from fincard_async._sansio.secret import Sealed
from fincard_async.errors import UnsealError

from .known import CARD

CONTENTS: list[Content] = ["card_number", "cvv", "expire_date", "url", "code", "text"]
GOOD: Mapping[Content, list[str]] = {
    "card_number": ["4242424242424242", "378282246310005", "6304000000000000", "4" * 18 + "2"],
    "cvv": ["123", "0000"],
    "expire_date": ["01/2027", "12/2099", "12/27", "1227", "122027"],
    "url": ["https://a.b/c?d=1", "https://" + "x" * 400],
    "code": ["1234", "123456", "12345678", "AB12CD34"],
    "text": ["123", "AB12CD34", "12/2027", "4242424242424242", "any text at all", "https://x.yz"],
}
BAD: Mapping[Content, list[str]] = {
    "card_number": [
        "4242424242424241",
        "42424242424",
        "4" * 20,
        "4242 4242 4242 4242",
        "",
        "x" * 16,
    ],
    "cvv": ["", "12", "12345", "12a", "\u0661\u0662\u0663", "123\n"],
    "expire_date": ["", "00/2027", "13/2027", "1/2027", "01/1999", "01-2027", "01/2027 "],
    "url": ["", "https://", "http://a.b", "javascript:1", "https://a b", "https://a\u00e9"],
    "code": ["", "123", "AB12", "AB12CD3", "1" * 13, "12 34", "12-34"],
    "text": [
        "",
        "1",
        "ab",
        "AB12",
        "any text",
        "\u00e9\u00e9\u00e9\u00e9",
        "a\nb",
        "tab\tbed in text",
    ],
}


def _rows(table: Mapping[Content, list[str]]) -> list[tuple[Content, str]]:
    return [(content, text) for content, texts in table.items() for text in texts]


@pytest.mark.parametrize("content, text", _rows(GOOD))
def test_what_has_its_shape_is_opened(content: Content, text: str, key: PrivateKey) -> None:
    """Sealing and opening are a pair, for every kind of content."""
    assert unseal(key, Sealed(seal(key.public_key(), text)), content).reveal() == text


@pytest.mark.parametrize("content, text", _rows(BAD))
def test_what_has_another_shape_is_refused(content: Content, text: str, key: PrivateKey) -> None:
    """A wrong key gives random text, so the shape is the only proof; the error shows nothing."""
    sealed = Sealed(seal(key.public_key(), text))
    with pytest.raises(UnsealError) as caught:
        unseal(key, sealed, content)
    assert str(caught.value) == "the sealed value cannot be opened with this key"
    assert caught.value.__context__ is None


def test_a_value_from_another_program_is_opened(key: PrivateKey) -> None:
    """The openssl command and this package mean the same padding and encoding."""
    assert unseal(key, Sealed(CARD), "card_number").reveal() == "4242424242424242"
    assert unseal(key, Sealed(quote(CARD, safe="")), "card_number").reveal() == "4242424242424242"


@pytest.mark.parametrize("length, blocks", [(0, 1), (1, 1), (117, 1), (118, 2), (234, 2), (468, 4)])
def test_long_text_takes_several_blocks(length: int, blocks: int, small_key: PrivateKey) -> None:
    """A 1024-bit key takes 117 bytes to a block of 128."""
    text = "https://" + "x" * (length - 8) if length >= 9 else "x" * length
    sealed = seal(small_key.public_key(), text)
    assert len(base64.b64decode(sealed)) == 128 * blocks
    if length >= 9:
        assert unseal(small_key, Sealed(sealed), "url").reveal() == text


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=12, max_size=400))
@settings(max_examples=30, deadline=None)
def test_any_text_survives(small_key: PrivateKey, text: str) -> None:
    """Blocks are cut and joined without loss, also where the text arrives percent-encoded."""
    sealed = seal(small_key.public_key(), text)
    for form in (sealed, quote(sealed, safe="")):
        assert unseal(small_key, Sealed(form), "text").reveal() == text


def test_five_blocks_are_too_many(small_key: PrivateKey) -> None:
    """Nothing that the API seals is that long; more would only cost time."""
    with pytest.raises(UnsealError):
        unseal(small_key, Sealed(seal(small_key.public_key(), "x" * 469)), "text")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "plain",
        "4242424242424242",
        "%",
        "%zz",
        "QUJD",
        CARD[:-4],
        CARD[:-1],
        CARD + "QUJD",
        CARD + "!",
        CARD[:50] + "\n" + CARD[50:],
        CARD[:50] + "\u00e9" + CARD[50:],
        "A" * len(CARD),
        CARD.swapcase(),
    ],
)
@pytest.mark.parametrize("content", ["card_number", "cvv", "url", "code"])
def test_a_damaged_value_is_one_error(text: str, content: Content, key: PrivateKey) -> None:
    """Not base64, not whole blocks, other bytes: no cause can be told from another."""
    with pytest.raises(UnsealError) as caught:
        unseal(key, Sealed(text), content)
    assert str(caught.value) == "the sealed value cannot be opened with this key"
    assert caught.value.__context__ is None


@pytest.mark.slow
@pytest.mark.parametrize("bits", [1024, 2048])
def test_a_wrong_key_is_never_accepted(bits: int, small_key: PrivateKey, key: PrivateKey) -> None:
    """Values that were sealed for another key: junk comes out, and none of it passes for anything.

    ``FINCARD_WRONG_KEYS=100000`` opens more of them. The padding hides its own failure, so the same
    value always gives the same junk; every value here is another one.
    """
    rounds = int(os.environ.get("FINCARD_WRONG_KEYS", "2000"))
    mine = small_key if bits == small_key.bits else key
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", WeakKeyWarning)
        other = PrivateKey.generate(bits).public_key()
    accepted, junk = Counter[Content](), 0
    for _ in range(rounds):
        block = other.encrypt(b"4242424242424242")
        try:
            plain = mine.decrypt(block)
        except ValueError:  # the block is a larger number than the modulus
            continue
        junk += 1
        for content in CONTENTS:
            accepted[content] += opened(plain, content) is not None
    assert not any(accepted.values()), accepted
    assert junk > rounds / 10


def test_another_key_of_another_size_is_refused(
    small_key: PrivateKey, wrong_key: PrivateKey
) -> None:
    """Blocks of one key are not whole blocks of another, or open to junk."""
    sealed = Sealed(seal(small_key.public_key(), "4242424242424242"))
    with pytest.raises(UnsealError):
        unseal(wrong_key, sealed, "card_number")
    two = Sealed(seal(small_key.public_key(), "4" * 200))
    with pytest.raises(UnsealError):
        unseal(wrong_key, two, "card_number")


def test_what_was_opened_does_not_come_along_with_an_error(key: PrivateKey) -> None:
    """A value that opens but is not what was expected stays hidden."""
    sealed = Sealed(seal(key.public_key(), "canary with \u00e9"))
    with pytest.raises(UnsealError) as caught:
        unseal(key, sealed, "card_number")
    assert "canary" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    "text, plain",
    [
        ("https://gift.example/a?b=1", True),
        ("http://gift.example", True),
        ("ftp://gift.example", False),
        ("https://a b", False),
        ("https://", False),
        ("javascript:alert(1)", False),
        (CARD, False),
        ("", False),
    ],
)
def test_a_url_may_come_unsealed(text: str, plain: bool) -> None:
    """Sources disagree whether the activation URL is sealed, so it may be plain."""
    found = plain_url(Sealed(text))
    assert (found is not None and found.reveal() == text) is plain
