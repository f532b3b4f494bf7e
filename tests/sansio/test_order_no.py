"""Order numbers."""

from __future__ import annotations

import base64
import hashlib
import re

import pytest
from hypothesis import given, strategies as st

from fincard_async._sansio.order_no import derive, mint

SHAPE = re.compile(r"[A-Z2-7]{32}\Z")
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
parts = st.tuples(texts, texts, texts, st.integers(0, 5))


def _derive(part: tuple[str, str, str, int]) -> str:
    return derive(namespace=part[0], operation=part[1], row_key=part[2], generation=part[3])


@given(st.binary(min_size=20, max_size=20))
def test_a_minted_number_fits_every_rule(random_bytes: bytes) -> None:
    """20 bytes become 32 characters of A-Z and 2-7, and other bytes become another number."""
    assert SHAPE.match(mint(random_bytes))
    assert mint(random_bytes) != mint(bytes([random_bytes[0] ^ 1]) + random_bytes[1:])


@pytest.mark.parametrize("count", [0, 19, 21])
def test_another_count_of_bytes_is_refused(count: int) -> None:
    """Fewer bytes would be guessable, and padded with a character outside the alphabet."""
    with pytest.raises(ValueError, match="takes 20 bytes"):
        mint(bytes(count))


@given(parts)
def test_a_derived_number_is_the_same_every_time(part: tuple[str, str, str, int]) -> None:
    """The same row of the same job has the same number, in the same alphabet."""
    assert _derive(part) == _derive(part)
    assert SHAPE.match(_derive(part))


def test_a_derived_number_never_changes_between_versions() -> None:
    """A job that was begun by an older version is finished by a newer one."""
    known = derive(namespace="payroll", operation="cards.open", row_key="1")
    assert known == "DAW3OU3STBULJFZMRP7MHJ3EEORWK7LW"


@given(parts, st.integers(0, 1 << 70))
def test_a_derived_number_is_what_it_was_when_it_was_written_plainly(
    part: tuple[str, str, str, int], generation: int
) -> None:
    """Length and text of each part, hashed; Base32 of that: as in the first version."""
    for number in (part[3], generation):
        digest = hashlib.blake2b(digest_size=20, person=b"fincard order no")
        for text in (*part[:3], str(number)):
            data = text.encode()
            digest.update(len(data).to_bytes(8, "big") + data)
        plain = base64.b32encode(digest.digest()).decode()
        assert _derive((*part[:3], number)) == plain


@given(parts, parts)
def test_other_parts_give_another_number(
    one: tuple[str, str, str, int], other: tuple[str, str, str, int]
) -> None:
    """Job, operation, row and generation all count."""
    assert (_derive(one) == _derive(other)) is (one == other)


@given(texts, texts, texts)
def test_parts_are_not_simply_joined(one: str, two: str, three: str) -> None:
    """Moving text from one part to its neighbour is another number."""
    moved = _derive((one + two, "", three, 0))
    assert (moved == _derive((one, two, three, 0))) is (two == "")


def test_ten_thousand_rows_have_ten_thousand_numbers() -> None:
    """No two rows of a job share a number."""
    made = {derive(namespace="job", operation="cards.open", row_key=str(n)) for n in range(10_000)}
    assert len(made) == 10_000
