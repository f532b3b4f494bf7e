"""Schema documents as plain data that still knows its file and line."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

Pointer = tuple[str | int, ...]
"""The way from the top of a document to a value."""


class Mistake(NamedTuple):
    """One thing that is wrong with the schema, and where."""

    file: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.text}"


class SchemaError(Exception):
    """The schema is refused; every mistake that this run found is listed."""

    def __init__(self, mistakes: list[Mistake]) -> None:
        super().__init__("\n".join(map(str, mistakes)))
        self.mistakes = mistakes


@dataclass(frozen=True, slots=True)
class Document:
    """One file: plain data, and the line of every value in it."""

    name: str
    """File name, such as ``cards.yaml``: what a ``$ref`` of another document says."""
    label: str
    """How messages call the file."""
    data: Any
    lines: Mapping[Pointer, int]

    @property
    def module(self) -> str:
        """Python module that holds the models of this document."""
        return self.name.removesuffix(".yaml")

    @property
    def root(self) -> Node:
        """The whole document."""
        return Node(self, (), self.data)


@dataclass(frozen=True, slots=True)
class Node:
    """A value inside a document, with the way to it."""

    document: Document
    pointer: Pointer
    value: Any

    @property
    def line(self) -> int:
        """Line of the value's key, or of the value itself in a list."""
        return self.document.lines[self.pointer]

    @property
    def key(self) -> str:
        """The last step of the way, such as a component's name."""
        return str(self.pointer[-1]) if self.pointer else self.document.name

    def mistake(self, text: str) -> Mistake:
        """A mistake at this place."""
        return Mistake(self.document.label, self.line, text)

    def at(self, *path: str | int) -> Node | None:
        """What lies at ``path`` below, or None."""
        value: Any = self.value
        for step in path:
            if step not in _steps(value):
                return None
            value = value[step]
        return Node(self.document, self.pointer + path, value)

    def get(self, *path: str | int, default: Any = None) -> Any:
        """The plain value at ``path`` below, or ``default``."""
        found = self.at(*path)
        return default if found is None else found.value

    def children(self, *path: str | int) -> Iterator[Node]:
        """The members of the mapping or list at ``path`` below; nothing if there is none."""
        base = self.at(*path)
        if base is None or not isinstance(base.value, dict | list):
            return
        pairs = base.value.items() if isinstance(base.value, dict) else enumerate(base.value)
        for step, value in pairs:
            yield Node(self.document, (*base.pointer, step), value)

    def walk(self) -> Iterator[Node]:
        """This value and everything below it."""
        yield self
        for child in self.children():
            yield from child.walk()


def _steps(value: object) -> Collection[object]:
    """Where one can go from a value."""
    if isinstance(value, list):
        return range(len(value))
    return value if isinstance(value, dict) else ()


class Schema:
    """Every document of a schema folder."""

    def __init__(self, documents: Mapping[str, Document], words: Any) -> None:
        self.documents = documents
        self.words = words
        """``x-fincard.schema.json``: the vocabulary."""

    def __iter__(self) -> Iterator[Document]:
        return iter(self.documents.values())

    def target(self, node: Node) -> Node | None:
        """What the ``$ref`` of ``node`` names; None if that does not exist."""
        file, _, pointer = str(node.get("$ref")).partition("#")
        document = self.documents.get(file) if file else node.document
        if document is None:
            return None
        steps = (step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:])
        return document.root.at(*steps)
