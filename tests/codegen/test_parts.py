"""Small parts of the compiler by themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("datamodel_code_generator")

from codegen import render
from codegen.descriptions import describe, sentence
from codegen.ir import Field, Limits, Type
from codegen.literals import Code, call, literal
from codegen.load import path_label
from codegen.names import kebab, pascal, snake


@pytest.mark.parametrize(
    ("wire", "name"),
    [
        ("cardNo", "card_no"),
        ("merchantOrderNo", "merchant_order_no"),
        ("bankCardBin", "bank_card_bin"),
        ("enableUnFreeze", "enable_un_freeze"),
        ("allMCCNames", "all_mcc_names"),
        ("addressLine2", "address_line2"),
        ("3dsType", "n_3ds_type"),
        ("device-id", "device_id"),
        ("from", "from_"),
        ("type", "type"),
    ],
)
def test_snake(wire: str, name: str) -> None:
    """A name on the wire becomes a readable Python name that is no keyword."""
    assert snake(wire) == name


def test_other_names() -> None:
    """Resources become classes, methods become commands."""
    assert pascal("work_orders") == "WorkOrders"
    assert kebab("list_types") == "list-types"


@pytest.mark.parametrize(
    ("kind", "limits", "text"),
    [
        ("text", {"min_length": 1}, ""),
        ("text", {"min_length": 3}, "At least 3 characters."),
        ("text", {"max_length": 50}, "At most 50 characters."),
        ("text", {"min_length": 20, "max_length": 40}, "20 to 40 characters."),
        ("secret", {"min_length": 6, "max_length": 6}, "Exactly 6 characters."),
        ("list", {"max_length": 3}, "At most 3 items."),
        ("money", {"minimum": "0.01"}, "At least 0.01."),
        ("money", {"minimum": "0", "maximum": "2000"}, "0 to 2000."),
        ("money", {"maximum": "5"}, "At most 5."),
        ("money", {"above": "0"}, "More than 0."),
        ("money", {"above": "0", "maximum": "9"}, "More than 0 and at most 9."),
        ("timestamp", {"minimum": "0"}, ""),
        ("integer", {"minimum": "-9223372036854775808"}, ""),
    ],
)
def test_bounds(kind: str, limits: dict[str, Any], text: str) -> None:
    """The bounds of an argument are said in words of its kind."""
    assert describe(_field("", kind, limits), {}) == text


@pytest.mark.parametrize(
    ("description", "limits"),
    [
        ("A remark, up to 50 characters.", {"min_length": 0, "max_length": 50}),
        ("A number [20..40].", {"min_length": 20, "max_length": 40}),
        ("Rows to a page, up to 100.", {"minimum": "1", "maximum": "100"}),
    ],
)
def test_bounds_are_not_said_twice(description: str, limits: dict[str, Any]) -> None:
    """A description that names the bounds is left as it is."""
    assert describe(_field(description, "text", limits), {}) == description


def _field(description: str, kind: str, limits: dict[str, Any]) -> Field:
    return Field(
        name="x",
        wire="x",
        type=Type(kind=kind),
        required=False,
        description=description,
        limits=Limits(**limits),
    )


def test_sentence() -> None:
    """Text gets a full stop unless it has an end."""
    assert [sentence(text) for text in ("Yes", "Yes.", "Yes?", "")] == ["Yes.", "Yes.", "Yes?", ""]


def test_literal() -> None:
    """What a record does not say is left out; tuples of every length are tuples."""
    assert call("F", a=None, b=False, c=(), d="x", e=True) == "F(d='x', e=True)"
    assert literal(()) == "()"
    assert literal((1,)) == "(1,)"
    assert literal((1, Code("G()"))) == "(1, G())"


def test_long_literal() -> None:
    """Long text is split for the line length, and stays the same text."""
    text = "a  long text\twith 'quotes' and \"more\"\n" * 5
    code = literal(text)
    assert code.count("\n") == 0
    assert eval(code) == text


def test_paths_outside_are_shown_in_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path is relative inside the current folder only."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert path_label(tmp_path / "here" / "a.yaml") == "a.yaml"
    assert path_label(tmp_path / "b.yaml") == (tmp_path / "b.yaml").as_posix()


def test_text_that_is_no_python_stops_the_run() -> None:
    """If ruff cannot read what the templates print, nothing comes out."""
    with pytest.raises(RuntimeError, match="ruff check failed"):
        render._formatted({"bad.py": "def ("})
