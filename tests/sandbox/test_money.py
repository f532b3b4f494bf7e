"""No sequence of calls makes or loses money."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from fincard_async.sandbox import SHARED_ACCOUNT_ID, WALLET_ACCOUNT_ID, Refusal
from fincard_async.sandbox.booking import frozen
from fincard_async.sandbox.catalog import GIFT, PLAIN, PREPAID, SHARED
from fincard_async.sandbox.fees import ZERO
from fincard_async.sandbox.records import Account
from fincard_async.sandbox.state import State

from .kit import Api, Refused

AMOUNTS = st.integers(1, 6000).map(lambda cents: f"{cents / 100:.2f}")
WHICH = st.integers(0, 3)


def sum_of_held(state: State) -> Decimal:
    """What unfinished orders took from the wallet, counted over all orders."""
    orders = (order for order in state.operations.rows if order.kind != "withdraw")
    return sum((order.held for order in orders), ZERO)


class Money(RuleBasedStateMachine):
    """Calls of clients, merchants and the issuer, in any order and at any time."""

    @initialize()
    def begin(self) -> None:
        self.api = Api()
        for kind, amount in ((PREPAID, 50), (PLAIN, 20), (GIFT, 30)):
            self.api.card(kind, amount)
        self.api.card(SHARED, 0, accountId=SHARED_ACCOUNT_ID)
        self.trades: list[str] = []

    def card(self, which: int) -> str:
        return list(self.api.state.cards)[which]

    def attempt(self, call: Any, *args: Any, **kwargs: Any) -> Any:
        """Refusals are part of the game."""
        try:
            return call(*args, **kwargs)
        except (Refused, Refusal):
            return None

    @rule(
        method=st.sampled_from(["deposit", "withdraw", "freeze", "unfreeze", "cancel"]),
        which=WHICH,
        amount=AMOUNTS,
        fails=st.booleans(),
        latency=st.sampled_from([0, 5, 50]),
    )
    def operate(self, method: str, which: int, amount: str, fails: bool, latency: int) -> None:
        self.api.controls.set_latency(latency)
        if fails:
            self.api.state.failures.clear()
            self.api.controls.fail_next(method)
        extra = {"amount": amount} if method in ("deposit", "withdraw") else {}
        self.attempt(self.api.change, method, self.card(which), **extra)

    @rule(amount=AMOUNTS)
    def open_another(self, amount: str) -> None:
        self.attempt(self.api.order, PREPAID, amount)

    @rule(which=WHICH, amount=AMOUNTS, after=st.sampled_from([0, 10, None]))
    def buy(self, which: int, amount: str, after: int | None) -> None:
        row = self.api.controls.simulate_purchase(
            self.card(which), amount, fee="0.10", settle_after_ms=after
        )
        self.trades.append(row.trade_no)

    @rule(which=st.integers(0, 50), amount=st.none() | AMOUNTS)
    def give_back(self, which: int, amount: str | None) -> None:
        if self.trades:
            trade_no = self.trades[which % len(self.trades)]
            self.attempt(self.api.controls.simulate_refund, trade_no, amount)
            self.attempt(self.api.controls.simulate_reversal, trade_no)

    @rule(which=WHICH, amount=AMOUNTS)
    def charge(self, which: int, amount: str) -> None:
        card_no = self.card(which)
        self.api.controls.simulate_maintain_fee(card_no, amount)
        self.attempt(self.api.controls.simulate_fee_patch, card_no, amount)
        self.attempt(self.api.controls.simulate_overdraft, card_no, amount)

    @rule(amount=AMOUNTS, back=st.booleans())
    def transfer(self, amount: str, back: bool) -> None:
        sides = [WALLET_ACCOUNT_ID, SHARED_ACCOUNT_ID]
        payer, payee = reversed(sides) if back else sides
        self.attempt(
            self.api.call,
            "accounts.transfer",
            type="COLLECTION" if back else "TRANSFER",
            merchantOrderNo=self.api.number(),
            amount=amount,
            payerAccountId=payer,
            payeeAccountId=payee,
        )

    @rule(amount=AMOUNTS)
    def pay_in(self, amount: str) -> None:
        self.api.controls.add_funds(amount)

    @rule(milliseconds=st.integers(0, 60))
    def wait(self, milliseconds: int) -> None:
        self.api.time.pass_ms(milliseconds)

    @rule()
    def finish(self) -> None:
        self.api.controls.settle_now()

    @invariant()
    def nothing_is_lost(self) -> None:
        if hasattr(self, "api"):
            state = self.api.state
            assert state.money() == state.paid_in
            assert state.held >= 0
            purses = [card.purse for card in state.cards.values()] + [state.wallet.purse]
            assert all(purse.balance >= 0 for purse in purses)
            for account in state.accounts.values():
                self.is_a_chain(account)

    def is_a_chain(self, account: Account) -> None:
        """The ledger explains every cent between the first balance and the one now."""
        entries = [e for e in self.api.state.entries.rows if e.account_id == account.account_id]
        settings = self.api.sandbox.settings
        balance = settings.shared_funds if account.shared else settings.funds
        for entry in entries:
            balance += entry.change
            assert entry.balance == balance
        assert account.purse.balance == balance
        assert frozen(self.api.state, account) == (
            ZERO if account.shared else sum_of_held(self.api.state)
        )

    def teardown(self) -> None:
        if hasattr(self, "api"):
            self.api.controls.settle_now()
            assert self.api.state.held == 0
            assert self.api.state.money() == self.api.state.paid_in


TestMoney = Money.TestCase
TestMoney.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
