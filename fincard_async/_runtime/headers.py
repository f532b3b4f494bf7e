"""The headers of a call with its Authorization: one object for as long as both stay the same.

A transport may keep what it made of a mapping that cannot change, so it must get the same one
again. Of an earlier token nothing is kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from fincard_async._generated.wire import CONTEXT_HEADERS

_MOST: Final = 64
"""Sets of context headers; who uses more makes some of them again."""


class FullHeaders:
    """Context headers and the Authorization of now."""

    __slots__ = ("_authorization", "_made")

    def __init__(self) -> None:
        self._authorization = ""
        # An entry holds the headers it was made from, so that their id stays theirs.
        self._made: dict[int, tuple[Mapping[str, str], Mapping[str, str]]] = {}

    def of(self, base: Mapping[str, str], authorization: str) -> Mapping[str, str]:
        """``base`` with the Authorization; without one, ``base`` as it is."""
        if not authorization:
            return base
        if authorization != self._authorization or len(self._made) > _MOST:
            self._made.clear()
            self._authorization = authorization
        found = self._made.get(id(base))
        if found is None:
            full = {**base, CONTEXT_HEADERS["authorization"]: authorization}
            found = self._made[id(base)] = (base, MappingProxyType(full))
        return found[1]
