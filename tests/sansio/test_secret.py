"""Values that must not leak."""

from __future__ import annotations

import copy
import json
import logging
import pickle
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from fincard_async._sansio.secret import Sealed, Secret, as_secret

CANARY = "canary-4111111111111111"
KINDS = [Secret, Sealed]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "show",
    [repr, str, format, "{0!r} {0!s} {0} {0:>40}".format, "%s".__mod__, "%r".__mod__],
)
def test_no_text_form_shows_the_value(
    kind: type[Secret | Sealed], show: Callable[[object], str]
) -> None:
    """Every way to text gives the name of the type."""
    shown = show(kind(CANARY))
    assert "canary" not in shown
    assert f"{kind.__name__}(...)" in shown


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "way_out",
    [
        copy.copy,
        copy.deepcopy,
        pickle.dumps,
        hash,
        iter,
        len,
        bytes,
        list,
        json.dumps,
        msgspec.json.encode,
        msgspec.msgpack.encode,
        msgspec.to_builtins,
        vars,
        "".join,
        lambda value: value + "",
        lambda value: value[0],
        lambda value: {value: 1},
        lambda value: "canary" in value,
        lambda value: value < Secret("x"),
    ],
)
def test_every_other_way_out_is_refused(
    kind: type[Secret | Sealed], way_out: Callable[[Any], object]
) -> None:
    """Copying, hashing, iterating and encoding raise an error that does not quote the value."""
    with pytest.raises((TypeError, NotImplementedError)) as caught:
        way_out(kind(CANARY))
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_no_pickle_protocol_works(protocol: int) -> None:
    """Old protocols take other ways; all are closed."""
    with pytest.raises(TypeError):
        pickle.dumps(Secret(CANARY), protocol)


def test_a_struct_with_secrets_does_not_show_them(caplog: pytest.LogCaptureFixture) -> None:
    """The repr of whatever holds a secret, and a log record of it, are safe too."""
    held = {"pin": Secret(CANARY), "card": [Sealed(CANARY)]}
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("test").warning("%s", held)
    assert "canary" not in repr(held) + caplog.text


def test_equality_compares_like_with_like() -> None:
    """Two secrets are equal by value; a secret never equals plain text or a sealed value."""
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Sealed("a") == Sealed("a")
    assert Secret("\ud800") == Secret("\ud800")
    mixed: list[object] = [Secret("a"), Sealed("a"), "a"]
    assert [left == right for left in mixed for right in mixed if left is not right] == [False] * 6


def test_the_text_is_there_on_request() -> None:
    """``reveal`` and ``ciphertext`` are the ways to the text; truth tells whether there is one."""
    assert Secret(CANARY).reveal() == CANARY
    assert Sealed(CANARY).ciphertext == CANARY
    assert Secret("x")
    assert not Secret("")


@pytest.mark.parametrize("value", [None, 1, b"x"])
def test_only_text_can_be_secret(value: Any) -> None:
    """Bytes or numbers would slip through the checks of the rules."""
    with pytest.raises(TypeError, match="holds text"):
        Secret(value)


def test_plain_text_is_wrapped() -> None:
    """Callers may give plain text for a secret argument."""
    secret = Secret("x")
    assert as_secret("x") == secret
    assert as_secret(secret) is secret
    assert as_secret(None) is None
