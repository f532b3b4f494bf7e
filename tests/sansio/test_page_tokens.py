"""Tokens: where a reader stopped, as text."""

from __future__ import annotations

import json

import pytest

from fincard_async._generated.models.transactions import ListOperationsRequest
from fincard_async._generated.operations import load
from fincard_async._sansio.page_tokens import (
    PageToken,
    SliceToken,
    fingerprint,
    read_token,
    write_token,
)
from fincard_async.errors import ValidationError

OPERATIONS = load("transactions.operations")


def asked(**fields: object) -> ListOperationsRequest:
    """A request with these filters."""
    return ListOperationsRequest(**{"page_num": 1, "page_size": 100, **fields})  # type: ignore[arg-type]  # fields of the request


def test_there_and_back() -> None:
    """Plain JSON, and the same token again."""
    token = PageToken(query="q", page=3, end=5, seen=["aa"])
    text = write_token(token)
    assert json.loads(text)["page"] == 3
    assert read_token(text, PageToken, "q") == token


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{}",
        '{"reader": "PageToken"}',
        write_token(SliceToken(query="q", since=0, until=None, done=0)),
        '{"reader":"PageToken","query":"q","page":"x","end":null,"seen":[]}',
        '{"reader":"PageToken","query":"q","page":1,"end":null,"seen":[],"more":1}',
    ],
)
def test_no_token(text: str) -> None:
    """Anything else is refused before something is sent, and never quoted."""
    with pytest.raises(ValidationError, match="not a token of such a reader"):
        read_token(text, PageToken, "q")


def test_the_token_of_another_query() -> None:
    """Other filters are another list."""
    text = write_token(PageToken(query="q", page=1, end=None, seen=[]))
    with pytest.raises(ValidationError, match="another query"):
        read_token(text, PageToken, "p")


def test_what_makes_a_query() -> None:
    """Its name and filters; not its pages, and its window only where asked."""
    name = fingerprint(OPERATIONS, asked(card_no="C1"), window=True)
    assert name.startswith("transactions.operations:")
    assert name == fingerprint(OPERATIONS, asked(card_no="C1", page_num=9), window=True)
    assert name != fingerprint(OPERATIONS, asked(card_no="C2"), window=True)
    assert name != fingerprint(OPERATIONS, asked(card_no="C1", start_time=5), window=True)
    assert name == fingerprint(OPERATIONS, asked(card_no="C1", start_time=5), window=False)
    assert "C1" not in name
