"""One row of a job as a finite machine: client, wire and server, and every way they can meet.

A row is one intent, such as one card. Its requests may be delayed for ever, lost or answered; an
answer may be lost; the client may crash. The search visits every reachable state, shortest way
first, and looks for three disasters::

    DUPLICATE  carried out twice
    LOST       carried out, and the caller was told that nothing happened
    PHANTOM    never carried out, and the caller was told that it was

A policy is a record of what the client does and of what the server promises. Those with a
``column`` decide with the package's own table, law of outcomes and proof of absence.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

from fincard_async._sansio.outcome import conclude
from fincard_async._sansio.retry import OPEN, TABLE, Column, Step, classify
from fincard_async._sansio.settlement import proves_absence
from fincard_async.errors import (
    ApiError,
    ConnectFailed,
    ConnectionLost,
    DuplicateOrder,
    FincardError,
    OutcomeUnknown,
    RateLimited,
    Unauthenticated,
)

Answer = Literal["done", "refused", "duplicate", "again-refused"]
"""``again-refused``: the first answer, a refusal, once more."""
Phase = Literal["new", "waits", "open", "asks", "told-ok", "told-fail", "parked"]
Verdict = Literal["safe", "DUPLICATE", "LOST", "PHANTOM"]
ENDED = frozenset({"told-ok", "told-fail", "parked"})
MOST_SENDS, MOST_CRASHES = 3, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """What the server promises about a repeated order number."""

    repeat: Literal["replay", "error", "none"]
    remembers_refusals: bool = True
    forgets: bool = False
    """It may forget every number, once."""
    query_lags: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What the client does.

    Attributes:
        server: What it meets.
        durable: The order number survives a crash.
        lost: What a request without an answer means.
        refusal: When a refusal is believed.
        duplicate: What a duplicate answer means.
        then: What is done while the outcome is open.
        drains: A query counts only when no copy can be on its way any more.
        column: Decide with the package's table instead; the fields above are then not read, but
            for ``then`` after a crash: ``resend`` calls again, ``park`` settles by query.
        settles: The package's ``settle`` may say "absent"; before its time, if not ``drains``.
    """

    server: Server
    durable: bool = True
    lost: Literal["open", "fail"] = "open"
    refusal: Literal["believe", "if-alone"] = "if-alone"
    duplicate: Literal["ask", "ok", "fail"] = "ask"
    then: Literal["resend", "ask-resend", "park"] = "resend"
    drains: bool = False
    column: Column | None = None
    settles: bool = True


class State(NamedTuple):
    """Everything that matters of one row."""

    phase: Phase = "new"
    key: int = 0
    sends: int = 0
    crashes: int = 0
    doubt: bool = False
    """An attempt of this process may still be carried out."""
    logins: int = 0
    flight: tuple[int, ...] = ()
    """Numbers of the copies that nobody waits for, sorted."""
    awaited: bool = False
    """One more copy is on its way, and the client waits for its answer."""
    answer: Answer | None = None
    memory: tuple[tuple[int, bool], ...] = ()
    """Numbers that the server remembers: (number, carried out)."""
    orders: tuple[int, ...] = ()
    """Numbers that were carried out."""
    forgot: bool = False


class Found(NamedTuple):
    """The end of a search."""

    verdict: Verdict
    states: int
    steps: tuple[str, ...]
    """The shortest way to the disaster."""


def search(policy: Policy) -> Found:
    """Visit every state."""
    first = State()
    came: dict[State, tuple[State, str] | None] = {first: None}
    line = deque([first])
    while line:
        state = line.popleft()
        verdict = judge(state)
        if verdict != "safe":
            return Found(verdict, len(came), _way(came, state))
        for step, after in moves(policy, state):
            if after not in came:
                came[after] = (state, step)
                line.append(after)
    return Found("safe", len(came), ())


def judge(state: State) -> Verdict:
    """The disaster that a state is."""
    if len(state.orders) > 1:
        return "DUPLICATE"
    if state.phase == "told-fail" and state.orders:
        return "LOST"
    if state.phase == "told-ok" and not state.orders:
        return "PHANTOM"
    return "safe"


def moves(policy: Policy, state: State) -> Iterator[tuple[str, State]]:
    """Everything that can happen next."""
    yield from _server_moves(policy.server, state)
    if state.phase in ENDED:
        return
    if state.crashes < MOST_CRASHES:
        yield "the client crashes", _crash(policy, state)
    if state.phase == "waits":
        yield from _wire_moves(policy, state)
    elif state.phase == "asks":
        yield from _query(policy, state, again=False)
    elif state.phase == "new" or policy.column is not None or policy.then == "resend":
        if state.sends < MOST_SENDS:
            yield "send", state._replace(phase="waits", sends=state.sends + 1, awaited=True)
        elif state.phase == "open":
            yield "no attempt left", state._replace(phase="parked")
    else:
        yield from _query(policy, state, again=policy.then == "ask-resend")


def _server_moves(server: Server, state: State) -> Iterator[tuple[str, State]]:
    for copy in sorted(set(state.flight)):
        rest = list(state.flight)
        rest.remove(copy)
        yield "a late copy is lost", state._replace(flight=tuple(rest))
        for text, after, _ in _arrive(server, state, copy):
            yield f"a late copy is {text}", after._replace(flight=tuple(rest))
    if state.awaited:
        for text, after, answer in _arrive(server, state, state.key):
            yield f"the request is {text}", after._replace(awaited=False, answer=answer)
    if server.forgets and not state.forgot and state.memory:
        yield "the server forgets", state._replace(memory=(), forgot=True)


