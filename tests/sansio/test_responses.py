"""A complete HTTP answer becomes a result or one error."""

from __future__ import annotations

import traceback
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, strategies as st

from fincard_async._sansio.codec import encode
from fincard_async._sansio.messages import HttpResponse
from fincard_async._sansio.operation import Operation
from fincard_async._sansio.responses import render_result, scrub
from fincard_async._sansio.secret import Sealed, Secret
from fincard_async.errors import (
    ApiError,
    DecodeError,
    FincardError,
    NotAnEnvelope,
    ReplyError,
    ResponseMismatch,
    UnexpectedRedirect,
    UnknownApiError,
)
from fincard_async.testing import reply

from .samples import BARE, LIST, ORDER, PAGE, READ, WRITE, Answer, Ask, Session, State, answer, body

CANARY = "canary4111111111111111"


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 307, 308, 399])
def test_a_redirect_is_refused_whatever_it_says(status: int) -> None:
    """The status decides before the body, even if the body looks like a success."""
    with pytest.raises(UnexpectedRedirect) as caught:
        answer(READ, HttpResponse(status, {"location": CANARY}, reply({}).body))
    assert caught.value.status == status
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 418, 422, 429, 500, 502, 503, 599])
@pytest.mark.parametrize("text", [reply({}).body, b"", b"<html>", b"[" * 500, b"\xff"])
def test_a_bad_status_is_never_a_success(status: int, text: bytes) -> None:
    """An error status with a success inside is a refusal, known or not."""
    with pytest.raises(ApiError) as caught:
        answer(READ, body(text, status))
    assert caught.value.status == status
    assert isinstance(caught.value, UnknownApiError)
    assert not caught.value.final


@pytest.mark.parametrize("status", [200, 201, 202, 299])
def test_any_2xx_with_a_success_is_one(status: int) -> None:
    """The API answers 200; another 2xx says the same."""
    got = answer(READ, HttpResponse(status, {}, render_result({"cardNo": "C1"})))
    assert got == Answer(card_no="C1")


@pytest.mark.parametrize("text", ["", "<html>Login</html>", "{}", '{"success":true'])
def test_a_2xx_without_an_envelope_is_not_a_result(text: str) -> None:
    """A login page or a cut body is an error, not an empty success."""
    with pytest.raises(NotAnEnvelope):
        answer(READ, body(text))


ROW = {"cardNo": "C1", "amount": "1.10"}
READ_ROW = Answer(card_no="C1", amount=Decimal("1.10"))


@pytest.mark.parametrize(
    "operation, data, result",
    [
        (READ, ROW, READ_ROW),
        (READ, [ROW], READ_ROW),
        (READ, {}, Answer()),
        (LIST, [ROW, ROW], [READ_ROW, READ_ROW]),
        (LIST, ROW, [READ_ROW]),
        (LIST, [], []),
        (LIST, None, []),
    ],
)
def test_shapes_that_sources_disagree_about(
    operation: Operation[Ask, Answer], data: object, result: object
) -> None:
    """One object may come in a list, a list may come as its one object, or as null."""
    assert answer(operation, data) == result


@pytest.mark.parametrize(
    "operation, data",
    [
        (READ, None),
        (READ, []),
        (READ, [ROW, ROW]),
        (READ, [None]),
        (READ, True),
        (READ, "text"),
        (WRITE, None),
        (LIST, True),
        (LIST, [[ROW]]),
        (LIST, {"cardNo": 1}),
        (PAGE, None),
        (PAGE, []),
        (PAGE, {"records": []}),
        (PAGE, {"total": "x", "records": []}),
    ],
)
def test_other_shapes_are_not_guessed(operation: Operation[Ask, Answer], data: object) -> None:
    """Nothing, or more than was asked for, is an error and not an empty result."""
    with pytest.raises(DecodeError):
        answer(operation, data)


def test_a_page_has_a_total_and_rows() -> None:
    """The total is read from a number or from text."""
    page = answer(PAGE, {"total": "12", "records": [ROW], "pageNum": 1})
    assert (page.total, page.records) == (12, [READ_ROW])


def test_an_answer_without_envelope() -> None:
    """A login answers in no envelope; the whole body is the data."""
    assert answer(BARE, body('{"token":"t","code":"200"}')) == Session(token=Secret("t"), code=200)
    with pytest.raises(DecodeError, match="missing required field `token`"):
        answer(BARE, body('{"code":200}'))


@pytest.mark.parametrize(
    "data, result",
    [
        ({"cardId": "C1"}, Answer(card_no="C1")),
        ({"cardNo": "C1", "cardId": "C2"}, Answer(card_no="C1")),
        ({"cardStatus": "normal", "cardNo": "C1"}, Answer(card_no="C1", status=State.NORMAL)),
        ({"cardId": "C1", "new": [{"cardId": "x"}]}, Answer(card_no="C1")),
        ([{"cardId": "C1"}], Answer(card_no="C1")),
        ({"cardNo": "C1", "remark": "cardId"}, Answer(card_no="C1")),
    ],
)
def test_the_other_vocabulary_is_read(data: object, result: Answer) -> None:
    """Other spellings count where the documented one is absent."""
    assert answer(READ, data) == result


def test_the_other_vocabulary_keeps_amounts_exact() -> None:
    """Renaming fields does not touch the digits of a number."""
    text = '{"success":true,"code":200,"data":{"cardId":"C1","amount":0.0000001000}}'
    assert str(answer(READ, body(text)).amount) == "1.000E-7"
    with pytest.raises(DecodeError):
        answer(READ, body(text.replace("0.0000001000", "1e400")))


