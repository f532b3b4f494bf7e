"""Plans of faults: scripts, chances, files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import pytest

from fincard_async.errors import ConfigError, FincardError
from fincard_async.sandbox import SandboxTransport
from fincard_async.testing import (
    FAULTS,
    FakeClock,
    FaultPlan,
    Injection,
    RandomFaults,
    ScriptedFaults,
    fault,
    load_faults,
    sandbox_client,
)
from tests.sandbox.kit import Api

DROP = "commit-then-drop"


def chosen(plan: FaultPlan, name: str = "cards.open", calls: int = 200) -> list[str | None]:
    """The faults of the first calls of an operation."""
    found = [plan.choose(name, nth, True) for nth in range(1, calls + 1)]
    return [None if item is None else item.name for item in found]


def test_first_line_decides() -> None:
    """Numbers count per operation, and the first line that fits is taken."""
    plan = ScriptedFaults(
        [
            ("cards.open", 2, DROP),
            ("cards.open", None, "502-before-commit"),
            ("*", 1, "stale-query"),
            ("*", 1, fault("commit-then-slow", lasts=1.0)),
        ]
    )
    assert chosen(plan, calls=3) == ["502-before-commit", DROP, "502-before-commit"]
    assert chosen(plan, "cards.get", 2) == ["commit-then-slow", None]
    assert chosen(plan, "transactions.operations", 2) == ["stale-query", None]
    assert chosen(plan, "auth.create_session", 2) == [None, None]


def test_unknown_fault() -> None:
    """A misspelt fault is an error."""
    with pytest.raises(ConfigError, match="commit-than-drop"):
        ScriptedFaults([("*", None, "commit-than-drop")])
    with pytest.raises(ConfigError, match="commit-than-drop"):
        RandomFaults(1, {"commit-than-drop": 0.1})


@pytest.mark.parametrize(
    ("operation", "name"),
    [
        ("cards.opne", DROP),
        ("cards.get", "stale-query"),
        ("cards.get", "stuck-in-processing"),
        ("cards.get", "commit-then-duplicate"),
        ("cards.list_types", "commit-then-missing-card-no"),
        ("auth.create_session", "401-once"),
    ],
)
def test_line_that_can_never_happen(operation: str, name: str) -> None:
    """A line that would never do anything is an error."""
    with pytest.raises(ConfigError, match=name):
        ScriptedFaults([(operation, None, name)])


def test_same_seed_same_faults() -> None:
    """The seed and the number of the call decide, whatever was asked in between."""
    rates = {DROP: 0.2, "502-before-commit": 0.1}
    plan = RandomFaults(7, rates)
    first = chosen(plan)
    chosen(plan, "cards.deposit")
    assert chosen(RandomFaults(7, dict(reversed(rates.items())))) == first
    assert chosen(RandomFaults(8, rates)) != first
    assert chosen(plan, "cards.deposit") != first
    assert 20 < first.count(DROP) < 60
    assert first.count("502-before-commit") < 40 < first.count(None)


def test_repr_says_how_to_repeat() -> None:
    """What a failing test prints is enough to run it again."""
    plan = RandomFaults(7, {DROP: 0.5}, "mutations", 3)
    assert repr(plan) == "RandomFaults(7, {'commit-then-drop': 0.5}, only='mutations', most=3)"


@pytest.mark.parametrize(
    ("only", "mutation", "read", "login"),
    [
        ("all", True, True, True),
        ("mutations", True, False, False),
        ("reads", False, True, False),
    ],
)
def test_only(
    only: Literal["all", "mutations", "reads"], mutation: bool, read: bool, login: bool
) -> None:
    """Faults can be kept to mutations, or to reads without logins."""
    plan = RandomFaults(1, {DROP: 1.0}, only=only)
    assert bool(plan.choose("cards.open", 1, True)) is mutation
    assert bool(plan.choose("cards.get", 1, False)) is read
    assert bool(plan.choose("auth.create_session", 1, False)) is login


def test_most() -> None:
    """After so many faults the rest is left alone, which lets a test end."""
    plan = RandomFaults(1, {DROP: 1.0}, most=1)
    assert plan.choose("cards.open", 1, True)
    plan.injected.append(Injection("cards.open", 1, DROP))
    assert plan.choose("cards.open", 2, True) is None


def test_a_call_that_cannot_have_the_fault() -> None:
    """It is left alone instead of getting another one."""
    plan = RandomFaults(1, {"stale-query": 0.5, "query-without-newest": 0.5})
    assert set(chosen(plan)) == {None}
    assert None not in chosen(plan, "transactions.operations")


def test_other_numbers() -> None:
    """A table of one's own gives faults with other numbers."""
    mine = fault("commit-then-slow", lasts=2.0)
    plan = RandomFaults(1, {"commit-then-slow": 1.0}, table={**FAULTS, mine.name: mine})
    assert plan.choose("cards.open", 1, True) is mine


