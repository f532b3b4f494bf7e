"""The envelope, its success forms, and bodies that are none."""

from __future__ import annotations

import base64
import json
import threading
from typing import Any

import pytest
from hypothesis import given, strategies as st

from fincard_async._sansio.envelope import (
    MAX_DEPTH,
    open_envelope,
    render_envelope,
    too_deep,
)
from fincard_async._sansio.token import jwt_expiry
from fincard_async.errors import FincardError, NotAnEnvelope

from .samples import BARE, READ, answer, body


@pytest.mark.parametrize(
    "text, succeeded",
    [
        ('{"success":true,"code":200,"msg":"Success","data":{}}', True),
        ('{"success":true,"code":0,"msg":"SUCCESS","data":null}', True),
        ('{"success":true,"code":"000000","data":[]}', True),
        ('{"success":true}', True),
        ('{"code":200,"message":"ok","data":{"token":"t"}}', True),
        ('{"code":"200","data":{}}', True),
        ('{"code":0,"data":[]}', True),
        ('{"code":"0","data":{}}', True),
        ('{"success":null,"code":200,"data":{}}', True),
        ('{"code":200,"data":null}', False),
        ('{"code":200,"data": null }', False),
        ('{"code":200}', False),
        ('{"code":500,"data":{}}', False),
        ('{"code":"000000","data":{}}', False),
        ('{"success":false,"code":200,"data":{}}', False),
        ('{"success":false,"code":-1,"msg":"no","data":null}', False),
        ('{"success":false}', False),
    ],
)
def test_success_forms(text: str, succeeded: bool) -> None:
    """``success`` decides where it is present, else a success code together with data."""
    assert open_envelope(text.encode()).succeeded is succeeded


@pytest.mark.parametrize(
    "text, number",
    [("200", 200), ('"40002"', 40002), ("-1", -1), ('"-1"', -1), ('"E1"', None), ("null", None)],
)
def test_the_code_is_a_number_where_it_can_be(text: str, number: int | None) -> None:
    """The code comes as a number or as text; other text is no number."""
    envelope = open_envelope(f'{{"success":false,"code":{text}}}'.encode())
    assert envelope.number == number


@pytest.mark.parametrize(
    "text, said",
    [
        ('"msg":"a"', "a"),
        ('"message":"b"', "b"),
        ('"msg":null,"message":"b"', "b"),
        ('"msg":"a","message":"b"', "a"),
        ('"msg":null', ""),
    ],
)
def test_the_text_has_two_names(text: str, said: str) -> None:
    """The platform says ``message``, the API ``msg``; both may be absent."""
    assert open_envelope(f'{{"code":1,{text}}}'.encode()).text == said


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b" ",
        b"null",
        b"true",
        b"[]",
        b'"text"',
        b"{}",
        b'{"data":{}}',
        b'{"status":"ok"}',
        b'{"success":"true"}',
        b'{"success":1}',
        b'{"code":1.5}',
        b'{"code":[]}',
        b'{"code":1,"msg":5}',
        b'{"success":true,"data":{}',
        b'{"success":true}trailing',
        b"\xef\xbb\xbf" + b'{"success":true}',
        b'{"success":true,"msg":"\xff"}',
        b'{"success":true,"data":{"a":tru}}',
        b"<html><body>Login</body></html>",
        b"\x1f\x8b\x08\x00",
        b"\x00" * 100,
        b'{"code":' + b"9" * 6000 + b"}",
    ],
)
def test_anything_else_is_not_an_envelope(text: bytes) -> None:
    """Cut, foreign and damaged bodies are one error that neither quotes nor holds them."""
    with pytest.raises(NotAnEnvelope) as caught:
        open_envelope(text)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_data_stays_undecoded() -> None:
    """The shape of ``data`` is not known yet, so it is kept as it stood."""
    assert bytes(open_envelope(b'{"code":1,"data":{"a": 1.10}}').data) == b'{"a": 1.10}'


@pytest.mark.parametrize("data", [None, {}, [], {"a": 1}, True, "x"])
def test_both_directions_are_a_pair(data: Any) -> None:
    """What the sandbox renders is what the client opens."""
    opened = open_envelope(render_envelope(success=True, code=200, msg="Success", data=data))
    assert (opened.succeeded, opened.number, opened.text) == (True, 200, "Success")
    assert json.loads(bytes(opened.data)) == data


