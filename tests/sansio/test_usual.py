"""The quick way for short answers gives what the careful way gives, or leaves it to that."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, strategies as st

from fincard_async._generated.operations.cards import GET_BALANCE
from fincard_async._generated.operations.transactions import OPERATIONS
from fincard_async._generated.wire import REFUSALS
from fincard_async._sansio.messages import HttpResponse
from fincard_async._sansio.model import Model, PageData
from fincard_async._sansio.operation import Operation
from fincard_async._sansio.responses import interpret
from fincard_async._sansio.sizes import SHORT_BODY
from fincard_async._sansio.usual import usual_reader
from fincard_async.errors import FincardError

ASKED = (
    (GET_BALANCE, GET_BALANCE.input(card_no="C1")),
    (OPERATIONS, OPERATIONS.input(page_num=1, page_size=9)),
)
ODD = [
    "1e5",
    "NaN",
    "1_0",
    " 1",
    ".5",
    "5.",
    "+1",
    "1" * 19,
    "1.50",
    "-0.1",
    "007",
    "",
    "null",
    "x",
]
AMOUNTS = [*ODD, *(f'"{odd}"' for odd in ODD), "true", "{}", "[1]", '"\\u0031"', '"\uff11"']
BALANCE = '{{"cardNo":"C1","amount":{0},"usedAmount":{0},"currency":"USD"}}'
ROW = '{{"orderNo":"1","type":"deposit","status":"success",{1}"amount":{0}}}'
NAMES = ["", '"cardNo":"C1",', '"cardId":"C1",', '"cardNo":"C1","cardId":"C2",']


def ended(operation: Operation[Model, object], request: Model, body: bytes) -> object:
    """The result, or the class of the error."""
    try:
        return interpret(operation, request, HttpResponse(200, {}, body), REFUSALS)
    except FincardError as error:
        return type(error)


@pytest.mark.parametrize("success", ["true", '"true"', "1", "false", "null"])
@pytest.mark.parametrize("code", ["200", '"200"', "200.5", "-1", "null", '"x"'])
@pytest.mark.parametrize("amount", ["1.5", '"1.5"', "1e5"])
def test_the_envelope(success: str, code: str, amount: str) -> None:
    """What is a success in the one way is one in the other."""
    data = BALANCE.format(amount)
    text = f'{{"success":{success},"code":{code},"msg":"m","data":{data}}}'
    body = text.encode()
    assert ended(*ASKED[0], body) == ended(*ASKED[0], body + b" " * SHORT_BODY)


@given(st.data())
def test_both_ways_agree(data: st.DataObject) -> None:
    """Whatever the amounts, the names and the noise; a balance, and a page of rows."""
    which = data.draw(st.sampled_from([0, 1]))
    rows = data.draw(
        st.lists(st.tuples(st.sampled_from(AMOUNTS), st.sampled_from(NAMES)), max_size=3)
    )
    if which == 0:
        shown = BALANCE.format(data.draw(st.sampled_from(AMOUNTS)))
    else:
        shown = f'{{"total":9,"records":[{",".join(ROW.format(*row) for row in rows)}]}}'
    tail = data.draw(st.sampled_from(["", ',"success":false', ',"code":"x"', ',"data":null']))
    body = f'{{"success":true,"code":200,"msg":"Success","data":{shown}{tail}}}'.encode()
    place = data.draw(st.integers(0, len(body)))
    body = (
        body[:place]
        + data.draw(st.binary(max_size=2))
        + body[place + data.draw(st.integers(0, 1)) :]
    )
    operation, request = ASKED[which]
    assert ended(operation, request, body) == ended(operation, request, body + b" " * SHORT_BODY)


def test_a_usual_answer_takes_the_quick_way() -> None:
    """And each thing that it cannot judge makes it say so."""
    read = usual_reader(GET_BALANCE.output, ["cardId"])
    assert read is not None
    body = '{{"success":true,"code":200,"msg":"Success","data":{0}}}'
    usual = body.format(BALANCE.format("1.5"))
    found = read(usual.encode())
    assert isinstance(found, GET_BALANCE.output)
    assert found.amount == Decimal("1.5")
    for old, new in (
        ('"C1"', '"C\\u0031"'),
        ("true", "false"),
        ("200", '"200"'),
        ("1.5", "15e-1"),
        ("cardNo", "cardId"),
        ('"USD"', "7"),
        ('"USD"', '"USD","amount":1e5'),
        ('"Success"', "[" * 65 + "]" * 65),
    ):
        assert usual.replace(old, new) != usual
        assert read(usual.replace(old, new).encode()) is None, new


def test_an_amount_without_a_name_has_no_quick_way() -> None:
    """In a list of amounts the search could not tell them from other numbers."""

    class Listed(msgspec.Struct):
        """Amounts in a list."""

        amounts: list[Decimal]

    assert usual_reader(Listed, []) is None
    assert GET_BALANCE.usual is not None


@pytest.mark.parametrize("count", [1, 60])
@pytest.mark.parametrize("names", NAMES)
def test_another_spelling_in_a_page(names: str, count: int) -> None:
    """It is found in one row of many; where both stand, the documented one counts."""
    rows = [ROW.format("1.5", '"cardNo":"C0",')] * count + [ROW.format("1.5", names)]
    data = f'{{"total":9,"records":[{",".join(rows)}]}}'
    body = f'{{"success":true,"code":200,"msg":"Success","data":{data}}}'.encode()
    page = ended(*ASKED[1], body)
    assert isinstance(page, PageData)
    assert page.records[-1].card_no == (None if names == "" else "C1")
