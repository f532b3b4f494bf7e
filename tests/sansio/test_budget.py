"""The purse from which retries are paid."""

from __future__ import annotations

from hypothesis import given, strategies as st

from fincard_async._sansio.budget import (
    CAPACITY,
    REWARD,
    THROTTLE_COST,
    TRANSIENT_COST,
    RetryBudget,
)


def test_an_outage_empties_the_purse() -> None:
    """After 35 retries there is nothing left for another, and the purse does not go below zero."""
    budget = RetryBudget()
    paid = [budget.pay(TRANSIENT_COST) for _ in range(40)]
    assert paid == [True] * 35 + [False] * 5
    assert budget.left == CAPACITY - 35 * TRANSIENT_COST == 10
    assert [budget.pay(THROTTLE_COST) for _ in range(3)] == [True, True, False]
    assert budget.left == 0


def test_a_retry_that_helped_gets_its_price_back() -> None:
    """What was paid comes back; a first attempt that succeeds adds a little."""
    budget = RetryBudget()
    for _ in range(2):
        budget.pay(TRANSIENT_COST)
    budget.refund(TRANSIENT_COST)
    assert budget.left == CAPACITY - TRANSIENT_COST
    budget.refund(0)
    assert budget.left == CAPACITY - TRANSIENT_COST + REWARD


@given(st.lists(st.one_of(st.just(0), st.sampled_from([TRANSIENT_COST, THROTTLE_COST, -1]))))
def test_the_purse_has_bounds(steps: list[int]) -> None:
    """It is never below zero and never above its size, whatever happens."""
    budget = RetryBudget()
    for step in steps:
        before = budget.left
        if step <= 0:
            budget.refund(-step)
        elif not budget.pay(step):
            assert budget.left == before < step
        assert 0 <= budget.left <= CAPACITY