def _arrive(server: Server, state: State, copy: int) -> Iterator[tuple[str, State, Answer]]:
    known = None if server.repeat == "none" else dict(state.memory).get(copy)
    if known is not None:
        if server.repeat == "error":
            yield "answered as a duplicate", state, "duplicate"
        else:
            yield "answered as at first", state, "done" if known else "again-refused"
        return
    done = tuple(sorted({*state.memory, (copy, True)}))
    orders = tuple(sorted((*state.orders, copy)))
    yield "carried out", state._replace(memory=done, orders=orders), "done"
    memory = state.memory
    if server.remembers_refusals:
        memory = tuple(sorted({*memory, (copy, False)}))
    yield "refused", state._replace(memory=memory), "refused"


def _crash(policy: Policy, state: State) -> State:
    after = _give_up(state)._replace(crashes=state.crashes + 1, logins=0)
    if not policy.durable:
        return after._replace(phase="new", key=state.key + 1, doubt=False)
    if state.phase == "new" and not state.sends:
        return after
    if policy.column is not None:
        # A new process remembers the number, and nothing of the old process's attempts.
        return after._replace(phase="new" if policy.then == "resend" else "asks", doubt=False)
    return after._replace(phase="asks" if state.phase == "asks" else "open", doubt=True)


def _give_up(state: State) -> State:
    """Nobody waits any more: what is on its way stays on its way."""
    flight = tuple(sorted((*state.flight, state.key))) if state.awaited else state.flight
    return state._replace(flight=flight, awaited=False, answer=None)


def _wire_moves(policy: Policy, state: State) -> Iterator[tuple[str, State]]:
    """What the client may get to see."""
    after = _give_up(state)
    yield "no answer comes", _react(policy, after, ConnectionLost("no answer"))
    if state.awaited:
        gone = state._replace(awaited=False)
        yield "nothing was sent", _react(policy, gone, ConnectFailed("not sent"))
        yield "the request is lost", _react(policy, gone, ConnectionLost("no answer"))
        if policy.column is not None:
            error = Unauthenticated("401", final=True, status=401)
            yield "the token is refused", _react(policy, gone, error)
            yield "a proxy says 429", _react(policy, after, RateLimited("429"))
    if state.answer == "done":
        yield "the result comes", after._replace(phase="told-ok")
    elif state.answer == "duplicate":
        yield "the duplicate answer comes", _react(policy, after, DuplicateOrder("again"))
    elif state.answer is not None:
        yield "the refusal comes", _react(policy, after, ApiError("no", final=True))


def _react(policy: Policy, state: State, error: FincardError) -> State:
    if policy.column is not None:
        return _react_by_table(policy.column, state, error)
    match error:
        case ConnectFailed():
            return state._replace(phase="open" if state.doubt else "new")
        case DuplicateOrder():
            ends: dict[str, Phase] = {"ask": "asks", "ok": "told-ok", "fail": "told-fail"}
            return state._replace(phase=ends[policy.duplicate], doubt=True)
        case ApiError():
            believed = policy.refusal == "believe" or not state.doubt
            return state._replace(phase="told-fail" if believed else "open")
        case _:
            return state._replace(
                phase="told-fail" if policy.lost == "fail" else "open", doubt=True
            )


def _react_by_table(column: Column, state: State, error: FincardError) -> State:
    """What the package does."""
    failure = classify(error)
    state = state._replace(doubt=state.doubt or failure in OPEN)
    step = TABLE[failure, column]
    if step is Step.LOGIN and not state.logins:
        return state._replace(phase="open", logins=1)
    if step in {Step.SOON, Step.LATER} and state.sends < MOST_SENDS:
        return state._replace(phase="open")
    final = conclude(
        error, operation="", mutates=True, order_no="", attempts=1, in_doubt=state.doubt
    )
    if isinstance(final, OutcomeUnknown | DuplicateOrder):
        return state._replace(phase="asks")
    return state._replace(phase="told-fail")


def _query(policy: Policy, state: State, *, again: bool) -> Iterator[tuple[str, State]]:
    """Ask for the order by its number."""
    drained = not state.flight
    if policy.drains and not drained and policy.column is None:
        return
    found = state.key in state.orders
    if found:
        yield "the query finds it", state._replace(phase="told-ok")
    elif dict(state.memory).get(state.key) is False and policy.server.repeat == "error":
        yield "the query finds that it failed", state._replace(phase="told-fail")
        return
    if found and not policy.server.query_lags:
        return
    if policy.column is not None:
        if policy.settles and proves_absence(
            complete=True,
            control=True,
            now=1.0 if drained or not policy.drains else 0.0,
            sent_at=0.0,
            wait=1.0,
        ):
            yield "settled as absent", state._replace(phase="told-fail")
    elif not again:
        yield "the query does not find it", state._replace(phase="parked")
    elif state.sends < MOST_SENDS:
        sent = state._replace(phase="waits", sends=state.sends + 1, awaited=True)
        # With everything drained, no older attempt is open.
        yield "the query does not find it: send", sent._replace(doubt=not policy.drains)


def _way(came: dict[State, tuple[State, str] | None], state: State) -> tuple[str, ...]:
    steps: list[str] = []
    while (before := came[state]) is not None:
        state, step = before
        steps.append(step)
    return tuple(reversed(steps))
