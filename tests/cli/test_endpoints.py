"""The commands made from the table of operations: every one runs, asks, prints and hides."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from decimal import Decimal

import pytest

pytest.importorskip("click")
pytest.importorskip("rich")

from fincard_async._generated.commands import COMMANDS
from fincard_async.sandbox import HOLDER_IDS, SHARED_ACCOUNT_ID, WALLET_ACCOUNT_ID

from .kit import FAR, Cli

PIN = "280461"
PRINTED = "5588210000000012"


def plain(cli: Cli) -> list[str]:
    """A virtual card."""
    return [cli.open_card()]


def frozen(cli: Cli) -> list[str]:
    """A virtual card that is frozen."""
    card_no = cli.open_card()
    cli.rows("cards", "freeze", card_no)
    return [card_no]


def physical(cli: Cli) -> list[str]:
    """A physical card that waits for activation."""
    typed = ("--card-type-id", "111040", "--amount", "25", "--holder-id", str(HOLDER_IDS[0]))
    opened = cli.rows("cards", "open", *typed, "--card-number", "-", input=f"{PRINTED}\n")
    return [opened[0]["card_no"]]


def active(cli: Cli) -> list[str]:
    """A physical card in use."""
    (card_no,) = physical(cli)
    cli.rows("cards", "activate", card_no, input=f"{PIN}\n{cli.activation_code(card_no)}\n")
    return [card_no]


def spent(cli: Cli) -> list[str]:
    """A virtual card with a purchase, a fee and a code; the queries need no argument."""
    card_no = cli.open_card()
    controls = cli.sandbox.controls
    controls.simulate_purchase(card_no, "12.50")
    controls.simulate_fee_patch(card_no, "0.40")
    controls.simulate_otp(card_no, "9.99")
    return []


def nothing(_: Cli) -> list[str]:
    """No card is needed."""
    return []


def shared(_: Cli) -> list[str]:
    """The account of shared cards."""
    return [str(SHARED_ACCOUNT_ID)]


TRANSFER = [
    *("--type", "TRANSFER", "--payer-account-id", str(WALLET_ACCOUNT_ID)),
    *("--payee-account-id", str(SHARED_ACCOUNT_ID)),
]
Before = Callable[[Cli], list[str]]
CALLS: dict[str, tuple[Before, list[str], str | None]] = {
    "accounts.info": (nothing, [], None),
    "accounts.list_all": (nothing, ["--type", "MARGIN"], None),
    "accounts.get": (shared, [], None),
    "accounts.transactions": (spent, ["--biz-type", "card_purchase"], None),
    "accounts.create": (nothing, ["Team budget"], None),
    "accounts.transfer": (nothing, [*TRANSFER, "--amount", "5"], None),
    "cards.list_types": (nothing, [], None),
    "cards.open": (nothing, ["--card-type-id", "111001", "--amount", "50"], None),
    "cards.get": (plain, ["--no-only-simple-info"], None),
    "cards.get_sensitive": (plain, [], None),
    "cards.get_balance": (plain, [], None),
    "cards.deposit": (plain, ["--amount", "20.50"], None),
    "cards.withdraw": (plain, ["--amount", "5"], None),
    "cards.freeze": (plain, ["--client-remark", "lost"], None),
    "cards.unfreeze": (frozen, [], None),
    "cards.cancel": (plain, ["--yes"], None),
    "cards.update": (
        plain,
        ["--spending-controls", '[{"interval": "PER_TRANSACTION", "amount": 20}]'],
        None,
    ),
    "cards.update_pin": (active, [], "914253\n"),
    "cards.activate": (physical, ["--no-pin-payment-amount", "100"], f"{PIN}\n(code)\n"),
    "transactions.purchases": (spent, [], None),
    "transactions.operations": (spent, ["--type", "create"], None),
    "transactions.operations_v1": (spent, [], None),
    "transactions.authorizations": (spent, [], None),
    "transactions.authorization_fees": (spent, [], None),
    "transactions.three_ds": (spent, ["--type", "third_3ds_otp"], None),
}
"""For each operation: what must be there before, its options, and the lines of its input."""


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.operation_name)
def test_every_operation_runs(cli: Cli, command: object) -> None:
    """Each command of the generated table reaches the sandbox and prints what it answers."""
    found = next(item for item in COMMANDS if item is command)
    before, options, lines = CALLS[found.operation_name]
    ids = before(cli)
    if lines is not None and "(code)" in lines:
        lines = lines.replace("(code)", cli.activation_code(ids[0]))
    rows = cli.rows(found.resource, found.name, *ids, *options, input=lines)
    assert rows
    assert all(isinstance(row, dict) and row for row in rows)
    if ids:
        assert all(row.get("card_no", ids[0]) == ids[0] for row in rows)


def test_no_operation_is_forgotten() -> None:
    """A new operation needs a call here."""
    assert {command.operation_name for command in COMMANDS} == set(CALLS)


def test_amounts_are_exact(cli: Cli) -> None:
    """An amount goes in and comes out with the digits that were typed."""
    card_no = cli.open_card(111001, "50.10")
    (row,) = cli.rows("cards", "get-balance", card_no)
    assert row == {"card_no": card_no, "amount": "50.10", "currency": "USD", "used_amount": "0"}


@pytest.mark.parametrize("given", [[], ["FC1", "--card-no", "FC2"]])
def test_the_leading_id_is_given_once(cli: Cli, given: list[str]) -> None:
    """The id may stand alone or behind its flag, but not be missing or given twice."""
    result = cli.run("cards", "get", *given)
    assert result.exit_code == 2
    assert "give card-no once, with or without --card-no" in result.stderr


def test_the_leading_id_may_have_its_flag(cli: Cli) -> None:
    """``cards get --card-no X`` is ``cards get X``."""
    card_no = cli.open_card()
    assert cli.rows("cards", "get", "--card-no", card_no) == cli.rows("cards", "get", card_no)


@pytest.mark.parametrize("form", ["table", "json", "ndjson", "csv"])
def test_formats_of_a_list(cli: Cli, form: str) -> None:
    """Every format shows every row; CSV has all columns, the others only those with a value."""
    cards = {cli.open_card() for _ in range(3)}
    text = cli.run("transactions", "operations", "--format", form).stdout
    assert all(card_no in text for card_no in cards)
    if form == "json":
        assert {row["card_no"] for row in json.loads(text)} == cards
    if form == "csv":
        rows = list(csv.DictReader(text.splitlines()))
        assert {row["card_no"] for row in rows} == cards
        assert {Decimal(row["amount"]) for row in rows} == {Decimal(50)}
        assert rows[0]["remark"] == ""


@pytest.mark.parametrize("form", ["table", "json", "ndjson"])
def test_formats_of_one_record(cli: Cli, form: str) -> None:
    """A single record can be read by people and programs."""
    card_no = cli.open_card()
    text = cli.run("cards", "get", card_no, "--no-only-simple-info", "--format", form).stdout
    assert card_no in text
    assert "50" in text
    if form != "table":
        assert json.loads(text)["balance_info"]["amount"] == "50"


def test_csv_is_for_lists(cli: Cli) -> None:
    """One nested record is no table; the message names the formats there are."""
    result = cli.run("cards", "get", "FC1", "--format", "csv")
    assert result.exit_code == 2
    assert "'ndjson'" in result.stderr


def test_nested_values_in_csv_are_json(cli: Cli) -> None:
    """A cell of CSV that holds a list holds it as JSON."""
    text = cli.run("cards", "list-types", "--format", "csv").stdout
    rows = {row["card_type_id"]: row for row in csv.DictReader(text.splitlines())}
    assert json.loads(rows["111002"]["support_holder_regin"]) == ["US", "GB", "DE", "SG"]
    assert rows["111002"]["need_card_holder"] == "true"


def test_limit(cli: Cli) -> None:
    """A limit cuts, and says so; 0 is no limit."""
    for _ in range(3):
        cli.open_card()
    cut = cli.run("transactions", "operations", "--limit", "2")
    assert len(cut.stdout.splitlines()) == 2
    assert "--limit 0 shows all" in cut.stderr
    whole = cli.run("transactions", "operations", "--limit", "0", "--format", "table")
    assert len(whole.stdout.splitlines()) == 1 + 3
    assert "--limit" not in whole.stderr
    exact = cli.run("transactions", "operations", "--limit", "3")
    assert "--limit" not in exact.stderr


def test_a_table_shows_fifty_rows(cli: Cli) -> None:
    """People get the first rows of a long list and are told that there are more."""
    for _ in range(51):
        cli.open_card(111003, "0")
    result = cli.run("transactions", "operations", "--format", "table")
    assert len(result.stdout.splitlines()) == 1 + 50
    assert "the first 50 rows" in result.stderr


def test_no_rows(cli: Cli) -> None:
    """An empty answer is said in words on a table, and is nothing at all to a program."""
    assert cli.run("transactions", "purchases", "--format", "table").stderr == "no rows\n"
    assert cli.run("transactions", "purchases").stdout == ""


@pytest.mark.parametrize(
    ("start", "rows"),
    [
        ("0", 1),
        ("2020-01-01", 1),
        ("2020-01-01T00:00:00+01:00", 1),
        ("9999999999999", 0),
        ("2199-01-01", 0),
    ],
)
def test_moments(cli: Cli, start: str, rows: int) -> None:
    """A time is given in milliseconds, or as a date or time."""
    cli.open_card()
    assert len(cli.rows("transactions", "operations", "--start-time", start)) == rows


def test_a_wrong_moment(cli: Cli) -> None:
    """What is no time is a usage error."""
    result = cli.run("transactions", "operations", "--start-time", "yesterday")
    assert result.exit_code == 2
    assert "neither milliseconds nor a time" in result.stderr


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not the JSON"),
        ('{"allowedMcc": "5411"}', "not the JSON"),
        ('{"allowedMccs": ["5411"]}', "unknown field 'allowedMccs'; known: allowedMcc, blockedMcc"),
    ],
)
def test_wrong_json(cli: Cli, text: str, message: str) -> None:
    """A misspelt field is an error, never a change that silently does nothing."""
    result = cli.run("cards", "update", "FC1", "--risk-controls", text)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.split())


def test_json_takes_an_empty_list(cli: Cli) -> None:
    """An empty list reaches the server: it removes a rule."""
    card_no = cli.open_card()
    cli.rows("cards", "update", card_no, "--risk-controls", '{"blockedMcc": ["7995"]}')
    assert cli.rows("cards", "get", card_no)[0]["risk_controls"] == {"blocked_mcc": ["7995"]}
    cli.rows("cards", "update", card_no, "--risk-controls", '{"blockedMcc": []}')
    assert "blocked_mcc" not in cli.rows("cards", "get", card_no)[0].get("risk_controls", {})


def test_a_secret_is_not_taken_from_the_command_line(cli: Cli) -> None:
    """A PIN among the arguments is refused without being repeated."""
    result = cli.run("cards", "update-pin", "FC1", "--pin", PIN)
    assert result.exit_code == 2
    assert "env:NAME" in result.stderr
    assert PIN not in result.output


def test_a_secret_from_the_environment(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """``env:NAME`` reads a variable."""
    (card_no,) = active(cli)
    monkeypatch.setenv("NEW_PIN", "914253")
    assert cli.rows("cards", "update-pin", card_no, "--pin", "env:NEW_PIN")


def test_a_secret_that_is_missing(cli: Cli) -> None:
    """An empty input and an empty variable are usage errors."""
    nobody = cli.run("cards", "update-pin", "FC1", input="")
    assert (nobody.exit_code, "the pin is missing" in nobody.stderr) == (2, True)
    unset = cli.run("cards", "update-pin", "FC1", "--pin", "env:NO_SUCH_PIN")
    assert (unset.exit_code, "empty or not set" in unset.stderr) == (2, True)


def test_a_secret_is_asked_for(cli: Cli) -> None:
    """In front of a person a secret is typed, unseen."""
    (card_no,) = active(cli)
    cli.interactive = True
    result = cli.run("cards", "update-pin", card_no, input="914253\n")
    assert result.exit_code == 0
    assert "914253" not in result.output


def test_sealed_values_stay_sealed(cli: Cli) -> None:
    """Without --reveal a sealed value is the word, and the ciphertext is not printed."""
    (row,) = cli.rows("cards", "get-sensitive", cli.open_card())
    assert row == {"card_number": "sealed", "cvv": "sealed", "expire_date": "sealed"}


def test_reveal_needs_a_terminal(cli: Cli) -> None:
    """Card data go to a screen, never into a file or a pipe."""
    result = cli.run("cards", "get-sensitive", "FC1", "--reveal")
    assert result.exit_code == 2
    assert "terminal only" in result.stderr


def test_the_sandbox_is_not_asked_about(cli: Cli) -> None:
    """On this machine a mutation needs no confirmation."""
    assert cli.open_card()


def test_money_needs_a_yes(cli: Cli) -> None:
    """Elsewhere a mutation is refused where nobody can be asked, and --yes answers."""
    cli.base_url = FAR
    typed = ("cards", "open", "--card-type-id", "111001", "--amount", "50")
    refused = cli.run(*typed)
    assert refused.exit_code == 2
    assert "add --yes" in refused.stderr
    assert cli.sandbox.controls.ledger().cards == 0
    assert cli.run(*typed, "--yes").exit_code == 0
    assert cli.run("transactions", "operations").exit_code == 0
    assert cli.sandbox.controls.ledger().cards == 1


@pytest.mark.parametrize(("answer", "cards"), [("y\n", 1), ("n\n", 0), ("\n", 0)])
def test_the_question_shows_what_and_where(cli: Cli, answer: str, cards: int) -> None:
    """A person sees the amount and the server, and silence is a no."""
    cli.base_url, cli.interactive = FAR, True
    result = cli.run("cards", "open", "--card-type-id", "111001", "--amount", "50", input=answer)
    assert cli.sandbox.controls.ledger().cards == cards
    assert "amount: 50" in result.stderr
    assert FAR in result.stderr


def test_the_question_hides_secrets(cli: Cli) -> None:
    """A secret argument is asked about by name only."""
    cli.base_url, cli.interactive = FAR, True
    result = cli.run("cards", "update-pin", "FC1", input=f"{PIN}\nn\n")
    assert "pin: secret" in result.stderr
    assert PIN not in result.output


@pytest.mark.parametrize(("typed", "status"), [("the id", "cancel"), ("FC1", "Normal")])
def test_cancel_wants_the_id(cli: Cli, typed: str, status: str) -> None:
    """Even in the sandbox, what cannot be undone wants the id of the card typed."""
    card_no = cli.open_card()
    assert cli.run("cards", "cancel", card_no).exit_code == 2
    cli.interactive = True
    answer = card_no if typed == "the id" else typed
    cli.run("cards", "cancel", card_no, input=f"{answer}\n")
    assert cli.rows("cards", "get", card_no)[0]["status"] == status


def test_a_deprecated_command_says_so(cli: Cli) -> None:
    """The old query still works and names its successor, once."""
    result = cli.run("transactions", "operations-v1")
    assert result.exit_code == 0
    assert result.stderr.count("transactions.operations") == 1


def test_a_refusal_is_two_lines(cli: Cli) -> None:
    """What the server refuses is said in a line, and what to do in another."""
    result = cli.run("cards", "open", "--card-type-id", "111001", "--amount", "1")
    assert result.exit_code == 1
    error, to_do = result.stderr.splitlines()
    assert error.startswith("error: ")
    assert "at least 10" in error
    assert "nothing happened" in to_do


def test_an_unknown_choice(cli: Cli) -> None:
    """A misspelt kind is refused; its letter case does not matter."""
    assert cli.run("transactions", "operations", "--type", "depsoit").exit_code == 2
    assert cli.run("transactions", "operations", "--type", "unfreeze").exit_code == 0
