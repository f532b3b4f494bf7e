"""Every example of the schema is decoded, encoded, and given to the public client as an answer."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from fincard_async import ApiError, BearerToken, FincardClient, OutcomeUnknown
from fincard_async._generated.operations import OPERATION_NAMES, load
from fincard_async._generated.wire import REFUSALS
from fincard_async._sansio.codec import decode_any, encode
from fincard_async._sansio.messages import HttpResponse
from fincard_async._sansio.options import NO_RETRY
from fincard_async._sansio.requests import parse_request
from fincard_async._sansio.responses import interpret
from fincard_async.testing import ScriptedTransport
from tests.schema_examples import Example, examples

pytestmark = pytest.mark.anyio

EXAMPLES = examples()
ENVELOPED = [e for e in EXAMPLES if load(e.operation).shape != "bare"]


def plain(value: Any) -> Any:
    """A JSON value with amounts as exact numbers, digits as integers, and nothing that is null."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float | Decimal):
        return Decimal(str(value)).normalize()
    if isinstance(value, str):
        try:
            return Decimal(value).normalize() if not value.startswith("+") else value
        except ArithmeticError:
            return value
    return value


def only_known(value: Any, shown: Any) -> Any:
    """``value`` without the keys that ``shown`` lacks: the fields that a model does not name."""
    if isinstance(value, dict) and isinstance(shown, dict):
        return {key: only_known(item, shown[key]) for key, item in value.items() if key in shown}
    if isinstance(value, list) and isinstance(shown, list):
        return [only_known(item, seen) for item, seen in zip(value, shown, strict=True)]
    return value


def documented(value: Any, aliases: dict[str, str]) -> Any:
    """``value`` with the documented spelling of each key."""
    if isinstance(value, dict):
        return {aliases.get(key, key): documented(item, aliases) for key, item in value.items()}
    if isinstance(value, list):
        return [documented(item, aliases) for item in value]
    return value


def test_every_operation_has_examples() -> None:
    """Each operation has at least one success and one refusal."""
    for name in OPERATION_NAMES:
        mine = [
            e.answer.get("success", "accessToken" in e.answer)
            for e in EXAMPLES
            if e.operation == name
        ]
        assert any(mine), name
        assert not all(mine), name


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda e: e.id)
def test_request(example: Example) -> None:
    """A request decodes, passes its rules and encodes to what it was."""
    operation = load(example.operation)
    body = msgspec.json.encode(example.request)
    request = parse_request(operation, body)
    assert plain(decode_any(encode(request))) == plain(example.request)


@pytest.mark.parametrize(
    "example", [e for e in ENVELOPED if e.answer["success"]], ids=lambda e: e.id
)
def test_answer_round_trip(example: Example) -> None:
    """Decoded and encoded again, the data of a success are what they were."""
    operation = load(example.operation)
    request = parse_request(operation, msgspec.json.encode(example.request))
    response = HttpResponse(200, {}, msgspec.json.encode(example.answer))
    result = interpret(operation, request, response, REFUSALS)
    again = plain(decode_any(encode(result)))
    expected = documented(plain(example.answer["data"]), dict(operation.aliases))
    if operation.or_true and operation.order_number is not None:
        number = operation.order_number.wire  # the client fills it in
        expected = {**expected, number: example.request[number]}
    assert again == only_known(expected, again)


async def _call(example: Example) -> Any:
    answer = HttpResponse(200, {}, msgspec.json.encode(example.answer))
    transport = ScriptedTransport([answer])
    operation = load(example.operation)
    request = parse_request(operation, msgspec.json.encode(example.request))
    async with FincardClient(
        base_url="https://schema.example",
        auth=BearerToken("token"),
        tenant_id="tenant",
        retry=NO_RETRY,
        transport=transport,
    ) as client:
        caller = client._caller()
        if operation.shape == "page":
            assert operation.paging is not None
            pages = caller.paginate(operation, request, None, 0)
            return await pages.page(getattr(request, operation.paging.page))
        if operation.shape == "list":
            return await caller.call_list(operation, request, None)
        return await caller.call(operation, request, None)


@pytest.mark.parametrize("example", ENVELOPED, ids=lambda e: e.id)
async def test_replay(example: Example) -> None:
    """Given to the client, a success is a result and a refusal an error with its code."""
    if example.answer["success"]:
        assert await _call(example) is not None
        return
    with pytest.raises((ApiError, OutcomeUnknown)) as caught:
        await _call(example)
    assert caught.value.code == example.answer["code"]
    assert caught.value.operation == example.operation
