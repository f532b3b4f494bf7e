"""The tree of errors."""

from __future__ import annotations

import copy
import pickle
import re
from typing import Any

import pytest

from fincard_async import errors
from fincard_async.errors import FincardError

TREE: dict[str, type[FincardError]] = {
    name: kind
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, FincardError)
}


def test_the_drawing_is_the_tree() -> None:
    """The docstring of the module shows every class under its parent."""
    assert errors.__doc__ is not None
    parents: dict[int, str] = {}
    drawn: set[str] = set()
    for line in errors.__doc__.split("::")[1].splitlines():
        found = re.match(r"( *)([A-Z]\w+(?:,\s*[A-Z]\w+)*)", line)
        if not found or line.startswith(("A ", "Errors", "``")):
            continue
        depth = len(found[1])
        for name in re.findall(r"\w+", found[2]):
            drawn.add(name)
            above = [parents[level] for level in sorted(parents) if level < depth]
            if above:
                assert issubclass(TREE[name], TREE[above[-1]]), name
            parents = {level: parents[level] for level in parents if level < depth}
            parents[depth] = name
    assert drawn == set(TREE)


@pytest.mark.parametrize(
    "kind, builtin",
    [
        (errors.ValidationError, ValueError),
        (errors.ArgumentTypeError, TypeError),
        (errors.ArgumentTypeError, ValueError),
        (errors.MissingExtraError, ImportError),
    ],
)
def test_some_errors_are_also_of_a_builtin_kind(
    kind: type[FincardError], builtin: type[Exception]
) -> None:
    """``except ValueError`` around a call with a bad argument works as expected."""
    assert issubclass(kind, builtin)


def test_an_unknown_outcome_is_no_refusal() -> None:
    """``except ApiError`` must not swallow a call that may have happened."""
    assert not issubclass(errors.OutcomeUnknown, errors.ApiError | errors.TransportError)


def test_the_text_has_the_facts() -> None:
    """What is known stands behind the message; what is not known is left out."""
    error = errors.ServerError("it failed", code=500, status=200)
    assert str(error) == "it failed (code=500, status=200)"
    error.operation, error.order_no, error.retry_after = "cards.open", "A" * 20, 2.0
    assert str(error) == (
        f"it failed (operation=cards.open, order_no={'A' * 20}, code=500, status=200,"
        " retry_after=2.0)"
    )
    assert str(FincardError("plain")) == "plain"
    assert FincardError.__new__(FincardError).message == ""


@pytest.mark.parametrize("kind", TREE.values())
@pytest.mark.parametrize("again", [copy.copy, lambda error: pickle.loads(pickle.dumps(error))])
def test_errors_can_cross_processes(kind: type[FincardError], again: Any) -> None:
    """A copy and a pickled error keep class, message and facts."""
    error = kind("it failed")
    error.order_no, error.code, error.attempts = "A" * 20, 7, 2
    other = again(error)
    assert type(other) is kind
    assert vars(other) == vars(error)
    assert str(other) == str(error)
