"""What a page without rows looks like."""

from __future__ import annotations

import pytest

from fincard_async import errors
from fincard_async._sansio.model import PageData

from .samples import PAGE, Answer, answer


@pytest.mark.parametrize(
    "data", ['{"total":0,"records":null}', '{"total":0}', '{"total":0,"records":[]}']
)
def test_no_rows_are_an_empty_list(data: str) -> None:
    """Null, absent and empty mean the same; nobody has to ask for None."""
    page = _page(data)
    assert page.records == []
    assert isinstance(page.records, list)


def test_rows_are_as_they_came() -> None:
    """One object per row."""
    assert [row.card_no for row in _page('{"total":9,"records":[{"cardNo":"C1"},{}]}').records] == [
        "C1",
        None,
    ]


def test_two_pages_share_no_list() -> None:
    """An empty page is nobody else's."""
    first, second = _page('{"total":0}'), _page('{"total":0}')
    assert first.records is not second.records


@pytest.mark.parametrize("data", ["null", "[]", "{}", '{"total":0,"records":{}}', '{"records":[]}'])
def test_what_is_no_page(data: str) -> None:
    """Other shapes, and a page that does not say how many rows there are."""
    with pytest.raises(errors.DecodeError):
        _page(data)


def _page(data: str) -> PageData[Answer]:
    from .samples import body

    page = answer(PAGE, body('{"success":true,"data":' + data + "}"))
    assert isinstance(page, PageData)
    return page
