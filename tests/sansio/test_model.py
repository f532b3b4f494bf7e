"""Open enumerations."""

from __future__ import annotations

import copy
import pickle

import pytest

from fincard_async._sansio.codec import encode, make_decoder
from fincard_async._sansio.model import StrEnum, as_enum

from .samples import State


@pytest.mark.parametrize("text", ["Normal", "normal", "NORMAL", "nOrMaL"])
def test_a_known_value_is_found_in_any_case(text: str) -> None:
    """The casing of the API is not uniform, so it does not matter."""
    assert State(text) is State.NORMAL
    assert make_decoder(State).decode(encode(text)) is State.NORMAL
    assert State.NORMAL.known


def test_an_unknown_value_keeps_its_text() -> None:
    """A new value of the server is a member of its own that says it is unknown."""
    made = State("Thawing")
    assert (made, str(made), made.known) == ("Thawing", "Thawing", False)
    assert isinstance(made, State)
    assert made not in list(State)
    assert encode(made) == b'"Thawing"'
    assert f"{made}" == "Thawing"


def test_an_unknown_value_is_made_once() -> None:
    """The same text gives the same member, from a call and from the wire."""
    made = State("Melting")
    assert State("Melting") is made
    assert make_decoder(State).decode(b'"Melting"') is made
    assert hash(made) == hash("Melting")
    assert {made: 1}[State("Melting")] == 1


def test_an_unknown_value_survives_copies() -> None:
    """Copying and pickling give an equal member."""
    made = State("Sublimating")
    assert copy.deepcopy(made) == made
    assert pickle.loads(pickle.dumps(made)) == made


def test_unknown_values_cannot_fill_the_memory() -> None:
    """Beyond a bound, unknown values still work but are not remembered."""

    class Small(StrEnum):
        ONE = "one"

    made = [Small(f"v{number}") for number in range(1000)]
    assert [str(member) for member in made] == [f"v{number}" for number in range(1000)]
    assert len(Small._value2member_map_) <= 1 + 256
    assert Small("v999") == Small("v999")
    assert Small("v0") is made[0]
    assert list(Small) == [Small.ONE]


@pytest.mark.parametrize("value", [1, None, 1.5, b"Normal"])
def test_only_text_can_be_unknown(value: object) -> None:
    """A value of another type is an error, not a member."""
    with pytest.raises(ValueError, match="is not a valid State"):
        State(value)


def test_an_argument_becomes_a_member() -> None:
    """A caller may give a member, its text, or nothing."""
    assert as_enum(State, "cancel") is State.CANCEL
    assert as_enum(State, State.CANCEL) is State.CANCEL
    assert as_enum(State, None) is None
