"""What a repeated order number gets: refused, answered as before, or carried out again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from .kit import Api, Refused


def test_error() -> None:
    """By default a number is taken for ever, for every kind of operation. Source: contract 6."""
    api = Api()
    order = api.order()
    number = order["merchantOrderNo"]
    api.settle()
    api.time.pass_ms(10**9)
    api.log_in()
    with pytest.raises(Refused, match="Duplicate order number"):
        api.order(merchantOrderNo=number)
    with pytest.raises(Refused, match="Duplicate order number"):
        api.change("deposit", order["cardNo"], amount=10, merchantOrderNo=number)
    assert api.controls.doubled() == []


def test_replay() -> None:
    """The same request gets the first answer, even if the order is final meanwhile."""
    api = Api(dedupe="replay")
    first = api.order()
    api.settle()
    assert api.order(merchantOrderNo=first["merchantOrderNo"]) == first
    assert first["status"] == "wait_process"
    assert len(api.state.operations.rows) == 1


@pytest.mark.parametrize("changes", [{"amount": 51}, {"holderId": 124801}])
def test_replay_of_another_request(changes: Any) -> None:
    """The number with other content is refused, and so is another operation."""
    api = Api(dedupe="replay")
    first = api.order()
    with pytest.raises(Refused, match="Duplicate order number"):
        api.order(**{"merchantOrderNo": first["merchantOrderNo"], **changes})
    api.settle()
    with pytest.raises(Refused, match="Duplicate order number"):
        api.change("freeze", first["cardNo"], merchantOrderNo=first["merchantOrderNo"])


def test_a_refused_request_is_not_kept() -> None:
    """Nothing happened, so the number is free."""
    api = Api(dedupe="replay")
    number = api.number()
    with pytest.raises(Refused):
        api.order(amount=1, merchantOrderNo=number)
    assert api.order(merchantOrderNo=number)


def test_replay_after_a_restart(tmp_path: Path) -> None:
    """The state file knows the mode and the answers; a PIN is no part of what is compared."""
    path = tmp_path / "state"
    api = Api(state=path, dedupe="replay")
    card_no = api.plastic()
    number = api.number()
    first = api.change("update_pin", card_no, pin="918273", merchantOrderNo=number)
    api.sandbox.close()
    size = path.stat().st_size
    again = Api(state=path)
    assert again.change("update_pin", card_no, pin="918273", merchantOrderNo=number) == first
    assert path.stat().st_size == size
    again.sandbox.close()


def test_none(tmp_path: Path) -> None:
    """Every repeat is carried out, and the books tell."""
    api = Api(state=tmp_path / "state", dedupe="none")
    once, twice = api.order(), api.order()
    number = twice["merchantOrderNo"]
    assert api.order(merchantOrderNo=number)["cardNo"] != twice["cardNo"]
    assert api.controls.doubled() == [number]
    assert len(api.rows("operations", merchantOrderNo=number)) == 2
    assert len(api.rows("purchases", merchantOrderNo=once["merchantOrderNo"])) == 1
    api.sandbox.close()
    again = Api(state=tmp_path / "state")
    assert again.sandbox.settings.dedupe == "none"
    assert again.controls.doubled() == [number]
    again.order(merchantOrderNo=number)
    again.sandbox.close()


@pytest.mark.parametrize("dedupe", ["error", "replay"])
def test_forget(dedupe: str, tmp_path: Path) -> None:
    """After the window the number counts as new: that is what makes a late resend dangerous."""
    api = Api(state=tmp_path / "state", dedupe=dedupe, forget_after_ms=1_000)
    number = api.order()["merchantOrderNo"]
    api.time.pass_ms(999)
    if dedupe == "error":
        with pytest.raises(Refused, match="Duplicate"):
            api.order(merchantOrderNo=number)
    else:
        api.order(merchantOrderNo=number)
    assert api.controls.doubled() == []
    api.time.pass_ms(1)
    api.order(merchantOrderNo=number)
    assert api.controls.doubled() == [number]
    api.sandbox.close()
    again = Api(state=tmp_path / "state")
    assert again.sandbox.settings.forget_after_ms == 1_000
    assert again.controls.doubled() == [number]
    again.sandbox.close()


def test_state_file_of_an_earlier_version(tmp_path: Path) -> None:
    """A file without the mode has the default."""
    path = tmp_path / "state"
    path.write_text(
        '{"fincard_sandbox":1,"seed":1,"funds":"10","shared_funds":"1","latency_ms":20}\n'
    )
    api = Api(state=path, dedupe="none")
    assert api.sandbox.settings.dedupe == "error"
    api.sandbox.close()


def test_issuer_acts_without_a_number() -> None:
    """What the issuer does has no number, and is never double."""
    api = Api()
    card_no = api.card()
    api.controls.simulate_overdraft(card_no, 1)
    api.controls.simulate_overdraft(card_no, 1)
    assert api.controls.doubled() == []
    assert api.controls.invoke("doubled", b"{}") == []
