"""Read the schema documents so that every value still knows its file and line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.nodes import MappingNode, Node as YamlNode, ScalarNode, SequenceNode

Pointer = tuple[str | int, ...]


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
        """Line of the value, or of the nearest thing around it."""
        pointer = self.pointer
        while pointer not in self.document.lines:
            pointer = pointer[:-1]
        return self.document.lines[pointer]

    @property
    def key(self) -> str:
        """The last step of the way, such as a component's name."""
        return str(self.pointer[-1]) if self.pointer else self.document.name

    def mistake(self, text: str) -> Mistake:
        """A mistake at this place."""
        return Mistake(self.document.label, self.line, text)

    def at(self, *path: str | int) -> Node | None:
        """What lies at ``path`` below, or None."""
        value = self.value
        for step in path:
            if isinstance(value, dict) and step in value:
                value = value[step]
            elif isinstance(value, list) and isinstance(step, int) and step < len(value):
                value = value[step]
            else:
                return None
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


def load(folder: Path, words: Any) -> Schema:
    """Read every YAML file of ``folder``; raises SchemaError if one cannot be read."""
    documents: dict[str, Document] = {}
    mistakes: list[Mistake] = []
    for path in sorted(folder.glob("*.yaml")):
        documents[path.name] = _read(path, mistakes)
    if not documents:
        mistakes.append(Mistake(path_label(folder), 1, "no schema document (*.yaml) found"))
    if mistakes:
        raise SchemaError(mistakes)
    return Schema(documents, words)


def path_label(path: Path) -> str:
    """A path as messages show it: relative to the current folder where that is shorter."""
    try:
        return path.resolve().relative_to(Path.cwd()).as_posix()
    except ValueError:
        return path.as_posix()


def _read(path: Path, mistakes: list[Mistake]) -> Document:
    label = path_label(path)
    lines: dict[Pointer, int] = {(): 1}
    try:
        top = YAML().compose(path.read_text("utf-8"))
    except MarkedYAMLError as error:
        mark = error.problem_mark
        mistakes.append(Mistake(label, mark.line + 1 if mark else 1, f"not YAML: {error.problem}"))
        return Document(path.name, label, {}, lines)
    data = _plain(top, (), lines, label, mistakes)
    if not isinstance(data, dict):
        mistakes.append(Mistake(label, 1, "an OpenAPI document must be a mapping"))
    return Document(path.name, label, data, lines)


def _plain(
    node: YamlNode | None,
    pointer: Pointer,
    lines: dict[Pointer, int],
    label: str,
    mistakes: list[Mistake],
) -> Any:
    if isinstance(node, SequenceNode):
        for index, item in enumerate(node.value):
            lines[(*pointer, index)] = item.start_mark.line + 1
        return [
            _plain(item, (*pointer, index), lines, label, mistakes)
            for index, item in enumerate(node.value)
        ]
    if isinstance(node, ScalarNode):
        return _scalar(node)
    if not isinstance(node, MappingNode):
        return None
    result: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key, line = str(key_node.value), key_node.start_mark.line + 1
        if key in result:
            mistakes.append(Mistake(label, line, f"{key} is given twice"))
        lines[(*pointer, key)] = line
        result[key] = _plain(value_node, (*pointer, key), lines, label, mistakes)
    return result


def _scalar(node: ScalarNode) -> Any:
    tag, text = str(node.tag).rpartition(":")[2], str(node.value)
    if tag == "int":
        return int(text, 0)
    if tag == "float":
        return float(text)
    if tag == "bool":
        return text.lower() == "true"
    return None if tag == "null" else text
