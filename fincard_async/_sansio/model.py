"""Bases of the generated models: a struct, an enumeration that stays open, one page of rows."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Generic, TypeVar, overload

import msgspec

_MOST_UNKNOWN_VALUES = 256

T = TypeVar("T")


class Model(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Base of every generated struct: unknown fields are ignored, absent ones are None."""


class StrEnum(str, enum.Enum):
    """An enumeration that the server may extend without notice.

    A known value is compared without regard to case (contract 7.2: the casing of the API is not
    uniform). An unknown value becomes a member of its own that keeps its text; ``known`` tells.
    """

    @property
    def known(self) -> bool:
        """False if the schema does not list this value."""
        return self.name in type(self).__members__

    def __str__(self) -> str:
        return str(self.value)

    @classmethod
    def _missing_(cls, value: object) -> StrEnum | None:
        if not isinstance(value, str):
            return None
        # msgspec asks here without a look at the members that an earlier call added.
        if (found := cls._value2member_map_.get(value)) is not None:
            return found  # type: ignore[return-value]  # the map holds members of this class
        folded = value.casefold()
        for member in cls:
            if member.value.casefold() == folded:
                return member
        made = str.__new__(cls, value)
        made._name_ = f"UNKNOWN_{value}"
        made._value_ = value
        if len(cls._value2member_map_) < len(cls) + _MOST_UNKNOWN_VALUES:
            cls._value2member_map_[value] = made
        return made


E = TypeVar("E", bound=StrEnum)


@overload
def as_enum(kind: type[E], value: E | str) -> E: ...
@overload
def as_enum(kind: type[E], value: E | str | None) -> E | None: ...
def as_enum(kind: type[E], value: E | str | None) -> E | None:
    """Turn what a caller gave for an enumeration argument into a member; None passes."""
    return None if value is None else kind(value)


class PageData(msgspec.Struct, Generic[T], frozen=True, kw_only=True, gc=False):
    """The ``data`` of a paged answer. Source: seed, "Transaction Queries".

    A server that writes no rows as null, or leaves them out, means an empty list.
    """

    total: int
    if TYPE_CHECKING:
        records: list[T]
    else:
        records: list[T] | None = None

        def __post_init__(self) -> None:
            if self.records is None:
                msgspec.structs.force_setattr(self, "records", [])
