"""Small operations of every shape, so that these tests do not depend on the schema."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import field

from fincard_async._sansio.messages import HttpResponse
from fincard_async._sansio.model import Model, StrEnum
from fincard_async._sansio.money import Money
from fincard_async._sansio.operation import Operation, OrderNumber, Paging, Rule, Safety
from fincard_async._sansio.refusals import RefusalRow
from fincard_async._sansio.responses import interpret
from fincard_async._sansio.secret import Sealed, Secret
from fincard_async.testing import reply

ORDER = "A" * 32


class State(StrEnum):
    """An enumeration with uneven spelling, like those of the API."""

    NORMAL = "Normal"
    CANCEL = "cancel"


class Ask(Model, frozen=True, kw_only=True):
    """A request."""

    card_no: str = field(name="cardNo")
    merchant_order_no: str | None = field(name="merchantOrderNo", default=None)
    amount: Money | None = None
    pin: Secret | None = None
    remark: str | None = None


class Answer(Model, frozen=True, kw_only=True):
    """An answer."""

    card_no: str | None = field(name="cardNo", default=None)
    merchant_order_no: str | None = field(name="merchantOrderNo", default=None)
    amount: Money | None = None
    status: State | None = None
    time: int | None = None
    sealed: Sealed | None = None
    flag: bool | None = None


class Session(Model, frozen=True, kw_only=True):
    """An answer without an envelope."""

    token: Secret
    code: int | None = None


_ALIASES = (("cardId", "cardNo"), ("cardStatus", "status"))
_ECHO = (("merchant_order_no", "merchant_order_no"), ("card_no", "card_no"))

READ: Operation[Ask, Answer] = Operation(
    name="things.get",
    path="/api/things/get",
    input=Ask,
    output=Answer,
    shape="object",
    safety=Safety.READ,
    rules=(Rule(name="card_no", wire="cardNo", kind="text", required=True, min_length=1),),
    echo=(("card_no", "card_no"),),
    aliases=_ALIASES,
)

WRITE: Operation[Ask, Answer] = Operation(
    name="things.pay",
    path="/api/things/pay",
    input=Ask,
    output=Answer,
    shape="object",
    safety=Safety.UNSAFE,
    rules=(
        Rule(name="card_no", wire="cardNo", kind="text", required=True, min_length=1),
        Rule(
            name="merchant_order_no",
            wire="merchantOrderNo",
            kind="text",
            required=True,
            min_length=20,
            max_length=40,
        ),
        Rule(name="amount", wire="amount", kind="money", above="0"),
        Rule(name="pin", wire="pin", kind="secret", check="pin"),
        Rule(name="remark", wire="remark", kind="text", max_length=50),
    ),
    order_number=OrderNumber(name="merchant_order_no", wire="merchantOrderNo"),
    kind="pay",
    echo=_ECHO,
)

LIST: Operation[Ask, Answer] = Operation(
    name="things.list",
    path="/api/things/list",
    input=Ask,
    output=Answer,
    shape="list",
    safety=Safety.READ,
    rules=(),
)

PAGE: Operation[Ask, Answer] = Operation(
    name="things.query",
    path="/api/things/query",
    input=Ask,
    output=Answer,
    shape="page",
    safety=Safety.READ,
    rules=(),
    paging=Paging(page="page", size="size", max_size=100, natural_key=("card_no",)),
    aliases=_ALIASES,
)

BARE: Operation[Ask, Session] = Operation(
    name="things.login",
    path="/api/login",
    input=Ask,
    output=Session,
    shape="bare",
    safety=Safety.READ,
    rules=(),
)

ASKED = Ask(card_no="C1", merchant_order_no=ORDER)


def answer(
    operation: Operation[Any, Any],
    response: HttpResponse | object,
    refusals: Sequence[RefusalRow] = (),
    request: Ask = ASKED,
) -> Any:
    """Interpret an answer, or plain data inside a success."""
    whole = response if isinstance(response, HttpResponse) else reply(response)
    return interpret(operation, request, whole, refusals)


def body(text: str | bytes, status: int = 200) -> HttpResponse:
    """An answer with exactly this body."""
    return HttpResponse(status, {}, text.encode() if isinstance(text, str) else text)
