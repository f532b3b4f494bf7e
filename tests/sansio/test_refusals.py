"""Which error a refusal becomes: every row of the schema's table."""

from __future__ import annotations

import re

import pytest

from fincard_async import errors
from fincard_async._generated.wire import REFUSALS
from fincard_async._sansio.messages import HttpResponse
from fincard_async._sansio.refusals import RefusalRow, find_refusal
from fincard_async.errors import ApiError
from fincard_async.testing import reply

from .samples import WRITE, answer

FINAL, OPEN = True, False

CASES: list[tuple[int, int | None, str, str, bool]] = [
    (200, -1, "Duplicate order number", "DuplicateOrder", OPEN),
    (200, 40002, "DUPLICATE ORDER", "DuplicateOrder", OPEN),
    (500, 500, "duplicate order number", "DuplicateOrder", OPEN),
    (409, 409, "Duplicate request", "DuplicateOrder", OPEN),
    (400, 500, "Missing required header(s)", "InvalidRequest", FINAL),
    (400, 400, "bad", "InvalidRequest", OPEN),
    (401, 401, "expired", "Unauthenticated", FINAL),
    (403, 403, "denied", "PermissionDenied", FINAL),
    (403, None, "denied", "PermissionDenied", OPEN),
    (404, 404, "no card", "NotFound", FINAL),
    (404, None, "no route", "NotFound", OPEN),
    (409, 409, "conflict", "InvalidRequest", OPEN),
    (422, 422, "rule", "InvalidRequest", FINAL),
    (422, -1, "rule", "InvalidRequest", OPEN),
    (429, 429, "slow down", "RateLimited", OPEN),
    (500, 500, "oops", "ServerError", OPEN),
    (502, 502, "oops", "ServerError", OPEN),
    (503, 503, "oops", "ServerError", OPEN),
    (504, 504, "oops", "ServerError", OPEN),
    (200, 500, "oops", "ServerError", OPEN),
    (200, -1, "System busy", "ServerError", OPEN),
    (200, -1, "internal error", "ServerError", OPEN),
    (200, -1, "the order is being processed", "ServerError", OPEN),
    (200, -1, "request timed out", "ServerError", OPEN),
    (200, -1, "Too many requests", "RateLimited", OPEN),
    (200, -1, "Insufficient balance", "InsufficientFunds", FINAL),
    (200, -1, "balance not enough", "InsufficientFunds", FINAL),
    (200, -1, "card does not exist", "NotFound", FINAL),
    (200, -1, "The BIN not support the model", "InvalidRequest", FINAL),
    (200, -1, "", "InvalidRequest", FINAL),
    (200, 40002, "town parameter error", "InvalidRequest", FINAL),
    (200, 777, "something new", "UnknownApiError", OPEN),
    (200, None, "something new", "UnknownApiError", OPEN),
    (418, 418, "teapot", "UnknownApiError", OPEN),
]


@pytest.mark.parametrize("status, code, text, name, final", CASES)
def test_each_refusal_becomes_its_error(
    status: int, code: int | None, text: str, name: str, final: bool
) -> None:
    """Class, facts and finality follow from HTTP status, code and text."""
    response = _refusal(status, code, text)
    with pytest.raises(ApiError) as caught:
        answer(WRITE, response, REFUSALS)
    error = caught.value
    assert type(error).__name__ == name
    assert (error.status, error.code, error.final) == (status, code, final)


def _refusal(status: int, code: int | None, text: str) -> HttpResponse:
    response = reply(status=status, success=False, code=code, msg=text)
    if code is not None:
        return response
    return HttpResponse(status, {}, re.sub(rb'"code":-?\d+', b'"code":null', response.body))


def test_every_row_is_reached() -> None:
    """No row of the table stands behind one that takes everything it would take."""
    reached = {find_refusal(REFUSALS, status, code, text) for status, code, text, *_ in CASES}
    assert set(REFUSALS) - reached == set()


def test_every_row_names_an_error() -> None:
    """The table holds names; each is a refusal of the error tree."""
    for row in REFUSALS:
        assert issubclass(getattr(errors, row.error), ApiError)


@pytest.mark.parametrize("status", [400, 403, 404, 409, 422])
def test_without_an_envelope_no_refusal_is_final(status: int) -> None:
    """A proxy that knows nothing of the order may have answered."""
    with pytest.raises(ApiError) as caught:
        answer(WRITE, HttpResponse(status, {}, b"<html>"), REFUSALS)
    assert not caught.value.final


def test_a_401_is_final_by_itself() -> None:
    """A call with a refused token goes no further, whoever refused it."""
    with pytest.raises(errors.Unauthenticated) as caught:
        answer(WRITE, HttpResponse(401, {}, b""), REFUSALS)
    assert caught.value.final


@pytest.mark.parametrize(
    "row, fits",
    [
        (RefusalRow(None, None, None, "NotFound", True), True),
        (RefusalRow(200, -1, "NO.*card", "NotFound", True), True),
        (RefusalRow(201, None, None, "NotFound", True), False),
        (RefusalRow(None, -2, None, "NotFound", True), False),
        (RefusalRow(None, None, "^card", "NotFound", True), False),
    ],
)
def test_a_row_fits_where_all_it_says_fits(row: RefusalRow, fits: bool) -> None:
    """None fits anything; text is searched without regard to case."""
    assert find_refusal([row], 200, -1, "no such card") is (row if fits else None)


def test_the_first_row_that_fits_decides() -> None:
    """The table is read top to bottom."""
    first = RefusalRow(200, None, None, "NotFound", True)
    second = RefusalRow(200, -1, None, "InvalidRequest", True)
    assert find_refusal([first, second], 200, -1, "") is first
    assert find_refusal([], 200, -1, "") is None
