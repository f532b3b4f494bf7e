"""Reading input files: each fault with its file and line, and nothing but faults quoted."""

from __future__ import annotations

import contextlib
import json
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from fincard_async._sansio.secret import Secret
from fincard_async.bulk import InputError, IssueRow, read_rows
from fincard_async.bulk.faults import Faults
from fincard_async.bulk.rows import ISSUE_COLUMNS
from fincard_async.bulk.text_files import csv_records, json_records
from fincard_async.errors import ValidationError

HEADER = "row_id,card_type_id,amount,holder_id,account_id,card_number\n"


def write(folder: Path, content: str | bytes, name: str = "cards.csv") -> Path:
    """Make an input file."""
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def faults(path: Path) -> list[str]:
    """The faults of a file, without its folder."""
    with pytest.raises(InputError) as caught:
        read_rows(path)
    assert isinstance(caught.value, ValidationError)
    assert str(caught.value) == "\n".join(str(fault) for fault in caught.value.faults)
    return [str(fault).removeprefix(f"{path.parent}/") for fault in caught.value.faults]


def test_csv(tmp_path: Path) -> None:
    """Every column is read, exactly; empty ones are None; blank lines are nothing."""
    path = write(
        tmp_path,
        HEADER
        + '"a, 1",111001,50.10,,,\n\n,,,,,\nb,111040,20,124801,1988214703329058817,OFFLINE-1\n',
    )
    assert read_rows(path) == [
        IssueRow(row_id="a, 1", card_type_id=111001, amount=Decimal("50.10"), line=2),
        IssueRow(
            row_id="b",
            card_type_id=111040,
            amount=Decimal(20),
            holder_id=124801,
            account_id=1988214703329058817,
            card_number=Secret("OFFLINE-1"),
            line=5,
        ),
    ]


def test_csv_columns_in_any_order_and_with_a_bom(tmp_path: Path) -> None:
    """The header decides; a byte order mark and CRLF are no fault."""
    path = write(tmp_path, b"\xef\xbb\xbfamount,row_id,card_type_id\r\n50,a,111001\r\n")
    assert read_rows(path) == [
        IssueRow(row_id="a", card_type_id=111001, amount=Decimal(50), line=2)
    ]


def test_ndjson(tmp_path: Path) -> None:
    """Numbers may be JSON numbers or text, and stay exact; null is the same as absent."""
    path = write(
        tmp_path,
        '{"row_id": "a", "card_type_id": 111001, "amount": 50.10, "holder_id": null}\n'
        "\n"
        '{"row_id": 7, "card_type_id": "111001", "amount": "0.100000000000000001"}\r\n',
        "cards.NDJSON",
    )
    first, second = read_rows(path)
    assert (first.row_id, first.line, str(first.amount)) == ("a", 1, "50.10")
    assert (second.row_id, second.line) == ("7", 3)
    assert second.amount == Decimal("0.100000000000000001")


@pytest.mark.parametrize(
    "content, expected",
    [
        (b"", ["cards.csv:1: there are no rows"]),
        (HEADER, ["cards.csv:1: there are no rows"]),
        ("row_id,amount\na,5\n", ["cards.csv:1: missing column: card_type_id"]),
        (
            "row_id,card_type_id,amount,colour,,amount\n",
            [
                "cards.csv:1: unknown column: colour, (empty)",
                "cards.csv:1: repeated column: amount",
            ],
        ),
        (
            "row_id;card_type_id;amount\na;1;5\n",
            [
                "cards.csv:1: unknown column: row_id;card_type_id;amount",
                "cards.csv:1: missing column: row_id, card_type_id, amount",
            ],
        ),
        ("row_id,card_type_id,amount\na,1\n", ["cards.csv:2: has 2 fields, but the header has 3"]),
        (
            'row_id,card_type_id,amount\na,1,5\n"b,1,5\nc,1,5\n',
            ["cards.csv:3: is not CSV: unexpected end of data"],
        ),
        (
            b"row_id,card_type_id,amount\na,1,5\nb\xff,1,x\n",
            [
                "cards.csv:3: is not UTF-8 text",
                "cards.csv:3: amount must be a plain decimal number such as 12.50",
            ],
        ),
        (
            "row_id,card_type_id,amount\na,1,5\nb,1,5\na,1,x\n",
            [
                "cards.csv:4: amount must be a plain decimal number such as 12.50",
                "cards.csv:4: row_id is the same as on line 2",
            ],
        ),
        (
            "row_id,card_type_id,amount\n,,\n ,,1\n",
            [
                "cards.csv:3: row_id is missing",
                "cards.csv:3: card_type_id is missing",
            ],
        ),
        (
            "row_id,card_type_id,amount\na\x07,1,5\n" + "b" * 201 + ",1,5\n",
            [
                "cards.csv:2: row_id must be up to 200 printable characters",
                "cards.csv:3: row_id must be up to 200 printable characters",
            ],
        ),
        (
            'row_id,card_type_id,amount\n"two\nlines",1,5\nc,x,\n',
            [
                "cards.csv:2: row_id must be up to 200 printable characters",
                "cards.csv:4: card_type_id must be a whole number",
                "cards.csv:4: amount is missing",
            ],
        ),
        (
            HEADER + "a,1,5,-1,9223372036854775808,\nb,1,5,1.0,9223372036854775807,\n",
            [
                "cards.csv:2: holder_id must be a whole number",
                "cards.csv:2: account_id must be a whole number",
                "cards.csv:3: holder_id must be a whole number",
            ],
        ),
    ],
)
def test_csv_faults(tmp_path: Path, content: str | bytes, expected: list[str]) -> None:
    """A file that cannot be used names every fault with its line."""
    assert faults(write(tmp_path, content)) == expected


