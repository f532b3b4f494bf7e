"""What the canned server says, in the vocabulary of each client."""

from __future__ import annotations

from typing import Final

import msgspec

from fincard_async._generated.operations.cards import GET_BALANCE
from fincard_async._generated.operations.transactions import OPERATIONS

CARD: Final = "WB1234567890123456789012"
BALANCE: Final = (
    b'{"success":true,"code":200,"msg":"Success","data":'
    b'{"cardNo":"WB1234567890123456789012","amount":120.50,"usedAmount":3.10,"currency":"USD"}}'
)
_ROW: Final = {
    "orderNo": "2026112600000000000000000001",
    "merchantOrderNo": "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567",
    "cardNo": CARD,
    "type": "deposit",
    "status": "success",
    "currency": "USD",
    "amount": "25.50",
    "fee": "0.25",
    "receivedAmount": "25.25",
    "receivedCurrency": "USD",
    "transactionTime": 1795651200000,
    "remark": "payroll November",
    "description": "deposit to a card",
}
PAGE: Final = msgspec.json.encode(
    {
        "success": True,
        "code": 200,
        "msg": "Success",
        "data": {"total": 100, "records": [_ROW] * 100},
    }
)
ANSWERS: Final = {GET_BALANCE.path: BALANCE, OPERATIONS.path: PAGE, "*": BALANCE}
