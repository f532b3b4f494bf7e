"""What no client can do: act as merchant, issuer or platform, look at the books, move time.

Every method is also a call of the HTTP edge, ``POST /_sandbox/<name>`` with its arguments as a JSON
object, and a line of the state file. Money never appears from nowhere except through ``add_funds``.
"""

from __future__ import annotations

from typing import Final

from fincard_async._generated.models.accounts import LedgerReason
from fincard_async._generated.models.common import OperationType
from fincard_async._sansio.money import Amount

from .booking import note
from .calls import control, parameters_of
from .ledger import Ledger, books_of, doubled
from .motion import Motion, Moving
from .progress import advance, finish_all
from .records import Disturbance, Failure
from .refusal import bad_parameter, not_found
from .simulations import Simulations, positive

_READS: Final = frozenset({"doubled", "ledger"})
"""Calls that change nothing, so that the state file does not have them."""
_MOST_FAILURES: Final = 10_000
_LONGEST_ADVANCE_MS: Final = 10 * 365 * 86_400_000
"""Ten years: a slip of the finger must not leave the calendar."""


class Controls(Simulations):
    """Control calls over one sandbox. A call that is refused raises ``Refusal``."""

    def invoke(self, name: str, body: bytes) -> object:
        """Carry out a call by name, with its arguments as a JSON object.

        Raises:
            Refusal: There is no such call, its arguments are wrong, or it is refused.
        """
        if name in _READS:
            return getattr(self, name)()
        parameters = parameters_of(Controls, name)
        if parameters is None:
            raise not_found("Control call")
        return getattr(self, name)(**parameters(body))

    @control
    def fail_next(
        self,
        kind: str | None = None,
        description: str = "The issuer declined",
        count: int = 1,
    ) -> None:
        """Let the next accepted orders end in ``fail``; ``kind`` as in the operation query."""
        if not 1 <= count <= _MOST_FAILURES:
            raise bad_parameter("count", f"must be 1 to {_MOST_FAILURES}")
        operation = None if kind is None else OperationType(kind)
        if operation is not None and not operation.known:
            raise bad_parameter("kind", "not a kind of operation")
        self._state.failures += [Failure(operation, description)] * count

    @control
    def set_latency(self, latency_ms: int | None) -> None:
        """Milliseconds until new orders are final; None leaves them unfinished."""
        if latency_ms is not None and latency_ms < 0:
            raise bad_parameter("latency_ms", "must not be negative")
        self._state.latency = latency_ms

    @control
    def settle_now(self) -> int:
        """Finish every open order and purchase at once; returns how many there were."""
        return finish_all(self._state)

    @control
    def advance(self, milliseconds: int) -> None:
        """Let time pass; the sandbox stays ahead of the clock by as much."""
        if not 0 <= milliseconds <= _LONGEST_ADVANCE_MS:
            raise bad_parameter("milliseconds", "must be 0 to ten years")
        self._engine.offset += milliseconds
        advance(self._state, self._state.now + milliseconds)

    @control
    def move_lists(
        self,
        seed: int | None,
        inserts: float = 0.0,
        late: float = 0.0,
        leaves: float = 0.0,
        unstable_ties: bool = False,
        stale_totals: float = 0.0,
        steps: int = 50,
        script: list[tuple[int, int, int | None]] | None = None,
    ) -> None:
        """Let the lists of queries move while they are read; see ``motion``. None stops it."""
        shares = (inserts, late, leaves, stale_totals)
        if not all(0 <= share <= 1 for share in shares) or steps < 2:
            raise bad_parameter("move_lists", "shares are 0 to 1, and steps at least 2")
        if seed is None:
            self._state.moving = None
            return
        motion = Motion(
            seed=seed,
            inserts=inserts,
            late=late,
            leaves=leaves,
            unstable_ties=unstable_ties,
            stale_totals=stale_totals,
            steps=steps,
            script=script or (),
        )
        self._state.moving = Moving(motion)

    @control
    def add_funds(self, amount: Amount, account_id: int | None = None) -> None:
        """Pay into an account; None for the merchant's own."""
        account = self._state.wallet if account_id is None else self._state.accounts.get(account_id)
        if account is None:
            raise not_found("Account")
        sum_ = positive(amount, "amount")
        account.purse.balance += sum_
        note(self._state, account.purse, sum_, LedgerReason.CHAIN_DEPOSIT, None)
        self._state.paid_in += sum_

    @control
    def add_holder(self, holder_id: int) -> None:
        """Make a cardholder known."""
        self._state.holders.add(holder_id)

    @control
    def expire_tokens(self) -> None:
        """Refuse every token issued so far."""
        self._state.token_epoch += 1

    @control
    def disturb_webhooks(
        self,
        duplicate: int = 0,
        bad_signature: int = 0,
        lose: int = 0,
        reverse: bool = False,
    ) -> None:
        """Let webhooks go wrong.

        Args:
            duplicate: So many of the next events are sent twice.
            bad_signature: So many of the next attempts carry a signature that is wrong.
            lose: So many of the next events are never sent.
            reverse: Events that are sent together come in the reverse order, until it is unset.
        """
        if min(duplicate, bad_signature, lose) < 0:
            raise bad_parameter("count", "must not be negative")
        self._state.disturbance = Disturbance(duplicate, bad_signature, lose, reverse)

    def ledger(self) -> Ledger:
        """The books now."""
        self._engine.tick()
        return books_of(self._state)

    def doubled(self) -> list[str]:
        """Order numbers that were carried out more than once; empty, or money was lost."""
        self._engine.tick()
        return doubled(self._state)
