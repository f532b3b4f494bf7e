"""Text for people and programs: exact, aligned, harmless."""

from __future__ import annotations

import csv
import io
from decimal import Decimal

import pytest

pytest.importorskip("click")
pytest.importorskip("rich")

import click
from hypothesis import given, strategies as st

from fincard_async._generated.models.cards import CardBalance
from fincard_async._sansio.secret import Sealed, Secret
from fincard_async.cli import output


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (Decimal("1E+2"), "100"),
        (Decimal("0.10"), "0.10"),
        (Sealed("abc"), "sealed"),
        (Secret("abc"), "secret"),
        ([Decimal(1), None], ["1", None]),
        (
            CardBalance(card_no="FC1", amount=Decimal("5.0"), currency="USD"),
            {"card_no": "FC1", "amount": "5.0", "currency": "USD"},
        ),
        (True, True),
        (7, 7),
    ],
)
def test_plain(value: object, shown: object) -> None:
    """A value becomes what JSON knows: amounts as exact text, secrets as a word."""
    assert output.plain(value) == shown


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("x", None, ""),
        ("x", True, "yes"),
        ("x", False, "no"),
        ("transaction_time", 1_795_342_500_000, "2026-11-22 10:15:00"),
        ("x", 1_795_342_500_000, "1795342500000"),
        ("x", {"a": [1]}, '{"a":[1]}'),
        ("x", "a\x1b[31mb", "a\N{REPLACEMENT CHARACTER}[31mb"),
    ],
)
def test_cell(name: str, value: object, shown: str) -> None:
    """A cell is what a person reads."""
    assert output.cell(name, value) == shown


@given(st.text())
def test_nothing_steers_the_terminal(text: str) -> None:
    """No text of the server keeps a control character, in a cell or in JSON."""
    assert output.printable(text).isprintable()
    assert output.json_line({"x": text}).isprintable()


@given(st.dictionaries(st.sampled_from(["a", "b"]), st.text(), min_size=1))
def test_csv_can_be_read_back(row: dict[str, str]) -> None:
    """A line of CSV gives back its values."""
    line = output.csv_row(row, ["a", "b"])
    (read,) = list(csv.reader(io.StringIO(line, newline=""))) or [["", ""]]
    assert read == [row.get("a", ""), row.get("b", "")]


def table(capsys: pytest.CaptureFixture[str], rows: list[output.Row]) -> tuple[str, str]:
    """What ``print_table`` prints."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    output.print_table(rows, columns)
    captured = capsys.readouterr()
    return captured.out, captured.err


def test_a_table_in_a_pipe_is_whole(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a window nothing is cut, columns without a value are left out, amounts align."""
    out, err = table(
        capsys,
        [
            {"id": "a" * 90, "amount": "5.10", "none": None},
            {"id": "b", "amount": "100.00", "none": None},
        ],
    )
    header, first, second = out.splitlines()
    assert "none" not in header
    assert first.rstrip().endswith("  5.10")
    assert second.rstrip().endswith("100.00")
    assert header.rstrip().endswith("amount")
    assert err == ""


def test_a_table_leaves_nested_columns_to_json(capsys: pytest.CaptureFixture[str]) -> None:
    """A table says how many columns it does not show, and where they are."""
    out, err = table(capsys, [{"id": "a", "nested": {"x": 1}}])
    assert "nested" not in out
    assert "1 column is not shown" in err


@pytest.mark.parametrize("width", [20, 60, 120])
def test_a_table_fits_its_window(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    """On a terminal, columns that do not fit are left out whole; what is shown is not cut."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TERM", "xterm")
    row: output.Row = {f"column_{number}": f"value {number}" for number in range(10)}
    out, err = table(capsys, [row])
    lines = click.unstyle(out).splitlines()
    assert len(lines) == 2
    assert all(len(line.rstrip()) <= width for line in lines)
    assert "column_0" in lines[0]
    assert ("columns are not" in err) == (width < 110)


def test_a_narrow_table_keeps_the_amount(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Money has its place in a small window before ids that stand to the left of it."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "30")
    monkeypatch.setenv("TERM", "xterm")
    row: output.Row = {"id": "a", "merchant": "b" * 24, "amount": "12.50", "fee": "0.10"}
    out, _ = table(capsys, [row])
    assert click.unstyle(out).split() == ["id", "amount", "fee", "a", "12.50", "0.10"]
