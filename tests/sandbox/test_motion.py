"""Lists that move while they are read."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from .kit import Api


def numbers(page: Any) -> list[str]:
    """Order numbers of a page."""
    return [row["orderNo"] for row in page["records"]]


@pytest.fixture
def api() -> Api:
    """A sandbox with twenty orders, four to a millisecond."""
    made = Api()
    for number in range(20):
        made.order()
        made.time.pass_ms(number % 4 == 3)
    return made


def looks(api: Api, count: int, **more: Any) -> list[Any]:
    """The same page again and again."""
    return [api.page("purchases", **more) for _ in range(count)]


def test_rows_are_added(api: Api) -> None:
    """The newest rows show one after the other, and the rest never moves."""
    everything = numbers(api.page("purchases"))
    api.controls.move_lists(seed=1, inserts=0.5, steps=20)
    shown = [numbers(page) for page in looks(api, 25)]
    assert shown[0] == everything[10:]
    assert shown[-1] == everything
    assert all(now[-len(before) :] == before for before, now in pairwise(shown))


def test_rows_leave(api: Api) -> None:
    """A share of the rows goes, and does not come back."""
    everything = numbers(api.page("purchases"))
    api.controls.move_lists(seed=1, leaves=0.5, steps=20)
    shown = [numbers(page) for page in looks(api, 25)]
    assert shown[0] == everything
    assert 3 < len(shown[-1]) < 17
    assert all(set(now) <= set(before) for before, now in pairwise(shown))


def test_rows_show_late(api: Api) -> None:
    """In the midst of the others, by their time."""
    everything = numbers(api.page("purchases"))
    api.controls.move_lists(seed=1, late=0.5, steps=20)
    shown = [numbers(page) for page in looks(api, 25)]
    assert 3 < len(shown[0]) < 17
    assert shown[-1] == everything


def test_ties_change_places(api: Api) -> None:
    """Rows of one millisecond in any order, the milliseconds in theirs."""
    everything = api.page("purchases")["records"]
    api.controls.move_lists(seed=1, unstable_ties=True)
    shown = looks(api, 5)
    assert len({tuple(numbers(page)) for page in shown}) == 5
    for page in shown:
        times = [row["transactionTime"] for row in page["records"]]
        assert times == [row["transactionTime"] for row in everything]


def test_totals_lag(api: Api) -> None:
    """A count from before, with the rows of now."""
    api.controls.move_lists(seed=1, inserts=0.5, stale_totals=1.0, steps=10)
    shown = looks(api, 30)
    assert any(page["total"] < len(page["records"]) for page in shown)
    assert shown[-1]["total"] == len(shown[-1]["records"]) == 20


def test_a_script(api: Api) -> None:
    """Row by row: the first step and the last."""
    everything = numbers(api.page("purchases"))
    api.controls.move_lists(seed=0, script=[[0, 2, None], [19, 0, 3], [99, 1, 1]])
    shown = [numbers(page) for page in looks(api, 3)]
    assert shown == [everything[:-1], everything, everything[1:]]


def test_filters_windows_and_pages_hold(api: Api) -> None:
    """Only what fits is shown, page by page; what is added later shows at once."""
    api.controls.move_lists(seed=0)
    rows = api.rows("operations")
    moment = rows[5]["transactionTime"]
    found = api.rows("operations", startTime=moment, endTime=moment)
    assert found == [row for row in rows if row["transactionTime"] == moment]
    assert api.rows("operations", orderNo=rows[3]["orderNo"]) == [rows[3]]
    assert api.page("operations", 2, 7)["records"] == rows[7:14]
    api.order()
    assert api.page("operations")["total"] == 21


def test_the_same_seed_moves_the_same_way(api: Api) -> None:
    """Everything follows from the seed and the number of queries; None stops it."""
    how = {"inserts": 0.3, "late": 0.2, "leaves": 0.3, "unstable_ties": True, "stale_totals": 0.5}
    api.controls.move_lists(seed=4, **how)
    once = looks(api, 20)
    api.controls.move_lists(seed=4, **how)
    assert looks(api, 20) == once
    api.controls.move_lists(seed=5, **how)
    assert looks(api, 20) != once
    api.controls.move_lists(seed=None)
    assert api.page("purchases")["total"] == 20


@pytest.mark.parametrize("wrong", [{"inserts": 1.5}, {"leaves": -0.1}, {"steps": 1}])
def test_shares_are_shares(api: Api, wrong: dict[str, Any]) -> None:
    """Anything else is refused."""
    from fincard_async.sandbox import Refusal

    with pytest.raises(Refusal, match="shares"):
        api.controls.move_lists(seed=1, **wrong)


def test_it_is_a_control_call(api: Api) -> None:
    """Also by name, as over HTTP."""
    body = b'{"seed": 1, "inserts": 0.5, "script": [[0, 2, null]]}'
    api.controls.invoke("move_lists", body)
    assert api.page("purchases")["total"] < 20
