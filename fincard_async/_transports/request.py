"""The bytes of a request: all but its length and body are made once for the same headers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from fincard_async._sansio.messages import HttpRequest, TransportFailure

MOST_HEADS: Final = 256
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")
_VALUE = re.compile(r"[\x20-\x7e\t]*\Z")
_LENGTHS: Final = tuple(b"%d\r\n\r\n" % size for size in range(256))
"""The end of the head, ready for the usual request."""
_PATH = re.compile(r"/[\x21-\x7e]*\Z")


class Heads:
    """Request heads of one origin, by path and headers."""

    __slots__ = ("_heads", "_host")

    def __init__(self, host: str) -> None:
        self._host = host
        # The entry holds its headers, so that their id stays theirs.
        self._heads: dict[tuple[str, int], tuple[Mapping[str, str], bytes]] = {}

    def render(self, request: HttpRequest) -> bytes:
        """The whole request.

        Raises:
            TransportFailure: A header would forge another one; nothing was sent.
        """
        key = (request.path, id(request.headers))
        found = self._heads.get(key)
        if found is None:
            if not _can_be_sent(request):
                raise TransportFailure("malformed", sent=False, detail="a header cannot be sent")
            head = self._render(request.path, request.headers)
            if isinstance(request.headers, MappingProxyType):  # what may change is not kept
                if len(self._heads) >= MOST_HEADS:
                    self._heads.clear()
                self._heads[key] = (request.headers, head)
        else:
            head = found[1]
        body = request.body
        size = len(body)
        length = _LENGTHS[size] if size < len(_LENGTHS) else b"%d\r\n\r\n" % size
        return head + length + body

    def _render(self, path: str, headers: Mapping[str, str]) -> bytes:
        lines = [f"POST {path} HTTP/1.1", f"Host: {self._host}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        return "\r\n".join([*lines, "Content-Length: "]).encode("ascii")


def _can_be_sent(request: HttpRequest) -> bool:
    """Asked apart, because a traceback shows the variables of the frame that raises."""
    return _PATH.match(request.path) is not None and all(
        _NAME.match(name) and _VALUE.match(value) for name, value in request.headers.items()
    )
