"""The state file: what was answered is there after any end of the process."""

from __future__ import annotations

import os
import stat
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fincard_async._generated.operations import load
from fincard_async.errors import ConfigError
from fincard_async.sandbox import SHARED_ACCOUNT_ID
from fincard_async.sandbox.catalog import SHARED
from fincard_async.sandbox.state import State

from .kit import Api, Refused


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the state file will be."""
    return tmp_path / "state.ndjson"


def picture(state: State) -> object:
    """Everything a state holds, in a form that can be compared."""
    tables = (
        *(state.operations, state.authorizations, state.fee_patches, state.messages),
        *(state.account_rows, state.entries, state.transfers),
    )
    return (
        [repr(row) for table in tables for row in table.rows],
        repr(state.cards),
        [repr(account) for account in state.accounts.values()],
        (state.now, state.latency, state.fees, state.spent, state.held, state.paid_in),
        (state.holders, state.cards_of_holder, state.printed_numbers, state.failures),
        [repr(item) for item in sorted(state.agenda, key=lambda item: item[:2])],
        (state.token_epoch, state.next_serial()),
    )


def live(api: Api) -> None:
    """A bit of everything."""
    card_no = api.card(holderId=124802)
    plastic = api.plastic("OFFLINE-5")
    shared = api.card(SHARED, 0, accountId=SHARED_ACCOUNT_ID)
    api.change("deposit", card_no, amount="20.50", clientRemark="é\n")
    api.controls.fail_next("withdraw")
    api.change("withdraw", card_no, amount=5)
    api.controls.set_latency(7)
    api.change("freeze", plastic)
    trade_no = api.controls.simulate_purchase(shared, "12.34").trade_no
    api.controls.advance(1000)
    api.controls.simulate_refund(trade_no, amount="2.34")
    api.controls.simulate_otp(plastic, "3.5", otp="654321")
    api.controls.simulate_fee_patch(card_no, 1)
    api.controls.simulate_overdraft(card_no, 2)
    api.controls.add_funds(Decimal("1.10"))
    api.controls.add_holder(9)
    api.change("update", card_no, riskControls={"blockedMcc": ["7995"]})
    api.change("update_pin", plastic, pin="918273") if api.status(plastic) == "Normal" else None
    with pytest.raises(Refused):
        api.order(amount=1)
    api.controls.expire_tokens()
    api.log_in()
    api.change("cancel", card_no)


def test_replay_gives_the_same_state(path: Path) -> None:
    """A sandbox that starts from the file equals the one that wrote it, open orders included."""
    first = Api(state=path)
    live(first)
    first.sandbox.close()
    second = Api(state=path)
    assert picture(second.state) == picture(first.state)


def test_life_goes_on(path: Path) -> None:
    """After a restart open orders end, numbers stay taken and new ids are new."""
    first = Api(state=path)
    number = first.number()
    order = first.order(merchantOrderNo=number)
    first.sandbox.close()
    second = Api(state=path)
    second.time.pass_ms(20)
    assert second.status(order["cardNo"]) == "Normal"
    with pytest.raises(Refused, match="Duplicate"):
        second.order(merchantOrderNo=number)
    second.number()
    assert second.order()["orderNo"] > order["orderNo"]
    second.sandbox.close()


@pytest.mark.parametrize("cut", [1, 2, 30])
def test_torn_last_line(path: Path, cut: int) -> None:
    """A last line that was not written to its end is cut off, and the file can be used."""
    first = Api(state=path)
    first.order()
    size = path.stat().st_size
    lost = first.number()
    first.order(merchantOrderNo=lost)
    first.sandbox.close()
    os.truncate(path, path.stat().st_size - cut)
    second = Api(state=path)
    assert path.stat().st_size == size
    assert len(second.state.operations.rows) == 1
    assert second.order(merchantOrderNo=lost)
    second.sandbox.close()


def test_every_prefix_is_a_state(path: Path) -> None:
    """However many bytes reached the disk, the whole lines among them are replayed."""
    first = Api(state=path)
    for _ in range(3):
        first.order()
    first.sandbox.close()
    content = path.read_bytes()
    for size in range(0, len(content), 7):
        path.write_bytes(content[:size])
        second = Api(state=path)
        lines = content[:size].count(b"\n")
        assert len(second.state.operations.rows) == max(0, lines - 1)
        second.sandbox.close()


def test_written_before_the_answer(path: Path) -> None:
    """The line is in the file when the answer is given, and only changes are lines."""
    api = Api(state=path)
    assert path.read_bytes().count(b"\n") == 1
    card_no = api.order()["cardNo"]
    assert path.read_bytes().count(b"\n") == 2
    api.status(card_no)
    with pytest.raises(Refused):
        api.change("freeze", card_no)
    assert path.read_bytes().count(b"\n") == 2
    api.controls.add_holder(5)
    assert path.read_bytes().count(b"\n") == 3


def test_private_file_without_pins(path: Path) -> None:
    """The file is readable by its owner only, and no PIN is in it."""
    api = Api(state=path)
    api.plastic()
    api.change("update_pin", next(iter(api.state.cards)), pin="918273")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    content = path.read_text()
    assert "918273" not in content
    assert "102938" not in content
    assert "OFFLINE-1" in content


def test_file_wins_over_settings(path: Path) -> None:
    """Seed, funds and latency of a state are those it began with."""
    Api(state=path, seed=5, latency_ms=None).sandbox.close()
    api = Api(state=path, seed=6, latency_ms=0, funds=Decimal(1))
    assert (api.sandbox.settings.seed, api.sandbox.settings.latency_ms) == (5, None)
    assert api.controls.ledger().wallet == 1_000_000


def test_one_process_at_a_time(path: Path) -> None:
    """A file that another sandbox has open is refused."""
    first = Api(state=path)
    with pytest.raises(ConfigError, match="in use"):
        Api(state=path)
    first.sandbox.close()
    first.sandbox.close()
    Api(state=path).sandbox.close()


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"hello\n", "not the state"),
        (b'{"some": "json"}\n', "not the state"),
        (b'{"fincard_sandbox":2,"seed":1,"funds":1,"shared_funds":1,"latency_ms":1}\n', "version"),
    ],
)
def test_other_files(path: Path, content: bytes, text: str) -> None:
    """A file that is something else is refused and left alone."""
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=text):
        Api(state=path)
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    "line",
    [
        b"{",
        b'{"at":"x"}',
        b'{"at":1795342500000,"call":"cards.nothing"}',
        b'{"at":1795342500000,"control":"nothing"}',
        b'{"at":1795342500000,"call":"cards.freeze","body":{"cardNo":"x","merchantOrderNo":"y"}}',
        b'{"at":1795342500000,"call":"cards.freeze","body":[]}',
    ],
)
def test_damage_names_the_line(path: Path, line: bytes) -> None:
    """A line in the middle that cannot be replayed is an error with its number."""
    api = Api(state=path)
    api.order()
    api.sandbox.close()
    first, order = path.read_bytes().splitlines()
    path.write_bytes(b"\n".join([first, line, order]) + b"\n")
    with pytest.raises(ConfigError, match="line 2 "):
        Api(state=path)


def test_full_disk(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the file cannot be written, the answer is 500 and nothing more is accepted."""
    api = Api(state=path)
    api.order()

    def full(fd: int, data: Any) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        for _ in range(2):
            body = {"merchantOrderNo": api.number(), "cardTypeId": 111001, "amount": 50}
            response = api.send(load("cards.open").path, body)
            answer = msgspec.json.decode(response.body)
            assert (response.status, answer["code"]) == (500, 500)
    assert api.send(load("cards.list_types").path, {}).status == 200
    second = Api(state=path)
    assert len(second.state.operations.rows) == 1


def test_short_writes(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line that the system takes in pieces arrives whole."""
    api = Api(state=path)
    write = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda fd, data: write(fd, data[:5]))
        order = api.order()
    api.sandbox.close()
    assert Api(state=path).rows("operations")[0]["orderNo"] == order["orderNo"]


def test_order_is_kept_without_closing(path: Path) -> None:
    """A reader of the file alone sees every answered order, although nothing was closed."""
    api = Api(state=path)
    numbers = [api.order()["merchantOrderNo"] for _ in range(5)]
    events = [msgspec.json.decode(line) for line in path.read_bytes().splitlines()[1:]]
    assert [event["body"]["merchantOrderNo"] for event in events] == numbers
    assert {event["call"] for event in events} == {"cards.open"}
