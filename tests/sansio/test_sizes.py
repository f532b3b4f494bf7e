"""Answers that are larger than they have any reason to be."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from msgspec.structs import replace

from fincard_async._generated.operations import OPERATION_NAMES, load
from fincard_async._sansio.envelope import render_envelope
from fincard_async._sansio.secret import Sealed, Secret
from fincard_async._sansio.sizes import (
    MAX_BODY_BYTES,
    MAX_PARTS,
    MAX_QUOTES,
    MAX_ROWS,
    MAX_SECRET_BYTES,
    MAX_SECRET_PAGE_BYTES,
    MAX_TEXT,
    MAX_VALUES,
    oversize,
)
from fincard_async.errors import DecodeError, NotAnEnvelope, ReplyError, ResponseTooLarge
from tests.sansio.samples import LIST, PAGE, READ, WRITE, Answer, Ask, Session, answer, body

SEALED = replace(READ, sealed=("sealed",))


def success(data: object) -> bytes:
    """An answer."""
    return render_envelope(success=True, code=200, msg=None, data=data)


@pytest.mark.parametrize("name", OPERATION_NAMES)
def test_the_schema_says_how_long_an_answer_may_be(name: str) -> None:
    """Card data is cut off early; a page of it may have a hundred rows."""
    operation = load(name)
    if not operation.sealed:
        assert operation.most_bytes == MAX_BODY_BYTES
    else:
        assert (
            operation.most_bytes
            == {"object": MAX_SECRET_BYTES, "page": MAX_SECRET_PAGE_BYTES}[operation.shape]
        )


@pytest.mark.parametrize(
    ("operation", "most"),
    [
        (SEALED, MAX_SECRET_BYTES),
        (replace(PAGE, sealed=("records[].sealed",)), MAX_SECRET_PAGE_BYTES),
        (READ, MAX_BODY_BYTES),
    ],
)
@pytest.mark.parametrize("status", [200, 500])
def test_whatever_the_transport_brings(operation: Any, most: int, status: int) -> None:
    """The bound itself is allowed; one byte more is refused, whatever the status."""
    text = success({"total": 0, "records": []} if operation.shape == "page" else {}).ljust(most)
    if status == 200:
        assert answer(operation, body(text)) is not None
    with pytest.raises(ResponseTooLarge, match=f"longer than {most} bytes"):
        answer(operation, body(text + b" ", status))


WRAPS: list[tuple[Any, Callable[[object], object]]] = [
    (READ, lambda row: row),
    (LIST, lambda row: [{}, row]),
    (PAGE, lambda row: {"total": 2, "records": [{}, row]}),
]


@pytest.mark.parametrize("offset", [0, 1, MAX_TEXT // 2 - 1, MAX_TEXT // 2, 99_999])
@pytest.mark.parametrize("unit", ["a", '"', 'x"y', "\\", "\u20ac", '",'])
@pytest.mark.parametrize(("operation", "wrap"), WRAPS)
def test_a_long_text(
    operation: Any, wrap: Callable[[object], object], unit: str, offset: int
) -> None:
    """Wherever it stands and whatever is escaped in it; one character less passes."""
    text = (unit * MAX_TEXT)[:MAX_TEXT]
    row = {"x": ["a"] * (offset // 4) + ["a" * (offset % 4)], "merchantOrderNo": text}
    unasked = Ask(card_no="C1")
    assert answer(operation, wrap(row), request=unasked) is not None
    row["merchantOrderNo"] = text + "a"
    with pytest.raises(ResponseTooLarge, match="a text of the reply is longer"):
        answer(operation, wrap(row), request=unasked)


LONG = "s" * (MAX_TEXT + 1)


@pytest.mark.parametrize(
    "result", [Session(token=Secret(LONG)), Answer(sealed=Sealed(LONG)), {"x": (1, LONG)}]
)
def test_a_long_secret(result: object) -> None:
    """Sealed and secret texts are texts."""
    assert oversize(f'"{LONG}"'.encode(), result, None) is not None


@pytest.mark.parametrize("count", [MAX_ROWS, MAX_ROWS + 1])
@pytest.mark.parametrize("operation", [PAGE, LIST])
def test_many_rows(operation: Any, count: int) -> None:
    """Ten thousand are read, and not one more."""
    rows: list[object] = [{}] * count
    whole = body(success({"total": 1, "records": rows} if operation is PAGE else rows))
    if count == MAX_ROWS:
        assert len(getattr(found := answer(operation, whole), "records", found)) == count
    else:
        with pytest.raises(ResponseTooLarge, match="more than 10000 records"):
            answer(operation, whole)


@pytest.mark.parametrize("part", [b"{},", b"[],"])
def test_many_parts(part: bytes) -> None:
    """They are counted before anything is decoded."""
    text = b'{"success":true,"data":{"x":[' + part * MAX_PARTS + b"1]}}"
    with pytest.raises(NotAnEnvelope, match="too many parts"):
        answer(READ, body(text))


def test_many_texts_in_the_answer_of_a_mutation() -> None:
    """It would take too long to tell whether a key stands twice."""
    few, many = ([""] * count for count in (MAX_QUOTES // 2 - 100, MAX_QUOTES // 2))
    assert answer(WRITE, {"x": few}) == Answer()
    with pytest.raises(DecodeError, match="too many to tell"):
        answer(WRITE, {"x": many})
    assert answer(READ, {"x": many}) == Answer()


def test_many_values_in_the_other_vocabulary() -> None:
    """To rename a key, all of the answer is taken apart."""
    few, many = ([1] * count for count in (MAX_VALUES - 10, MAX_VALUES + 10))
    assert answer(READ, {"cardId": "C1", "x": few}) == Answer(card_no="C1")
    with pytest.raises(DecodeError, match="too many values"):
        answer(READ, {"cardId": "C1", "x": many})


def _fill(unit: bytes) -> bytes:
    return unit * ((MAX_BODY_BYTES - 300) // len(unit))


def _data(text: bytes) -> bytes:
    return b'{"success":true,"code":200,"data":' + text + b"}"


BOMBS = {
    "brackets": _fill(b"["),
    "pairs": _fill(b"[]"),
    "quotes": _fill(b'["'),
    "backslashes": b'{"a":"' + _fill(b"\\"),
    "empty rows": _data(b'{"total":1,"records":[' + _fill(b"{},") + b"{}]}"),
    "rows": _data(b'{"total":1,"records":[' + _fill(b'{"cardNo":"C1"},') + b"{}]}"),
    "numbers nobody reads": _data(b'{"x":[' + _fill(b"0.5,") + b"1]}"),
    "texts nobody reads": _data(b'{"x":[' + _fill(b'"a",') + b"1]}"),
    "numbers beside another name": _data(b'{"cardId":"C1","x":[' + _fill(b"0.5,") + b"1]}"),
    "texts beside another name": _data(b'{"cardId":"C1","x":[' + _fill(b'"a",') + b"1]}"),
    "one key": _data(b"{" + _fill(b'"cardNo":"a",') + b'"b":1}'),
    "digits": _data(b'{"amount":' + _fill(b"9") + b"}"),
    "a long text": _data(b'{"cardNo":"' + _fill(b"a") + b'"}'),
    "escapes": _data(b'{"cardNo":"' + _fill(b"\\u00e9") + b'"}'),
}


@pytest.mark.slow
@pytest.mark.parametrize("bomb", BOMBS)
@pytest.mark.parametrize("operation", [READ, WRITE, PAGE, LIST], ids=lambda o: str(o.name))
def test_no_bomb_holds_the_loop_for_long(operation: Any, bomb: str) -> None:
    """8 MiB of anything: usually 30 ms of processor time, and 160 where it is one long text."""
    began = time.process_time()
    with suppress(ReplyError):
        answer(operation, body(BOMBS[bomb]))
    assert time.process_time() - began < 0.5