@pytest.mark.parametrize("rates", [{DROP: -0.1}, {DROP: 0.7, "502-before-commit": 0.4}])
def test_no_shares(rates: dict[str, float]) -> None:
    """Rates are shares of all calls."""
    with pytest.raises(ConfigError, match="rates"):
        RandomFaults(1, rates)
    with pytest.raises(ConfigError, match="rates"):
        RandomFaults(1, {DROP: float("nan")})


@pytest.mark.anyio
async def test_replay_with_a_client() -> None:
    """A client with the same seed meets the same faults, and ends with the same orders."""
    assert await run(3) == await run(3)
    assert await run(3) != await run(4)


async def run(seed: int) -> tuple[list[Injection], int]:
    """Order cards through faults; what was injected, and how many cards there are."""
    api, clock = Api(), FakeClock()
    rates = {DROP: 0.2, "502-before-commit": 0.2, "drop-then-commit": 0.2, "connect-refused": 0.1}
    plan = RandomFaults(seed, rates, only="mutations")
    transport = SandboxTransport(api.sandbox, faults=plan, clock=clock)
    async with sandbox_client(sandbox=api.sandbox, transport=transport, clock=clock) as client:
        for _ in range(20):
            try:
                await client.cards.open(
                    card_type_id=111001, amount=50, merchant_order_no=api.number()
                )
            except FincardError:
                pass
    api.time.pass_ms(1_000)
    assert plan.injected
    assert api.controls.doubled() == []
    return plan.injected, api.controls.ledger().orders


def written(tmp_path: Path, content: object) -> Path:
    """A file with a plan."""
    path = tmp_path / "faults.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_script_from_a_file(tmp_path: Path) -> None:
    """A script with its numbers."""
    script = [
        {"operation": "cards.open", "nth": 1, "fault": DROP},
        {"fault": "429-before-commit", "with": {"retry_after": "5"}},
    ]
    plan = load_faults(written(tmp_path, {"script": script}))
    assert isinstance(plan, ScriptedFaults)
    assert chosen(plan, calls=2) == [DROP, "429-before-commit"]
    assert plan.choose("cards.get", 1, False) == fault("429-before-commit", retry_after="5")


def test_chances_from_a_file(tmp_path: Path) -> None:
    """Rates with their numbers."""
    chance = {
        "seed": 7,
        "rates": {"502-then-commit": 1.0},
        "only": "mutations",
        "most": 2,
        "with": {"502-then-commit": {"late_ms": 5}},
    }
    plan = load_faults(str(written(tmp_path, {"random": chance})))
    assert isinstance(plan, RandomFaults)
    assert plan.choose("cards.open", 1, True) == fault("502-then-commit", late_ms=5)
    assert plan.choose("cards.get", 1, False) is None


@pytest.mark.parametrize(
    "content",
    [
        "{",
        b"\xff".decode("latin-1"),
        {},
        {"script": [], "random": {"seed": 1, "rates": {}}},
        {"script": [{"fault": "nothing"}]},
        {"script": [{"fault": DROP, "wiht": {}}]},
        {"script": [{"fault": DROP, "with": {"late_ms": "soon"}}]},
        {"script": [{"fault": DROP, "with": {"effect": "never"}}]},
        {"random": {"seed": 1, "rates": {"nothing": 0.1}}},
        {"random": {"seed": 1, "rates": {DROP: 2}}},
        {"random": {"seed": 1, "rates": {}, "with": {"nothing": {}}}},
    ],
)
def test_bad_file(tmp_path: Path, content: Any) -> None:
    """A file that is no plan is an error that says why."""
    with pytest.raises(ConfigError):
        load_faults(written(tmp_path, content))


def test_no_file(tmp_path: Path) -> None:
    """A file that is not there is an error that names it."""
    with pytest.raises(ConfigError, match=r"none\.json"):
        load_faults(tmp_path / "none.json")