NOT_MONEY = ["NaN", "1e3", "1_000", "1,5", "+5", "0x10", "5.", ".5", "Infinity", "1e400"]
ARABIC_FIVE = chr(0x665)


@pytest.mark.parametrize("text", [*NOT_MONEY, ARABIC_FIVE, " 5", "5 "])
def test_what_is_not_an_amount(tmp_path: Path, text: str) -> None:
    """Only plain decimal digits are money, in both formats."""
    told = "amount must be a plain decimal number such as 12.50"
    path = write(tmp_path, f'row_id,card_type_id,amount\na,1,"{text}"\n')
    assert faults(path) == [f"cards.csv:2: {told}"]
    line = json.dumps({"row_id": "a", "card_type_id": 1, "amount": text})
    assert faults(write(tmp_path, line, "cards.jsonl")) == [f"cards.jsonl:1: {told}"]


def test_negative_amount(tmp_path: Path) -> None:
    """An amount below zero is a fault."""
    path = write(tmp_path, "row_id,card_type_id,amount\na,1,-5\n")
    assert faults(path) == ["cards.csv:2: amount must not be negative"]


@pytest.mark.parametrize(
    "line, message",
    [
        ('{"row_id": "a"', "is not JSON"),
        ("[1]", "is not a JSON object"),
        ('{"row_id": "a", "amount": NaN}', "has a number that is not JSON, such as NaN"),
        ('{"row_id": "a", "amount": 1, "amount": 2}', "has a key twice"),
        ('{"row_id": "a", "pin": "1234", "x": 1}', "unknown key: pin, x"),
        ('{"row_id": true, "amount": [1]}', "row_id, amount must be text or a number"),
        ("[" * 100_000, "is not JSON"),
        (
            '{"row_id": "a", "card_type_id": 1, "amount": 1e3}',
            "amount must be a plain decimal number such as 12.50",
        ),
        (
            '{"row_id": "a", "card_type_id": 1.0, "amount": 1}',
            "card_type_id must be a whole number",
        ),
    ],
)
def test_ndjson_faults(tmp_path: Path, line: str, message: str) -> None:
    """A line that cannot be used says so, and the lines after it are still read."""
    path = write(tmp_path, f"\n{line}\n[]\n", "cards.ndjson")
    assert faults(path) == [f"cards.ndjson:2: {message}", "cards.ndjson:3: is not a JSON object"]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """A file that cannot be read is a fault without a line."""
    assert faults(tmp_path / "none.csv") == ["none.csv: cannot be read: No such file or directory"]


def test_faults_quote_no_value(tmp_path: Path) -> None:
    """A card number in any column, even in the header, appears in no message."""
    number = "5319931234567890"
    lines = "".join(
        ",".join(number if column == place else "x y" for column in range(6)) + "\n"
        for place in range(6)
    )
    for content in (HEADER + lines, f"row_id,card_type_id,amount,{number}\n", number):
        with pytest.raises(InputError) as caught:
            read_rows(write(tmp_path, content))
        assert number not in str(caught.value)
        assert number not in repr(caught.value)


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_records_or_faults(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    """No text breaks the readers: what they give has known columns only."""
    path = tmp_path_factory.getbasetemp() / "any.txt"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    for read in (csv_records, json_records):
        with contextlib.suppress(InputError):
            for line, values in read(path, ISSUE_COLUMNS, Faults("f")):
                assert line >= 1
                assert set(values) <= set(ISSUE_COLUMNS.names)


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=20),
            st.integers(0, 2**63 - 1),
            st.decimals(0, 10**9, places=4),
        ),
        min_size=1,
        max_size=5,
        unique_by=lambda row: row[0],
    )
)
def test_both_formats_agree(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, int, Decimal]]
) -> None:
    """The same rows as CSV and as NDJSON are the same rows."""
    folder = tmp_path_factory.mktemp("rows")
    quoted = ['"' + row_id.replace('"', '""') + '"' for row_id, _, _ in rows]
    csv_lines = [
        f"{q},{kind},{amount:f}" for q, (_, kind, amount) in zip(quoted, rows, strict=True)
    ]
    content = "\n".join(["row_id,card_type_id,amount", *csv_lines])
    json_lines = "\n".join(
        json.dumps({"row_id": row_id, "card_type_id": kind, "amount": f"{amount:f}"})
        for row_id, kind, amount in rows
    )
    of_csv = read_rows(write(folder, content))
    of_json = read_rows(write(folder, json_lines, "cards.ndjson"))
    assert [(r.row_id, r.card_type_id, r.amount) for r in of_csv] == rows
    assert [(r.row_id, r.card_type_id, r.amount) for r in of_json] == rows