def _nested(depth: int, kinds: str) -> bytes:
    """``depth`` brackets inside each other, in turn of the kinds given."""
    opening = [kinds[level % len(kinds)] for level in range(depth)]
    text = "".join("[" if kind == "[" else '{"":' for kind in opening)
    return (text + "1" + "".join("]" if kind == "[" else "}" for kind in opening[::-1])).encode()


@pytest.mark.parametrize("kinds", ["[", "{", "[{", "{[", "[[{"])
@pytest.mark.parametrize(
    "depth, deep", [(1, False), (MAX_DEPTH, False), (MAX_DEPTH + 1, True), (200, True)]
)
@pytest.mark.parametrize("beside", [b"", b',"[[[{{{"', b',"\\"[[[\\\\"', b",[[],[]]" * 40])
def test_the_limit_is_exact(kinds: str, depth: int, deep: bool, beside: bytes) -> None:
    """Exactly 64 levels pass, whatever brackets stand beside them or inside strings."""
    inner = _nested(depth - 1, kinds) if depth > 1 else b"1"
    text = b"[" + inner + (beside if depth > 2 else b"") + b"]"
    assert json.loads(text)
    assert too_deep(text) is deep


@pytest.mark.parametrize(
    "text",
    [
        b'{"a":"' + b"[" * 1000 + b'"}',
        b'{"a":"' + b'\\"[' * 1000 + b'"}',
        b'{"a":"' + b"\\\\" * 1000 + b'","b":"' + b"{" * 1000 + b'"}',
        b'{"' + b"[" * 1000 + b'":1}',
        b"[" + b",".join([b"{}"] * 10_000) + b"]",
        b"[" + b",".join([b'{"a":[{"b":"[\\"["}]}'] * 1_000) + b"]",
    ],
)
def test_many_brackets_are_not_deep_by_themselves(text: bytes) -> None:
    """Strings, escapes and long flat lists are no nesting."""
    assert json.loads(text)
    assert not too_deep(text)


@pytest.mark.parametrize(
    "text",
    [
        b"[" * 200_000,
        b'{"a":' * 200_000,
        b'{"success":true,"data":' + b"[" * 200_000 + b"]" * 200_000 + b"}",
        b'{"success":true,"new":' + b'[{"a":' * 100_000,
        b'{"a":"\\"",' + b'"b":[' * 200_000,
    ],
)
def test_deep_nesting_raises_on_a_small_stack(text: bytes) -> None:
    """The decoder would kill the process; the depth is refused before it sees the body."""
    errors: list[BaseException] = []

    def read() -> None:
        for operation in (READ, BARE):
            try:
                answer(operation, body(text))
            except FincardError as error:
                errors.append(error)

    _on_a_small_stack(read)
    assert [type(error) for error in errors] == [NotAnEnvelope, NotAnEnvelope]


def test_a_deep_token_is_not_decoded() -> None:
    """The claims of a token are server input too."""
    found: list[float | None] = []
    claims = base64.urlsafe_b64encode(b'{"new":' + b"[" * 200_001).decode()
    _on_a_small_stack(lambda: found.append(jwt_expiry(f"a.{claims}.c")))
    assert found == [None]


def _on_a_small_stack(work: Any) -> None:
    before = threading.stack_size(256 * 1024)
    try:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    finally:
        threading.stack_size(before)


@pytest.mark.parametrize(
    "text",
    [
        b'{"a":"' + b'\\"' * 400_000 + b"[" * 100,
        b'{"a":"' + b'\\"' * 400_000 + b"[" * 100 + b"\\",
        b"\\" * 800_000 + b"[" * 100,
        b'"' * 800_001 + b"\\" + b"[" * 100,
    ],
)
def test_no_body_is_scanned_twice(text: bytes) -> None:
    """A string that never ends costs one pass; a second pass per escape would take hours."""
    too_deep(text)
    with pytest.raises(NotAnEnvelope):
        open_envelope(text)


@given(st.binary(max_size=200))
def test_random_bytes_raise_nothing_else(text: bytes) -> None:
    """Only this package's errors come out."""
    try:
        open_envelope(text)
    except NotAnEnvelope:
        pass


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=20,
)


@given(json_values, st.integers(0, 80))
def test_the_depth_check_agrees_with_counting(value: Any, extra: int) -> None:
    """Any JSON value, wrapped any number of times, is deep exactly when its levels exceed 64."""
    for _ in range(extra):
        value = [value, "[" * 65]
    assert too_deep(json.dumps(value).encode()) is (_levels(value) > MAX_DEPTH)


def _levels(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(_levels, value.values()), default=0)
    return 1 + max(map(_levels, value), default=0) if isinstance(value, list) else 0
