"""Accounts where sources disagree about the answer, and mutations that nothing settles."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import pytest

from fincard_async import BearerToken, FincardClient
from fincard_async._sansio.messages import HttpResponse, TransportFailure
from fincard_async.errors import (
    ConnectFailed,
    DecodeError,
    DuplicateOrder,
    FincardError,
    InsufficientFunds,
    OutcomeUnknown,
    ResponseMismatch,
    ValidationError,
)
from fincard_async.sandbox import (
    SHARED_ACCOUNT_ID,
    WALLET_ACCOUNT_ID,
    Sandbox,
    SandboxTransport,
)
from fincard_async.settle import settle
from fincard_async.testing import (
    FakeClock,
    ScriptedFaults,
    ScriptedTransport,
    reply,
    sandbox_client,
)

pytestmark = pytest.mark.anyio

NUMBER = "ACCOUNTS-TEST-0000000000001"
ACCOUNT = {"accountId": str(WALLET_ACCOUNT_ID), "accountType": "WALLET", "availableBalance": "5"}
LOST = TransportFailure("lost", sent=True, detail="the connection broke")
REFUSED = TransportFailure("connect", sent=False, detail="refused")


async def call(
    made: Callable[[FincardClient], Awaitable[Any]],
    *answers: HttpResponse | TransportFailure,
) -> tuple[Any, list[bytes]]:
    """What a call gives or raises, and the bodies that were sent."""
    transport = ScriptedTransport(answers)
    async with FincardClient(
        base_url="https://accounts.example",
        auth=BearerToken("token"),
        tenant_id="tenant",
        transport=transport,
        clock=FakeClock(),
    ) as client:
        try:
            outcome = await made(client)
        except FincardError as error:
            outcome = error
    return outcome, [request.body for request in transport.requests]


async def transfer(client: FincardClient) -> Any:
    """Move money under a fixed number."""
    return await client.accounts.transfer(
        type="TRANSFER",
        amount="5",
        payer_account_id=WALLET_ACCOUNT_ID,
        payee_account_id=SHARED_ACCOUNT_ID,
        merchant_order_no=NUMBER,
    )


async def create(client: FincardClient) -> Any:
    """Create an account."""
    return await client.accounts.create("Team")


async def get(client: FincardClient) -> Any:
    """Read one account."""
    return await client.accounts.get(WALLET_ACCOUNT_ID)


@pytest.mark.parametrize("made", [create, get])
@pytest.mark.parametrize("data", [ACCOUNT, [ACCOUNT]])
async def test_an_account_or_a_list_of_one(
    made: Callable[[FincardClient], Awaitable[Any]], data: object
) -> None:
    """Both forms of the answer are the same account. Source: contract 9 row 8."""
    account, _ = await call(made, reply(data))
    assert (account.account_id, account.account_type) == (WALLET_ACCOUNT_ID, "WALLET")
    assert account.available_balance == Decimal(5)


async def test_another_account_is_not_believed() -> None:
    """An answer about another account than the one that was asked for is a mismatch."""
    outcome, _ = await call(get, reply([{"accountId": SHARED_ACCOUNT_ID}]))
    assert isinstance(outcome, ResponseMismatch)


@pytest.mark.parametrize("data", [[], [ACCOUNT, ACCOUNT], True])
async def test_no_account_and_two(data: object) -> None:
    """Where one account is expected, neither none nor two nor a bare word is one."""
    outcome, _ = await call(get, reply(data))
    assert isinstance(outcome, DecodeError)


async def test_transfer_says_true() -> None:
    """The bare word true is a result, and the order number is on it all the same."""
    made, _ = await call(transfer, reply(True))
    assert made.merchant_order_no == NUMBER
    assert (made.order_no, made.amount, made.tx_id) == (None, None, None)


async def test_transfer_says_more() -> None:
    """The longer answer is read with both of its spellings, and completed by the number."""
    data = {
        "txId": "tx-1",
        "amount": "5",
        "balanceBefore": 9,
        "afterBalance": 4,
        "direction": "OUT",
    }
    made, _ = await call(transfer, reply(data))
    assert (made.merchant_order_no, made.tx_id) == (NUMBER, "tx-1")
    assert (made.before_balance, made.after_balance) == (Decimal(9), Decimal(4))


async def test_transfer_of_another_number() -> None:
    """A result that names another order is no result of this call."""
    outcome, _ = await call(transfer, reply({"merchantOrderNo": "X" * 20}))
    assert isinstance(outcome, OutcomeUnknown)
    assert isinstance(outcome.__cause__, ResponseMismatch)


@pytest.mark.parametrize("data", [False, None, "true", 1, [True]])
async def test_anything_else_is_unknown(data: object) -> None:
    """What is neither true nor an object says nothing about the money, and is not sent again."""
    outcome, sent = await call(transfer, reply(data))
    assert isinstance(outcome, OutcomeUnknown)
    assert outcome.order_no == NUMBER
    assert len(sent) == 1


async def test_a_lost_transfer_is_sent_again_with_its_number() -> None:
    """The number makes a second attempt harmless: the same bytes, and one result."""
    made, sent = await call(transfer, LOST, reply(True))
    assert made.merchant_order_no == NUMBER
    assert len(sent) == 2
    assert sent[0] == sent[1]
    assert NUMBER.encode() in sent[0]


async def test_a_duplicate_after_a_lost_answer_stays_unknown() -> None:
    """An earlier attempt arrived, but no query tells how it ended, so none is asked."""
    duplicate = reply(None, success=False, code=-1, msg="Duplicate order number")
    outcome, sent = await call(transfer, LOST, duplicate)
    assert isinstance(outcome, OutcomeUnknown)
    assert (outcome.maybe_applied, outcome.order_no) == (True, NUMBER)
    assert len(sent) == 2
    outcome, sent = await call(transfer, duplicate)
    assert isinstance(outcome, DuplicateOrder)
    assert len(sent) == 1


@pytest.mark.parametrize(
    "answer",
    [
        LOST,
        TransportFailure("timeout", sent=True, detail="no answer in time"),
        HttpResponse(503, {}, b""),
        HttpResponse(429, {"retry-after": "1"}, b""),
        reply(None),
    ],
)
async def test_a_creation_is_sent_once(answer: HttpResponse | TransportFailure) -> None:
    """Without an order number the server cannot know a repeat: what may have arrived stays so."""
    outcome, sent = await call(create, answer, reply(ACCOUNT))
    assert isinstance(outcome, OutcomeUnknown)
    assert (outcome.order_no, outcome.maybe_applied) == (None, True)
    assert len(sent) == 1


async def test_a_creation_that_was_not_sent() -> None:
    """Nothing left this machine, so another attempt makes no second account."""
    account, sent = await call(create, REFUSED, reply(ACCOUNT))
    assert account.account_id == WALLET_ACCOUNT_ID
    assert len(sent) == 2
    outcome, _ = await call(create, *[REFUSED] * 3)
    assert isinstance(outcome, ConnectFailed)


async def test_a_refused_creation_is_final() -> None:
    """A refusal that proves that nothing happened is passed on as such."""
    refusal = reply(None, success=False, code=-1, msg="Insufficient balance")
    outcome, sent = await call(create, refusal)
    assert isinstance(outcome, InsufficientFunds)
    assert (outcome.maybe_applied, len(sent)) == (False, 1)


async def test_faults_of_the_sandbox_move_the_money_once() -> None:
    """The answer is lost and the second attempt is a duplicate: one transfer, outcome unknown."""
    faults, clock = ScriptedFaults([("accounts.transfer", 1, "commit-then-drop")]), FakeClock()
    sandbox = Sandbox(clock=clock.wall)
    wire = SandboxTransport(sandbox, faults=faults, clock=clock)
    async with sandbox_client(sandbox=sandbox, transport=wire, clock=clock) as client:
        with pytest.raises(OutcomeUnknown) as caught:
            await transfer(client)
        wallet = await client.accounts.get(WALLET_ACCOUNT_ID)
        assert wallet.available_balance == Decimal(999_995)
        assert [(d.order_no, d.operation) for d in client.in_doubt()] == [
            (NUMBER, "accounts.transfer")
        ]
        with pytest.raises(ValidationError, match="is no mutation"):
            await settle(client, caught.value.order_no or "", kind="transfer")
