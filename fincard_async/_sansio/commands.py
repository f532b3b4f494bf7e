"""What the command line knows of an operation; the table itself is generated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .operation import Shape

OptionKind = Literal["text", "integer", "money", "boolean", "enum", "secret", "timestamp", "json"]
"""How an option's text becomes a value; ``json`` is a nested object or a list as JSON text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One argument of a command."""

    flag: str
    """Such as ``--card-type-id``."""
    name: str
    """Name of the method's argument."""
    kind: OptionKind
    required: bool = False
    choices: tuple[str, ...] = ()
    """Known values of an enumeration; the server may take others."""
    help: str = ""
    secret: bool = False
    """True if the value must not appear in a process list or a history file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One public operation."""

    resource: str
    name: str
    """Such as ``list-types``."""
    operation_name: str
    """Such as ``cards.list_types``: resource and method of the client."""
    summary: str
    shape: Shape
    mutates: bool = False
    leading: str | None = None
    """Name of the option that may also be given without its flag."""
    deprecated: str | None = None
    options: tuple[Option, ...] = ()
