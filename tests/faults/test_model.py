"""Every policy of retry and settlement against every behaviour of the wire, searched to the end."""

from __future__ import annotations

import pytest

from .one_row import Found, Policy, Server, Verdict, search

pytestmark = pytest.mark.faults

REPLAYS = Server(repeat="replay")
REFUSES = Server(repeat="error")
KNOWS_NOTHING = Server(repeat="none")
FORGETS = Server(repeat="replay", forgets=True)
SUCCESSES_ONLY = Server(repeat="error", remembers_refusals=False)
LAGS = Server(repeat="none", query_lags=True)

CLASSIC: dict[str, tuple[Policy, Verdict]] = {
    "A no journal, new number after a crash": (Policy(server=REPLAYS, durable=False), "DUPLICATE"),
    "B number durable, replay for ever, resend": (Policy(server=REPLAYS), "safe"),
    "B2 as B, no answer means failed": (Policy(server=REPLAYS, lost="fail"), "LOST"),
    "C as B, the server forgets": (Policy(server=FORGETS), "DUPLICATE"),
    "D no memory, resend": (Policy(server=KNOWS_NOTHING), "DUPLICATE"),
    "E no memory, query, resend if absent": (
        Policy(server=KNOWS_NOTHING, then="ask-resend"),
        "DUPLICATE",
    ),
    "F no memory, drain, query, resend": (
        Policy(server=KNOWS_NOTHING, then="ask-resend", drains=True),
        "safe",
    ),
    "G as F, the query lags": (Policy(server=LAGS, then="ask-resend", drains=True), "DUPLICATE"),
    "H no memory, query, park": (Policy(server=KNOWS_NOTHING, then="park"), "safe"),
    "I forgets, query, resend, no drain": (Policy(server=FORGETS, then="ask-resend"), "DUPLICATE"),
    "J forgets, drain, query, resend": (
        Policy(server=FORGETS, then="ask-resend", drains=True),
        "safe",
    ),
    "K successes only, a refusal is believed": (
        Policy(server=SUCCESSES_ONLY, refusal="believe"),
        "LOST",
    ),
    "L as K, believed if alone, else drain and query": (
        Policy(server=SUCCESSES_ONLY, then="ask-resend", drains=True),
        "safe",
    ),
    "M a duplicate answer means failed": (Policy(server=REFUSES, duplicate="fail"), "LOST"),
    "N a duplicate answer means success": (Policy(server=REFUSES, duplicate="ok"), "PHANTOM"),
    "O a duplicate answer is looked up": (Policy(server=REFUSES), "safe"),
}
OURS: dict[str, tuple[Policy, Verdict]] = {
    "dedupe=error, settled after a crash": (
        Policy(server=REFUSES, column="error", then="park", drains=True),
        "safe",
    ),
    "dedupe=error, the server remembers successes only": (
        Policy(server=SUCCESSES_ONLY, column="error", then="park", drains=True),
        "safe",
    ),
    "dedupe=error on a server that replays": (
        Policy(server=REPLAYS, column="error", then="park", drains=True),
        "safe",
    ),
    "dedupe=replay": (Policy(server=REPLAYS, column="replay", then="park", drains=True), "safe"),
    "dedupe=replay on a server that refuses": (
        Policy(server=REFUSES, column="replay", then="park", drains=True),
        "safe",
    ),
    "dedupe=none": (
        Policy(server=KNOWS_NOTHING, column="none", then="park", drains=True),
        "safe",
    ),
    "dedupe=none on a server that refuses": (
        Policy(server=REFUSES, column="none", then="park", drains=True),
        "safe",
    ),
    # And where it ends: each of these is a promise that the caller must not break.
    "dedupe=error on a server without memory": (
        Policy(server=KNOWS_NOTHING, column="error", then="park", drains=True),
        "DUPLICATE",
    ),
    "dedupe=replay on a server that forgets": (
        Policy(server=FORGETS, column="replay", then="park", drains=True),
        "DUPLICATE",
    ),
    # What a call says is about that call: after a crash, only ``settle`` speaks of the order.
    "dedupe=error, called again after a crash": (
        Policy(server=REFUSES, column="error", then="resend", drains=True),
        "LOST",
    ),
    "dedupe=replay, called again after a crash": (
        Policy(server=REPLAYS, column="replay", then="resend", drains=True),
        "LOST",
    ),
    "dedupe=none, called again after a crash": (
        Policy(server=KNOWS_NOTHING, column="none", then="resend", drains=True),
        "DUPLICATE",
    ),
    "a minted number that a crash forgot": (
        Policy(server=REFUSES, column="error", durable=False, drains=True),
        "DUPLICATE",
    ),
    "called again after a crash, successes only": (
        Policy(server=SUCCESSES_ONLY, column="error", then="resend", drains=True),
        "LOST",
    ),
    "absent before the settle time": (
        Policy(server=REFUSES, column="error", then="park", drains=False),
        "LOST",
    ),
    "absent while the query lags": (
        Policy(
            server=Server(repeat="error", query_lags=True),
            column="error",
            then="park",
            drains=True,
        ),
        "LOST",
    ),
}
POLICIES = {**CLASSIC, **OURS}


@pytest.mark.parametrize("name", POLICIES)
def test_policy(name: str) -> None:
    """A policy is as safe, or as unsafe, as it is said to be."""
    policy, expected = POLICIES[name]
    found = search(policy)
    assert found.verdict == expected, _told(name, found)
    assert bool(found.steps) == (expected != "safe")


def test_the_shortest_way_to_a_loss() -> None:
    """Four steps are enough to lose money, if no answer is taken for a failure."""
    found = search(CLASSIC["B2 as B, no answer means failed"][0])
    assert found.steps in {
        ("send", "the request is carried out", "no answer comes"),
        ("send", "no answer comes", "a late copy is carried out"),
    }


def test_every_disaster_is_reachable() -> None:
    """A search that finds nothing anywhere would prove nothing."""
    assert {verdict for _, verdict in CLASSIC.values()} == {"safe", "DUPLICATE", "LOST", "PHANTOM"}
    assert sum(search(policy).states for policy, _ in POLICIES.values()) > 5_000


def _told(name: str, found: Found) -> str:
    way = "".join(f"\n  {number}. {step}" for number, step in enumerate(found.steps, 1))
    return f"{name}: {found.verdict} after {found.states} states{way}"
