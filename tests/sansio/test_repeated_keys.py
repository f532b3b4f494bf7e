"""A mutation's answer that names a key twice is not believed, whichever value a decoder takes."""

from __future__ import annotations

import pytest

from fincard_async import BearerToken, FincardClient, OutcomeUnknown, RetryPolicy
from fincard_async._sansio.envelope import repeats_a_key
from fincard_async._sansio.messages import HttpResponse
from fincard_async.testing import ScriptedTransport

ORDER = "ORDER000000000000000000000000001"
ANSWER = (
    '{"success":true,"code":200,"data":{"merchantOrderNo":"%s","cardNo":"FC1",'
    '"status":"success","amount":50%s}%s}'
)


@pytest.mark.parametrize(
    ("body", "repeated"),
    [
        (b"{}", False),
        (b'{"a":1,"b":{"a":1},"c":[{"a":1},{"a":1}]}', False),
        (b'{"a":1,"a":1}', True),
        (b'{"a":1,"\\u0061":2}', True),
        (b'{"x":[{"y":{"a":1,"b":2,"a":3}}]}', True),
        (b'{"a":', False),
        (b'{"a":"\xff","a":1}', False),
        (b'{"a":' + b"9" * 10_000 + b',"b":1e999}', False),
    ],
    ids=str,
)
def test_repeats_a_key(body: bytes, repeated: bool) -> None:
    """Objects at any depth count, escapes are undone; what is no JSON is left to the decoder."""
    assert repeats_a_key(body) is repeated


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("inner", "outer", "believed"),
    [
        ("", "", True),
        (',"amount":60', "", False),
        (f',"merchantOrderNo":"{ORDER}"', "", False),
        (',"cardNo":"FC2"', "", False),
        ("", ',"success":true', False),
    ],
)
async def test_an_answer_of_a_mutation(inner: str, outer: str, believed: bool) -> None:
    """With a repeated key the outcome is unknown, although the answer decodes."""
    body = (ANSWER % (ORDER, inner, outer)).encode()
    async with FincardClient(
        base_url="https://keys.example",
        auth=BearerToken("token"),
        tenant_id="tenant",
        retry=RetryPolicy(settle=False),
        transport=ScriptedTransport([HttpResponse(200, {}, body)]),
    ) as client:
        if believed:
            made = await client.cards.open(card_type_id=1, amount=50, merchant_order_no=ORDER)
            assert made.card_no == "FC1"
            return
        with pytest.raises(OutcomeUnknown, match="names a key twice"):
            await client.cards.open(card_type_id=1, amount=50, merchant_order_no=ORDER)
