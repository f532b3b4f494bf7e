"""Stages 2 and 3 of a call: fix the order number, check the rules, make the final bytes."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from fincard_async.errors import ValidationError

from .codec import encode
from .model import Model
from .operation import Operation
from .rules import check

I = TypeVar("I", bound=Model)  # noqa: E741 - input


class Prepared(msgspec.Struct, frozen=True, gc=False):
    """A call whose bytes are final: every attempt sends exactly these."""

    operation: Operation[Model, object]
    request: Model
    path: str
    body: bytes
    order_no: str | None

    def __repr__(self) -> str:
        return f"Prepared({self.operation.name}, order_no={self.order_no!r})"


def with_order_number(operation: Operation[I, object], request: I, minted: str) -> I:
    """Put ``minted`` where the caller gave no order number; a given one is kept."""
    number = operation.order_number
    if number is None or getattr(request, number.name) is not None:
        return request
    return msgspec.structs.replace(request, **{number.name: minted})


def order_no_of(operation: Operation[I, object], request: I) -> str | None:
    """The order number in a request; None for a read."""
    number = operation.order_number
    return None if number is None else getattr(request, number.name)


def build_request(
    operation: Operation[I, object], request: I, *, money_as: str, path: str = ""
) -> Prepared:
    """Check a request and make its bytes; ``path`` where the operation's has ids in it.

    Raises:
        ValidationError: A rule of the schema is broken; nothing was sent.
    """
    check(operation.rules, request)
    if (body := _encoded(request, money_as)) is None:
        raise ValidationError("the request holds text that cannot be written as UTF-8")
    return Prepared(
        operation=operation,
        request=request,
        path=path or operation.path,
        body=body,
        order_no=order_no_of(operation, request),
    )


def _encoded(request: Model, money_as: str) -> bytes | None:
    try:
        return encode(request, money_as=money_as)
    except UnicodeEncodeError:  # not raised further: it holds the text
        return None


def parse_request(operation: Operation[I, object], body: bytes) -> I:
    """The sandbox's side of ``build_request``: bytes to a checked request.

    Raises:
        msgspec.MsgspecError: The body is not the documented JSON.
        ValidationError: A rule of the schema is broken.
    """
    request: I = operation.input_decoder.decode(body)
    check(operation.rules, request)
    return request
