"""Where a reader of many rows stopped, as JSON text that is valid in another process.

A token names the query and a digest of its filters, so that it cannot be used with another one. It
holds times, numbers and digests, and nothing that must be kept secret.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TypeVar

import msgspec

from fincard_async.errors import ValidationError

from .codec import encode
from .model import Model
from .operation import Operation, Paging

S = TypeVar("S", bound=msgspec.Struct)


class PageToken(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="reader"):
    """Of a paginator: the next page, the frozen end, and the rows that may come again."""

    query: str
    page: int
    end: int | None
    seen: list[str]


class SliceToken(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="reader"):
    """Of an export: everything before ``done`` was delivered."""

    query: str
    since: int
    until: int | None
    done: int
    finished: bool = False


class FollowToken(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="reader"):
    """Of a follower: the newest row's time, and the rows that may be read again."""

    query: str
    since: int
    newest: int
    seen: dict[str, int]


def fingerprint(operation: Operation[Model, object], request: Model, *, window: bool) -> str:
    """The query's name and a digest of its filters; with ``window`` the times are among them."""
    paging = operation.paging
    assert paging is not None, "only paged operations have tokens"
    filters = msgspec.structs.replace(request, **_neutral(paging, window=window))
    digest = blake2b(encode(filters), digest_size=8).hexdigest()
    return f"{operation.name}:{digest}"


def _neutral(paging: Paging, *, window: bool) -> dict[str, int | None]:
    values: dict[str, int | None] = {paging.page: 1, paging.size: 1}
    times = () if window else (paging.start, paging.end)
    return values | {name: None for name in times if name is not None}


def write_token(token: msgspec.Struct) -> str:
    """A token as text."""
    return msgspec.json.encode(token).decode()


def read_token(text: str, kind: type[S], query: str) -> S:
    """A token of this kind and for this query.

    Raises:
        ValidationError: It is none, or belongs to another query.
    """
    try:
        token = msgspec.json.decode(text, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, TypeError):
        raise ValidationError("this is not a token of such a reader") from None
    if getattr(token, "query", None) != query:
        raise ValidationError("the token belongs to another query, or to other filters")
    return token