def test_the_other_vocabulary_is_read_in_rows() -> None:
    """Aliases hold for every row of a page."""
    page = answer(PAGE, {"total": 1, "records": [{"cardId": "C1"}]})
    assert page.records == [Answer(card_no="C1")]


@pytest.mark.parametrize(
    "data",
    [
        {"merchantOrderNo": "B" * 32, "cardNo": "C1"},
        {"merchantOrderNo": ORDER, "cardNo": "C2"},
        {"merchantOrderNo": ORDER.lower(), "cardNo": "C1"},
    ],
)
def test_an_answer_about_something_else_is_a_mismatch(data: object) -> None:
    """A mixed-up answer is caught by its own numbers, which the message does not quote."""
    with pytest.raises(ResponseMismatch) as caught:
        answer(WRITE, data)
    assert ORDER not in str(caught.value)


@pytest.mark.parametrize("data", [{}, {"cardNo": None}, {"cardNo": "C1"}])
def test_what_the_answer_leaves_out_is_no_mismatch(data: object) -> None:
    """Only a number that is present can differ; a request without one is not compared."""
    assert answer(WRITE, data) is not None
    unnumbered = Ask(card_no="C1")
    assert answer(WRITE, {"merchantOrderNo": ORDER, "cardNo": "C1"}, request=unnumbered)


@pytest.mark.parametrize(
    "field", ["cardNo", "merchantOrderNo", "amount", "status", "time", "sealed", "flag"]
)
@pytest.mark.parametrize(
    "value",
    [
        f'"{CANARY}"',
        f'["{CANARY}"]',
        f'{{"{CANARY}":"{CANARY}"}}',
        "4111111111111111.5",
        "411111111111111141111",
        "true",
    ],
)
@pytest.mark.parametrize("operation", [READ, WRITE, LIST, PAGE])
def test_no_error_shows_or_holds_a_value(
    operation: Operation[Ask, Answer], field: str, value: str
) -> None:
    """Wrong types anywhere end in an error that has no value in text, arguments or causes."""
    row = f'{{"{field}":{value}}}'
    data = f'{{"total":1,"records":[{row}]}}' if operation is PAGE else row
    shown = ""
    try:
        answer(operation, body(f'{{"success":true,"data":{data}}}'))
    except ReplyError as error:
        shown = _shown(error)
    assert "canary" not in shown
    assert "4111" not in shown


def _shown(error: BaseException | None) -> str:
    """All that logging or an error tracker would find, arguments of causes included."""
    text = "" if error is None else "".join(traceback.format_exception_only(error))
    while error is not None:
        text += repr(error) + repr(vars(error)) + repr(error.args)
        error = error.__cause__ or error.__context__
    return text


@pytest.mark.parametrize("text", [b'{"success":true,"data":{"cardNo":"canary\xff"}}'])
def test_an_error_does_not_hold_the_body(text: bytes) -> None:
    """Python's error for bad UTF-8 holds the whole body; it must not come along."""
    with pytest.raises(ReplyError) as caught:
        answer(READ, body(text))
    assert caught.value.__context__ is None
    assert "canary" not in _shown(caught.value)


@pytest.mark.parametrize(
    "text, shown",
    [
        ("card not found", "card not found"),
        ("  padded  ", "padded"),
        ("two\r\nlines\x00\x1b[31m", "two  lines  [31m"),
        ("card 4111111111111111 declined", "card [digits] declined"),
        ("card 4111 1111 1111 1111.", "card [digits]."),
        ("4111-1111-1111-1111", "[digits]"),
        ("4111\u200b1111\u200b1111\u200b1111", "[digits]"),
        ("order 12345678901", "order 12345678901"),
        ("x" * 300, "x" * 200),
        ("x" * 190 + "4111111111111111", "x" * 190),
        ("x" * 180 + " 4111 1111 1111 1111 rest", "x" * 180),
        ("", ""),
    ],
)
def test_server_text_is_made_safe(text: str, shown: str) -> None:
    """One short printable line without long numbers, also where the cut would shorten one."""
    assert scrub(text) == shown


@given(st.text(max_size=400))
def test_made_safe_means_one_short_printable_line(text: str) -> None:
    """The law of ``scrub``, over any text."""
    line = scrub(text)
    assert line.isprintable()
    assert len(line) <= 200


@pytest.mark.parametrize(
    "response, said",
    [
        (reply(status=500, msg="4111111111111111 failed"), "the server refused: [digits] failed"),
        (reply(status=500), "the server refused: no message"),
        (body("<html>", 502), "the server refused: no envelope"),
    ],
)
def test_a_refusal_says_what_the_server_said(response: HttpResponse, said: str) -> None:
    """The message has the server's text, made safe, or says why there is none."""
    with pytest.raises(ApiError) as caught:
        answer(READ, response)
    assert caught.value.message == said


@pytest.mark.parametrize("data", [ROW, {"sealed": Sealed("QUJD")}, [], None])
def test_both_directions_are_a_pair(data: Any) -> None:
    """What the sandbox renders as a result, the client reads as that result."""
    rendered = render_result(data)
    assert rendered == b'{"success":true,"code":200,"msg":"Success","data":' + encode(data) + b"}"
    assert answer(LIST, body(rendered)) is not None


@given(st.binary(max_size=60))
@pytest.mark.parametrize("operation", [READ, LIST, PAGE])
def test_random_data_raises_nothing_else(operation: Operation[Ask, Answer], data: bytes) -> None:
    """Only errors of this package come out, whatever stands in ``data``."""
    try:
        answer(operation, body(b'{"success":true,"data":' + data + b"}"))
    except FincardError:
        pass
